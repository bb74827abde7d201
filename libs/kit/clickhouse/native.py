"""The native way in: a small pool of asynch connections for statements that carry no user text.

A connection is pinged before it is used again, and one that failed in any way but a server's own exception is thrown
away: asynch answers a stale socket with anything from EOFError to `IndexError: bytearray index out of range`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from asynch.errors import ServerException
from asynch.proto.connection import Connection

from libs.kit.clickhouse import failures
from libs.kit.clock import Clock
from libs.kit.errors import DeadlineExceeded, HedgerowError, OutcomeUnknown, QueryRefused, Unavailable
from libs.kit.settings import KitSettings

_TRUSTED_SECONDS = 1.0
_IDLE_SECONDS = 60.0
_new: Callable[..., Connection] = Connection  # the driver's constructor is not typed


class _Broken(Unavailable):
    """The connection failed after the statement was sent."""


class NativePool:
    """At most `clickhouse_pool_size` connections, opened when needed."""

    def __init__(self, settings: KitSettings, clock: Clock):
        self._settings = settings
        self._clock = clock
        self._idle: deque[tuple[Connection, float]] = deque()
        self._room = asyncio.Semaphore(settings.clickhouse_pool_size)
        self._closed = False

    async def close(self) -> None:
        """Close what is idle; a connection in use closes when it comes back."""
        self._closed = True
        while self._idle:
            await _discard(self._idle.pop()[0])

    async def run(self, sql: str, *, timeout: float, reads: bool, query_id: str = "") -> Sequence[Sequence[Any]]:
        """One statement. A read whose connection breaks is tried once more; anything else is then OutcomeUnknown."""
        try:
            async with asyncio.timeout(timeout):
                try:
                    return await self._once(sql, reads=reads, query_id=query_id)
                except _Broken as exc:
                    if not reads:
                        raise OutcomeUnknown(exc.detail) from exc
                    return await self._once(sql, reads=reads, query_id=query_id)
        except TimeoutError as exc:
            error = DeadlineExceeded if reads else OutcomeUnknown
            raise error("ClickHouse took longer than the limit.") from exc

    async def _once(self, sql: str, *, reads: bool, query_id: str) -> Sequence[Sequence[Any]]:
        async with self._connection() as connection:
            try:
                rows: Sequence[Sequence[Any]] = await connection.execute(sql, query_id=query_id) or []
            except ServerException as exc:
                raise _refusal(exc, reads=reads) from exc
            except Exception as exc:  # the driver has no error type for a broken connection
                raise _Broken(f"ClickHouse's connection broke: {type(exc).__name__}") from exc
            return rows

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with self._room:
            connection = await self._idle_connection() or await self._new_connection()
            sound = False
            try:
                yield connection
                sound = True
            except QueryRefused:
                sound = True
                raise
            finally:
                if sound and not self._closed:
                    self._idle.append((connection, self._clock.monotonic()))
                else:
                    await asyncio.shield(_discard(connection))

    async def _idle_connection(self) -> Connection | None:
        while self._idle:
            connection, since = self._idle.pop()
            age = self._clock.monotonic() - since
            if age <= _TRUSTED_SECONDS or (age <= _IDLE_SECONDS and await _answers(connection)):
                return connection
            await _discard(connection)
        return None

    async def _new_connection(self) -> Connection:
        settings = self._settings
        connection = _new(
            host=settings.clickhouse_host,
            port=settings.clickhouse_native_port,
            user=settings.clickhouse_user,
            password=settings.clickhouse_password.get_secret_value(),
            database=settings.clickhouse_database,
            client_name="hedgerow",
            connect_timeout=settings.clickhouse_connect_timeout_seconds,
            sync_request_timeout=settings.clickhouse_connect_timeout_seconds,
            secure=settings.clickhouse_secure,
        )
        try:
            await connection.connect()
        except ServerException as exc:
            raise failures.of_read(failures.ServerError(exc.code or 0, _message(exc))) from exc
        except Exception as exc:  # see the module: anything at all, and it means one thing
            await _discard(connection)
            raise Unavailable(f"ClickHouse: {type(exc).__name__}") from exc
        return connection


async def _answers(connection: Connection) -> bool:
    try:
        return bool(await connection.ping())
    except Exception:
        return False


async def _discard(connection: Connection) -> None:
    with suppress(Exception):
        await connection.disconnect()


def _message(exc: ServerException) -> str:
    return str(exc.message).removeprefix("DB::Exception: ").strip()


def _refusal(exc: ServerException, *, reads: bool) -> HedgerowError:
    error = failures.ServerError(exc.code or 0, _message(exc))
    if not reads and exc.code in failures.BROKEN_OFF:
        return OutcomeUnknown(f"ClickHouse {error.code}: {error.message[:300]}")
    return failures.of_read(error)
