"""The HTTP way in: reads with server-side parameters, bulk inserts, streamed results.

Parameters travel as form fields (an address has a length limit, a form has none); settings travel in the address.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from libs.kit.clickhouse import failures
from libs.kit.clickhouse.statement_settings import Settings
from libs.kit.clickhouse.values import parameter
from libs.kit.errors import DeadlineExceeded, HedgerowError, OutcomeUnknown, Unavailable
from libs.kit.settings import KitSettings

# ClickHouse closes an idle connection after 10 s (newer: 30 s); we give ours up first, or an insert meets the end.
_IDLE_SECONDS = 5.0
_ANSWER_GRACE_SECONDS = 5.0
_TAIL_BYTES = 64 * 1024

# Nothing of the request can have reached the server.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class _Answer(msgspec.Struct):
    """JSONCompact, and what older servers put into it when a query fails half-way."""

    meta: list[dict[str, str]] = []
    data: list[list[Any]] = []
    statistics: dict[str, float] = {}
    exception: str | None = None


class Table(msgspec.Struct, frozen=True):
    """One decoded JSONCompact answer."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    rows_read: int
    bytes_read: int


def open_http(settings: KitSettings) -> httpx.AsyncClient:
    """A pooled client with our credentials; connects when first used."""
    scheme = "https" if settings.clickhouse_secure else "http"
    return httpx.AsyncClient(
        base_url=f"{scheme}://{settings.clickhouse_host}:{settings.clickhouse_http_port}",
        headers={
            "X-ClickHouse-User": settings.clickhouse_user,
            "X-ClickHouse-Key": settings.clickhouse_password.get_secret_value(),
        },
        timeout=httpx.Timeout(settings.clickhouse_connect_timeout_seconds),
        limits=httpx.Limits(
            max_connections=settings.clickhouse_pool_size,
            max_keepalive_connections=settings.clickhouse_pool_size,
            keepalive_expiry=_IDLE_SECONDS,
        ),
        trust_env=False,  # a proxy meant for the internet must not stand between us and our engine
    )


def _address(database: str, query_id: str, settings: Settings, **more: str) -> dict[str, str]:
    return {
        "database": database,
        "query_id": query_id,
        **more,
        **{name: str(value) for name, value in settings.items()},
    }


def _form(sql: str, params: Mapping[str, Any] | None) -> list[tuple[str, tuple[None, bytes]]]:
    fields = {"query": sql.encode(), **{f"param_{name}": parameter(value) for name, value in (params or {}).items()}}
    return [(name, (None, value)) for name, value in fields.items()]


def _failure(status: int, headers: httpx.Headers, body: bytes) -> failures.ServerError | None:
    text = body[:_TAIL_BYTES].decode(errors="replace")
    if code := headers.get("x-clickhouse-exception-code"):
        return failures.parse(text) or failures.ServerError(int(code), text.strip())
    return (failures.parse(text) or failures.ServerError(0, f"HTTP {status}: {text[:200]}")) if status != 200 else None


def decode(body: bytes) -> Table:
    """A JSONCompact answer. msgspec keeps integers of any size exact. Raises what the server put into the answer."""
    if not body:  # a statement that returns no rows
        return Table([], [], [], 0, 0)
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        error = failures.parse(body[-_TAIL_BYTES:].decode(errors="replace"))
        raise (failures.of_read(error) if error else Unavailable("ClickHouse sent half an answer.")) from exc
    if answer.exception and (error := failures.parse(answer.exception)):
        raise failures.of_read(error)
    return Table(
        [column["name"] for column in answer.meta],
        [column["type"] for column in answer.meta],
        answer.data,
        int(answer.statistics.get("rows_read", 0)),
        int(answer.statistics.get("bytes_read", 0)),
    )


class Http:
    """Statements over one pooled client. Every method raises errors of libs.kit.errors only."""

    def __init__(self, settings: KitSettings):
        self._database = settings.clickhouse_database
        self._client = open_http(settings)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def read(
        self, sql: str, params: Mapping[str, Any] | None, settings: Settings, *, timeout: float, query_id: str
    ) -> Table:
        """One whole answer."""
        address = _address(self._database, query_id, settings, default_format="JSONCompact")
        try:
            async with asyncio.timeout(timeout + _ANSWER_GRACE_SECONDS):
                response = await self._client.post(
                    "/", params=address, files=_form(sql, params), timeout=self._limits(timeout)
                )
        except (TimeoutError, httpx.ReadTimeout) as exc:
            raise DeadlineExceeded("The query took longer than its limit.") from exc
        except httpx.HTTPError as exc:
            raise Unavailable(f"ClickHouse: {type(exc).__name__}") from exc
        _untie(response)
        if error := _failure(response.status_code, response.headers, response.content):
            raise _of_read(error)
        return decode(response.content)

    async def insert(
        self, into: str, params: Mapping[str, Any], body: bytes, settings: Settings, *, timeout: float, query_id: str
    ) -> None:
        """One insert; says in its error whether rows may have been stored. into: what follows INSERT INTO, up to the
        name of the format. Parameters travel in the address, for the body is the rows."""
        values = {f"param_{name}": parameter(value).decode() for name, value in params.items()}
        address = _address(self._database, query_id, settings, query=f"INSERT INTO {into}", **values)
        try:
            async with asyncio.timeout(timeout):
                response = await self._client.post("/", params=address, content=body, timeout=self._limits(timeout))
        except _NEVER_SENT as exc:
            raise Unavailable(f"ClickHouse: {type(exc).__name__}") from exc
        except (TimeoutError, httpx.HTTPError) as exc:
            raise OutcomeUnknown(f"ClickHouse did not say what became of an insert: {type(exc).__name__}") from exc
        _untie(response)
        if error := _failure(response.status_code, response.headers, response.content):
            raise failures.of_insert(error)

    async def stream(
        self, sql: str, params: Mapping[str, Any] | None, settings: Settings, *, output_format: str, query_id: str
    ) -> AsyncIterator[bytes]:
        """The answer's bytes as they come. A query that fails half-way raises, after the bytes it had sent."""
        address = _address(self._database, query_id, settings, default_format=output_format)
        async with self._streaming(sql, params, address) as response:
            if response.status_code != 200 or "x-clickhouse-exception-code" in response.headers:
                error = _failure(response.status_code, response.headers, await response.aread())
                raise _of_read(error or failures.ServerError(0, "no reason given"))
            mark = f"__exception__\r\n{response.headers.get('x-clickhouse-exception-tag', '')}".encode()
            tail = b""
            try:
                async for piece in response.aiter_bytes():
                    tail = (tail + piece)[-_TAIL_BYTES:]
                    yield piece
            except httpx.RemoteProtocolError as exc:
                # how a server says "failed half-way" once 200 is out: the message, then no proper end
                raise _of_tail(tail) from exc
            if "x-clickhouse-exception-tag" in response.headers and mark in tail:
                raise _of_tail(tail[tail.index(mark) :])

    @asynccontextmanager
    async def _streaming(
        self, sql: str, params: Mapping[str, Any] | None, address: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        limits = self._limits(float(address["max_execution_time"]))
        try:
            async with self._client.stream(
                "POST", "/", params=address, files=_form(sql, params), timeout=limits
            ) as response:
                yield response
            _untie(response)
        except httpx.ReadTimeout as exc:
            raise DeadlineExceeded("The query took longer than its limit.") from exc
        except httpx.HTTPError as exc:
            raise Unavailable(f"ClickHouse: {type(exc).__name__}") from exc

    def _limits(self, timeout: float) -> httpx.Timeout:
        connect = self._client.timeout.connect
        return httpx.Timeout(timeout + _ANSWER_GRACE_SECONDS, connect=connect, pool=timeout)


def _untie(response: httpx.Response) -> None:
    """Let an answer that was read, and the request with all its rows, go with their last reference: httpx ties them in
    a circle, and the writer's memory grew by 100 MB before the collector looked."""
    response.stream = httpx.ByteStream(b"")


def _of_read(error: failures.ServerError) -> HedgerowError:
    # a status without ClickHouse's own code comes from something in front of it
    return failures.of_read(error) if error.code else Unavailable(f"ClickHouse: {error.message}")


def _of_tail(tail: bytes) -> HedgerowError:
    error = failures.parse(tail.decode(errors="replace"))
    return failures.of_read(error) if error else Unavailable("ClickHouse broke off in the middle of an answer.")
