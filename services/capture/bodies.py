"""Bodies while they come: one under its cap, and all together under the memory we allow for them.

Compiled when there is a compiler (bodies.pxd).
"""

from services.capture.answers import too_large


class Overloaded(Exception):
    """What other requests hold fills the memory we allow for them."""


class BodyMemory:
    """How many bytes of bodies all requests of this process hold now."""

    def __init__(self, most: int):
        self.most = most
        self.held = 0

    def hold(self, size: int) -> None:
        """So many more; they are let go of by taking them off `held`. Raises Overloaded."""
        if self.held + size > self.most:
            raise Overloaded
        self.held += size


def check_size(size: int, most: int) -> None:
    """Raise Refused (413) when a body of `size` is over the cap of `most`."""
    if size > most:
        raise too_large(f"request body is larger than {most} bytes", "body_too_large")


class Body:
    """The body of one request while it is read; `release` must follow."""

    __slots__ = ("_first", "_max_bytes", "_memory", "_pieces", "_size")

    def __init__(self, memory: BodyMemory, max_bytes: int):
        self._memory = memory
        self._max_bytes = max_bytes
        self._first = b""  # mostly all of it
        self._pieces: list[bytes] | None = None  # behind the first
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Keep a piece. Raises Refused (413) past the cap and Overloaded past that of all requests."""
        size = self._size + len(piece)
        self.check(size)
        self._memory.hold(len(piece))
        if self._size == 0:
            self._first = piece
        elif self._pieces is None:
            self._pieces = [piece]
        else:
            self._pieces.append(piece)
        self._size = size

    def check(self, size: int) -> None:
        """Raise Refused (413) when a body of `size` is over the cap."""
        check_size(size, self._max_bytes)

    def check_declared(self, content_length: bytes | None) -> None:
        """Raise Refused (413) when a body is announced that is over the cap."""
        if content_length is not None and content_length.isdigit():
            self.check(int(content_length) if len(content_length) < 20 else self._max_bytes + 1)

    def take(self) -> bytes:
        """The whole, handed over."""
        whole = self._first if self._pieces is None else b"".join((self._first, *self._pieces))
        self._drop()
        return whole

    def release(self) -> None:
        """The bytes are no longer held."""
        self._drop()
        self._memory.held -= self._size
        self._size = 0

    def _drop(self) -> None:
        self._first, self._pieces = b"", None
