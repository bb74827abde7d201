from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

MAX_DEPTH: int
NOT_JSON: str
LONE_SURROGATE: str
UNFIT: str
Headers = tuple[tuple[str, bytes], ...]
T = TypeVar("T")

class Batch:
    """See `_scan_py.Batch`."""

    count: int
    is_batch: bool
    historical_migration: bool

    def __len__(self) -> int: ...
    @property
    def token(self) -> str | None: ...
    @property
    def sent_at(self) -> str | None: ...
    def count_named(self, name: bytes) -> int: ...
    def tokens(self, leave_out: bytes) -> set[str]: ...
    def fields(self, at: int) -> dict[str, bytes | bool | None]: ...
    def records(
        self,
        *,
        leave_out: bytes,
        token: str,
        ip: str,
        internal_ip: str,
        version: bytes,
        now: datetime,
        sent_at: datetime | None,
        historical_migration: bool,
        max_record_bytes: int,
        distinct_id_of: Callable[[bytes | None, bytes | None], str | None],
        time_of: Callable[[str], datetime | None],
        rider_uuid_of: Callable[[str], str],
        record: Callable[[bytes, bytes, Headers], T],
    ) -> list[T] | None: ...

def scan(body: bytes | bytearray, engage: bool, max_events: int) -> Batch | str: ...
def special_at(text: bytes, start: int, portable: bool) -> int: ...
