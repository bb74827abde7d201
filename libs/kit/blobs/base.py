"""What a blob store promises."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.kit.errors import InvalidRequest

MAX_KEY = 1000
MAX_SEGMENT = 200  # a file name has 255 bytes, and ours carries a mark
_KEY = re.compile(r"[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*")


@dataclass(frozen=True, slots=True)
class BlobStat:
    """A blob without its bytes. `size` in bytes; `modified` aware, UTC."""

    key: str
    size: int
    modified: datetime


def checked(key: str) -> str:
    """The key itself, or InvalidRequest: no key may leave the store's root."""
    parts = key.split("/")
    if len(key) > MAX_KEY or not _KEY.fullmatch(key) or any(p in (".", "..") or len(p) > MAX_SEGMENT for p in parts):
        raise InvalidRequest(f"Not a blob key: {key[:100]!r}")
    return key


def checked_range(start: int, length: int | None) -> None:
    """Raise InvalidRequest for a range that no blob can have."""
    if start < 0 or (length is not None and length < 0):
        raise InvalidRequest("A range starts at 0 or later and is not shorter than nothing.")


class Blobs(Protocol):
    """Whole-object storage. A key is written in one piece: a reader sees the old bytes or the new, never a mix.

    Every method raises InvalidRequest for a key that is none, and Unavailable when the store does not do it in time.
    All of them may be repeated."""

    async def put(self, key: str, body: bytes) -> None:
        """Store durably, replacing what is there."""

    async def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The bytes, or a range of them, cut off at the end of the blob. Raises NotFound."""

    async def stat(self, key: str) -> BlobStat | None:
        """Size and time, or None."""

    async def delete(self, key: str) -> None:
        """Remove; nothing happens when it is not there."""

    def list(self, prefix: str) -> AsyncIterator[BlobStat]:
        """Blobs whose key starts with `prefix`, in key order."""

    async def check(self) -> None:
        """Raise Unavailable unless the store answers."""

    async def close(self) -> None:
        """Let go of connections."""
