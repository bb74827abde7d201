"""A fixed-size filter of 128-bit keys: "certainly new" or "maybe seen".

A blocked Bloom filter: the first half of a key picks one 64-byte block (one cache line), the second half sets one bit
in each of its eight words. Two such tables, of the size given together, are two generations: keys go into the current
one, both are asked, and `rotate` forgets the older. So memory never grows, and a key is remembered for one to two
rotations.

Keys must be uniformly distributed (a digest); the filter does not hash. Little-endian machines only, as all we run on.
"""

from array import array

KEY_BYTES = 16
WORDS = 8


class SeenFilter:
    """Never says "new" of a key that was added and not yet rotated out twice. May say "maybe" of one that was not:
    about 1 in 100 at 10 bits a key, more as it fills beyond that."""

    def __init__(self, memory_bytes: int) -> None:
        self._blocks = memory_bytes // (2 * WORDS * 8)
        if self._blocks <= 0:
            raise ValueError("a filter needs at least 128 bytes")
        self._current = array("Q", bytes(self._blocks * WORDS * 8))
        self._previous = array("Q", bytes(self._blocks * WORDS * 8))
        self.current_count = 0
        self.previous_count = 0

    @property
    def memory_bytes(self) -> int:
        """Size of both generations."""
        return self._blocks * WORDS * 8 * 2

    def add(self, key: bytes) -> None:
        """Remember a key of 16 bytes in the current generation."""
        if len(key) != KEY_BYTES:
            raise ValueError("a key is 16 bytes")
        base, bits = self._locate(key)
        for word in range(WORDS):
            self._current[base + word] |= 1 << ((bits >> (word * 6)) & 63)
        self.current_count += 1

    def add_packed(self, keys: bytes) -> None:
        """Remember many keys, one behind the other."""
        if len(keys) % KEY_BYTES:
            raise ValueError("keys are 16 bytes each")
        for at in range(0, len(keys), KEY_BYTES):
            self.add(keys[at : at + KEY_BYTES])

    def maybe(self, key: bytes) -> bool:
        """False: certainly never added (since it was rotated out). True: look it up."""
        if len(key) != KEY_BYTES:
            raise ValueError("a key is 16 bytes")
        base, bits = self._locate(key)
        return any(
            all((table[base + word] >> ((bits >> (word * 6)) & 63)) & 1 for word in range(WORDS))
            for table in (self._current, self._previous)
        )

    def rotate(self) -> None:
        """Forget the previous generation; the current one becomes it."""
        self._previous = self._current
        self._current = array("Q", bytes(self._blocks * WORDS * 8))
        self.previous_count, self.current_count = self.current_count, 0

    def _locate(self, key: bytes) -> tuple[int, int]:
        place = int.from_bytes(key[:8], "little") % self._blocks
        return place * WORDS, int.from_bytes(key[8:], "little")
