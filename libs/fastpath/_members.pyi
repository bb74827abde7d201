from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import TypeVar, final
from uuid import UUID

import msgspec

T = TypeVar("T")
MAX_DEPTH: int
MAX_SHARED_NAMES: int
MAX_REMEMBERED_NAMES: int

@final
class Picker:
    shape: Shape

@final
class Shape:
    """See `_members_py.Shape`."""

    names: tuple[str, ...]
    shared: bool
    @property
    def digest(self) -> bytes: ...
    def decision(self, decide: Callable[[Shape], T]) -> T: ...
    def picker(self, pairs: Sequence[tuple[str, str]]) -> Picker: ...

@final
class Members(MutableMapping[str, msgspec.Raw]):
    """See `_members_py.Members`."""

    shape: Shape
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...
    def __getitem__(self, name: str) -> msgspec.Raw: ...
    def __setitem__(self, name: str, value: msgspec.Raw | bytes) -> None: ...
    def __delitem__(self, name: str) -> None: ...
    def raw(self, name: str) -> bytes | None: ...
    def opens(self, name: str) -> int: ...
    def drop(self, names: Iterable[str]) -> None: ...
    def copy(self) -> Members: ...
    def encoded(self) -> bytes: ...
    def size(self) -> int: ...
    def is_plain(self) -> bool: ...
    def picked(self, picker: Picker) -> Members: ...
    def merged(self, other: Members) -> Members: ...
    def completed(self, other: Members) -> Members: ...
    def differing(self, other: Members) -> Members: ...
    def filling(self, other: Members, but: Members) -> Members: ...

Captured = tuple[str, str, str, str, str, str, str, str | None, bool, bytes | None, bytes | None, Members]

def members(text: bytes) -> Members | None: ...
def members_of(pairs: Mapping[str, msgspec.Raw | bytes]) -> Members: ...
def stored(
    *,
    uuid: str,
    event: str,
    properties: Members,
    timestamp: datetime,
    team_id: int,
    distinct_id: str,
    elements_chain: str,
    created_at: datetime,
    captured_at: datetime | None,
    person_id: UUID,
    person_properties: Members,
    person_set: Members | None,
    person_created_at: datetime,
    person_mode: str,
    historical_migration: bool,
) -> bytes: ...
def told_person(
    uuid: str,
    team_id: int,
    created_at: datetime,
    last_seen_at: datetime,
    properties: Members,
    is_identified: bool,
    is_deleted: bool,
    version: int,
) -> bytes: ...
def told_distinct_id(distinct_id: str, team_id: int, person: str, is_deleted: bool, version: int) -> bytes: ...

FROM_IP: int
FROM_SENT_AT: int
FROM_SET: int
FROM_SET_ONCE: int

@final
class Layout:
    """See `_members_py.Layout`."""

    source: Shape
    shape: Shape
    latest: Picker
    first: Picker
    def __init__(
        self,
        source: Shape,
        row: Sequence[tuple[str, int | bytes]],
        latest: Sequence[tuple[str, str]],
        first: Sequence[tuple[str, str]],
        ignored: Collection[str],
        session: str,
        chain: str,
    ) -> None: ...

@final
class RowBlock:
    """See `_members_py.RowBlock`."""

    def __init__(self, room: int = 0) -> None: ...
    def __len__(self) -> int: ...
    def add(self, key: bytes, value: bytes, headers: bytes) -> None: ...
    def add_laid_out(
        self,
        layout: Layout,
        properties: Members,
        person_properties: Members,
        ip: str,
        sent_at: str | None,
        uuid: str,
        event: str,
        timestamp: datetime,
        team_id: int,
        distinct_id: str,
        created_at: datetime,
        captured_at: datetime | None,
        person_id: UUID,
        person_created_at: datetime,
        historical_migration: bool,
        headers: bytes,
    ) -> bool: ...
    def taken(self) -> tuple[bytes, int, int]: ...

Head = tuple[int, str, str, str, str]

def line(value: bytes, place: bytes) -> bytes | None: ...
def head(value: bytes) -> Head | None: ...
def block(
    records: list[tuple[bytes, int, int, int]],
    log_id: bytes,
    header: tuple[tuple[bytes, bytes], ...],
    typed: tuple[bytes, ...],
) -> tuple[bytes, list[int]]: ...
def captured(value: bytes) -> Captured | None: ...
