from collections.abc import Callable, Set
from datetime import datetime

MAX_DEPTH: int
NOT_JSON: str
LONE_SURROGATE: str
UNFIT: str
Block = tuple[bytes, int, int]
Summary = tuple[int, int, str | None, str | None, bool]

class Batch:
    """See `_scan_py.Batch`."""

    count: int
    is_batch: bool
    historical_migration: bool
    capture_internal: bool

    def __len__(self) -> int: ...
    @property
    def token(self) -> str | None: ...
    @property
    def sent_at(self) -> str | None: ...
    @property
    def created_at(self) -> str | None: ...
    def uuids(self) -> list[str]: ...
    def tokens(self, leave_out: bytes) -> set[str]: ...
    def summary(self, leave_out: bytes) -> Summary: ...
    def fields(self, at: int) -> dict[str, bytes | bool | None]: ...
    def records(
        self,
        leave_out: bytes,
        token: str,
        ip: str,
        internal_ip: str,
        version: bytes,
        now_us: int,
        sent_at_us: int | None,
        max_record_bytes: int,
        distinct_id_of: Callable[[bytes | None, bytes | None], str | None],
        time_of: Callable[[str], datetime | None],
    ) -> Block | None: ...
    def records_v1(
        self,
        token: str,
        ip: str,
        internal_ip: str,
        version: bytes,
        now_us: int,
        sent_at_us: int,
        max_record_bytes: int,
        library: bytes,
        nobody: Set[str],
    ) -> Block | None: ...

def scan(body: bytes | bytearray, engage: bool, max_events: int) -> Batch | str: ...
def scan_v1(body: bytes | bytearray, max_events: int) -> Batch | str: ...
def special_at(text: bytes, start: int, portable: bool) -> int: ...
