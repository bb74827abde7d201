"""Compiled hot paths, each beside a plain-Python twin that is its reference, fallback and oracle.

    _members    a JSON object taken apart at its top level; a captured event
    _murmur2    Kafka's partitioner hash
    _scan       a capture body: checked as JSON, cut into events, written as records
    _entries    records as MessagePack: shared among partitions, and read back
    _seen       fixed-size filter of 128-bit keys: "certainly new" or "maybe seen"

This file alone chooses between the two and reports which it chose. `HEDGEROW_PURE_PYTHON=1` asks for the twins.
"""

import importlib
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Raw

from libs.fastpath._members_py import utc_moment as utc_moment

T = TypeVar("T")

if TYPE_CHECKING:
    from libs.fastpath._members import Captured, Head
    from libs.fastpath._scan import Batch

#: Which implementation serves each subject: "cython" or "python".
CHOSEN: dict[str, str] = {}


def _choose(name: str) -> ModuleType:
    if not os.environ.get("HEDGEROW_PURE_PYTHON"):
        try:
            module = importlib.import_module(f"libs.fastpath.{name}")
        except ImportError:
            pass
        else:
            CHOSEN[name] = "cython"
            return module
    CHOSEN[name] = "python"
    return importlib.import_module(f"libs.fastpath.{name}_py")


_murmur2 = _choose("_murmur2")
murmur2: Callable[[bytes], int] = _murmur2.murmur2
partition_of: Callable[[bytes, int], int] = _murmur2.partition_of


class Pieces(Protocol):
    """See `_entries_py.pieces`."""

    def __call__(
        self, payload: bytes, head: bytes, partitions: int, turn: int, max_records: int, max_bytes: int
    ) -> tuple[list[tuple[int, int, bytes]], int]: ...


class Records(Protocol):
    """See `_entries_py.records`."""

    def __call__(
        self, piece: bytes, make: Callable[..., T], topic: str, partition: int, next_offset: int
    ) -> list[T]: ...


_entries = _choose("_entries")
pieces: Pieces = _entries.pieces
records: Records = _entries.records


class Seen(Protocol):
    """See `_seen_py.SeenFilter`."""

    current_count: int
    previous_count: int

    @property
    def memory_bytes(self) -> int:
        """Size of both generations."""

    def add(self, key: bytes) -> None:
        """Remember a key of 16 bytes."""

    def add_packed(self, keys: bytes) -> None:
        """Remember many keys, one behind the other."""

    def maybe(self, key: bytes) -> bool:
        """False: certainly never added."""

    def rotate(self) -> None:
        """Forget the older generation."""


_seen = _choose("_seen")
seen_filter: Callable[[int], Seen] = _seen.SeenFilter


_scan = _choose("_scan")
scan: Callable[[bytes | bytearray, bool, int], "Batch | str"] = _scan.scan
scan_v1: Callable[[bytes | bytearray, int], "Batch | str"] = _scan.scan_v1
LONE_SURROGATE: str = _scan.LONE_SURROGATE


_members = _choose("_members")
if TYPE_CHECKING:
    from libs.fastpath._members import Layout as Layout
    from libs.fastpath._members import Members as Members
    from libs.fastpath._members import Picker as Picker
    from libs.fastpath._members import RowBlock as RowBlock
    from libs.fastpath._members import Shape as Shape
else:
    Layout, Members, Picker, Shape = _members.Layout, _members.Members, _members.Picker, _members.Shape
    RowBlock = _members.RowBlock
FROM_IP, FROM_SENT_AT, FROM_SET, FROM_SET_ONCE = -1, -2, -3, -4
members: Callable[[bytes], Members | None] = _members.members
members_of: Callable[[Mapping[str, Raw | bytes]], Members] = _members.members_of
near: Callable[[list[Any], int], int] = _members.near
near_text: Callable[[bytes], int] = _members.near_text
event_line: Callable[[bytes, bytes], bytes | None] = _members.line
event_head: Callable[[bytes], "Head | None"] = _members.head
event_block: Callable[
    [list[tuple[bytes, int, int, int]], bytes, tuple[tuple[bytes, bytes], ...], tuple[bytes, ...]],
    tuple[bytes, list[int]],
] = _members.block
captured: Callable[[bytes], "Captured | None"] = _members.captured
