"""One ClickHouse client, two ways in.

HTTP carries everything a user wrote: reads with server-side `{name:Type}` parameters, bulk JSONEachRow inserts and
streamed results. The native protocol (asynch) carries no user text: DDL, look-ups of our own, KILL, health.
Retry, timeout, memory limit and settings of every statement are decided here.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from libs.kit.clock import Clock
from libs.kit.settings import KitSettings


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of a read. `types` are ClickHouse's names, such as `Nullable(String)`. Values are as JSONCompact gives them
    with 64-bit integers unquoted; dates and times are ClickHouse's text, in the column's time zone."""

    columns: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Any]]
    rows_read: int
    bytes_read: int


class ClickHouse:
    """See the module. Filled in by libs/kit/clickhouse/http.py and native.py."""

    def __init__(self, settings: KitSettings, clock: Clock):
        self._settings = settings
        self._clock = clock

    async def open(self) -> None:
        """Make the pools; connections open when first needed."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close every connection."""
        raise NotImplementedError

    async def query(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str | int] | None = None,
        timeout: float | None = None,
        query_id: str | None = None,
        readonly: bool = True,
    ) -> Result:
        """One read over HTTP. `params` fill `{name:Type}` on the server. Raises QueryRefused with ClickHouse's code,
        DeadlineExceeded (159, or no answer in `timeout` seconds: the query is then killed) or Unavailable."""
        raise NotImplementedError

    def stream(
        self, sql: str, params: Mapping[str, Any] | None = None, *, output_format: str, query_id: str | None = None
    ) -> AsyncIterator[bytes]:
        """The result as bytes of a ClickHouse `output_format`, block by block; leaving early cancels the query."""
        raise NotImplementedError

    async def insert(
        self, table: str, body: bytes, *, settings: Mapping[str, str | int] | None = None, query_id: str | None = None
    ) -> None:
        """Insert JSONEachRow lines, synchronously and durably (async_insert=0, fsync on). Not retried here.

        Raises QueryRefused (nothing stored, the data is at fault), Unavailable (nothing was sent) or OutcomeUnknown.
        """
        raise NotImplementedError

    async def execute(self, sql: str) -> None:
        """One statement without user text, over the native protocol: DDL, SYSTEM, KILL."""
        raise NotImplementedError

    async def fetch(self, sql: str) -> Sequence[Sequence[Any]]:
        """Rows of one read without user text, over the native protocol, as Python values."""
        raise NotImplementedError

    async def kill(self, query_id: str) -> None:
        """Stop a query and wait until it has ended."""
        raise NotImplementedError

    async def check(self) -> None:
        """Raise unless a query runs."""
        raise NotImplementedError
