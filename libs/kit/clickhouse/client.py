"""One ClickHouse client, two ways in.

HTTP carries everything a user wrote: reads with server-side `{name:Type}` parameters, bulk JSONEachRow inserts and
streamed results. The native protocol (asynch) carries no user text: DDL, look-ups of our own, KILL, health.
Retry, timeout, memory limit and settings of every statement are decided here, in statement_settings.py and failures.py.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from libs.kit import metrics
from libs.kit.clickhouse import statement_settings
from libs.kit.clickhouse.conditional import OnlyIf, into
from libs.kit.clickhouse.http import Http, Table
from libs.kit.clickhouse.native import NativePool
from libs.kit.clock import Clock
from libs.kit.errors import DeadlineExceeded, HedgerowError, InvalidRequest
from libs.kit.measured import measured
from libs.kit.retry import RetryPolicy, retrying
from libs.kit.settings import KitSettings

_QUERY_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
_KILL_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of a read. `types` are ClickHouse's names, such as `Nullable(String)`. Values are as JSONCompact gives them
    with 64-bit integers unquoted, wider integers exact, Decimals as text, NaN and infinities as None; dates and times
    are ClickHouse's text, in the column's time zone."""

    columns: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Any]]
    rows_read: int
    bytes_read: int


class ClickHouse:
    """See the module. One per process; `open` before the first statement."""

    def __init__(self, settings: KitSettings, clock: Clock):
        self._settings = settings
        self._clock = clock
        self._kills: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Make the pools; connections open when first needed."""
        self._http = Http(self._settings)
        self._native = NativePool(self._settings, self._clock)

    async def close(self) -> None:
        """Close every connection."""
        if self._kills:
            await asyncio.wait(self._kills, timeout=self._settings.clickhouse_connect_timeout_seconds)
        await self._http.close()
        await self._native.close()

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
        limit = timeout or self._settings.clickhouse_query_timeout_seconds
        chosen = {**self._read_settings(limit, readonly=readonly, buffered=True), **(settings or {})}
        budget = RetryPolicy(budget_seconds=limit) if readonly else RetryPolicy(attempts=1)

        async def attempt() -> Table:
            # a fresh id each time: the server refuses an id that it thinks is still running
            nonlocal query_id
            name, query_id = _checked_id(query_id), None
            with self._ending(name):
                return await self._http.read(sql, params, chosen, timeout=limit, query_id=name)

        with measured("clickhouse", "query", self._clock):
            table = await retrying(attempt, budget, self._clock)
        return Result(table.columns, table.types, table.rows, table.rows_read, table.bytes_read)

    async def stream(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        *,
        output_format: str,
        query_id: str | None = None,
        settings: Mapping[str, str | int] | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[bytes]:
        """The result as bytes of a ClickHouse `output_format`, block by block; leaving early cancels the query."""
        limit = timeout or self._settings.clickhouse_query_timeout_seconds
        chosen = {**self._read_settings(limit, readonly=True, buffered=False), **(settings or {})}
        name = _checked_id(query_id)
        with measured("clickhouse", "stream", self._clock), self._ending(name):
            async for piece in self._http.stream(sql, params, chosen, output_format=output_format, query_id=name):
                yield piece

    async def insert(
        self,
        table: str,
        body: bytes,
        *,
        settings: Mapping[str, str | int] | None = None,
        query_id: str | None = None,
        columns: Mapping[str, str] | None = None,
        native: bool = False,
        only_if: OnlyIf | None = None,
    ) -> None:
        """Insert JSONEachRow lines, synchronously and durably (async_insert=0; our tables fsync). Not retried here.

        columns: names and ClickHouse types of what the body holds; needed with both of the following. native: the body
        is a block of the Native format. only_if: what ClickHouse is to look at first.

        Raises QueryRefused (nothing stored, the data is at fault), Unavailable (nothing was stored), Fenced (`only_if`
        does not hold, nothing was stored) or OutcomeUnknown.
        """
        if not _TABLE.fullmatch(table):
            raise InvalidRequest(f"Not a table name: {table[:100]!r}")
        statement = into(table, columns or {}, "Native" if native else "JSONEachRow", only_if)
        params = only_if.params if only_if else {}
        chosen = {**statement_settings.INSERT, **(settings or {})}
        limit = self._settings.clickhouse_insert_timeout_seconds
        with measured("clickhouse", "insert", self._clock):
            await self._http.insert(statement, params, body, chosen, timeout=limit, query_id=_checked_id(query_id))

    async def execute(self, sql: str) -> None:
        """One statement without user text, over the native protocol: DDL, SYSTEM, KILL.

        Raises OutcomeUnknown when the connection broke after it was sent."""
        with measured("clickhouse", "execute", self._clock):
            await self._native.run(sql, timeout=self._settings.clickhouse_insert_timeout_seconds, reads=False)

    async def fetch(self, sql: str) -> Sequence[Sequence[Any]]:
        """Rows of one read without user text, over the native protocol, as Python values."""
        name = _checked_id(None)
        with measured("clickhouse", "fetch", self._clock), self._ending(name):
            limit = self._settings.clickhouse_query_timeout_seconds
            return await self._native.run(sql, timeout=limit, reads=True, query_id=name)

    async def kill(self, query_id: str) -> None:
        """Stop a query and wait until it has ended. Raises DeadlineExceeded if it does not within the query timeout.

        What has ended already, or never ran, is fine. On a cluster every replica is asked."""
        # what a shard does for an insert through a Distributed table goes on when the node that was asked is gone
        where = f"(query_id = '{_checked_id(query_id)}' OR initial_query_id = '{query_id}')"
        cluster = self._settings.clickhouse_cluster
        limit = self._settings.clickhouse_query_timeout_seconds
        processes = f"clusterAllReplicas('{cluster}', system.processes)" if cluster else "system.processes"
        kill = f"KILL QUERY {f'ON CLUSTER `{cluster}` ' if cluster else ''}WHERE {where} ASYNC"
        deadline = self._clock.monotonic() + limit
        await self._native.run(kill, timeout=limit, reads=True)
        running = f"SELECT count() FROM {processes} WHERE {where}"  # noqa: S608 - checked above
        while int((await self._native.run(running, timeout=limit, reads=True))[0][0]):
            if self._clock.monotonic() > deadline:
                raise DeadlineExceeded("A query does not end although it was killed.")
            await self._clock.sleep(_KILL_POLL_SECONDS)

    async def check(self) -> None:
        """Raise unless a query runs."""
        await self._native.run("SELECT 1", timeout=self._settings.clickhouse_connect_timeout_seconds, reads=True)

    def _read_settings(self, limit: float, *, readonly: bool, buffered: bool) -> dict[str, str | int]:
        memory = self._settings.clickhouse_query_max_memory_bytes
        return statement_settings.read(limit, memory, readonly=readonly, buffered=buffered)

    @contextmanager
    def _ending(self, query_id: str) -> Iterator[None]:
        """Nobody waits for the answer any more: the query must not go on eating the server."""
        try:
            yield
        except (DeadlineExceeded, asyncio.CancelledError, GeneratorExit):
            task = asyncio.ensure_future(self._kill_quietly(query_id))
            self._kills.add(task)
            task.add_done_callback(self._kills.discard)
            raise

    async def _kill_quietly(self, query_id: str) -> None:
        try:
            await self.kill(query_id)
        except HedgerowError as exc:
            metrics.STORE_ERRORS.labels("clickhouse", "kill", exc.code).inc()


def _checked_id(query_id: str | None) -> str:
    name = query_id or f"hedgerow-{uuid4()}"
    if not _QUERY_ID.fullmatch(name):
        raise InvalidRequest(f"Not a query id: {name[:150]!r}")
    return name
