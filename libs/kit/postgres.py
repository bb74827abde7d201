"""PostgreSQL through asyncpg, safe behind PgBouncer in transaction mode.

No prepared statement outlives a transaction (the statement cache is off), nothing is kept in the session, and every
statement has a timeout from settings. Driver errors become the errors of `libs.kit.errors`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from libs.kit import metrics
from libs.kit.clock import Clock
from libs.kit.errors import Conflict, DeadlineExceeded, HedgerowError, OutcomeUnknown, Unavailable
from libs.kit.settings import KitSettings

Connection: TypeAlias = asyncpg.pool.PoolConnectionProxy  # any connection of ours; asyncpg carries no types

_TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    ConnectionError,
    OSError,
)


def translate(exc: BaseException) -> HedgerowError:
    """asyncpg's exception in our words."""
    if isinstance(exc, asyncpg.UniqueViolationError):
        return Conflict(f"Already exists: {exc.constraint_name}.", code="unique")
    if isinstance(exc, TimeoutError | asyncpg.QueryCanceledError):
        return DeadlineExceeded("PostgreSQL took too long.")
    if isinstance(exc, _TRANSIENT):
        return Unavailable(f"PostgreSQL: {type(exc).__name__}")
    return HedgerowError()


class Postgres:
    """A pool. Statements take `$1` parameters; text is never built from values."""

    def __init__(self, settings: KitSettings, clock: Clock):
        self._settings = settings
        self._clock = clock
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Make the pool; connections open when first needed, so a process can start before PostgreSQL."""
        self._pool = await asyncpg.create_pool(
            self._settings.postgres_dsn.get_secret_value(),
            min_size=0,
            max_size=self._settings.postgres_pool_size,
            timeout=self._settings.postgres_connect_timeout_seconds,
            command_timeout=self._settings.postgres_query_timeout_seconds,
            statement_cache_size=0,  # PgBouncer in transaction mode: the next statement may meet another backend
            server_settings={"application_name": "hedgerow"},
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._pool:
            await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for one or a few statements, outside a transaction."""
        assert self._pool, "Postgres.open() first"  # noqa: S101
        started = self._clock.monotonic()
        try:
            async with self._pool.acquire(timeout=self._settings.postgres_connect_timeout_seconds) as connection:
                yield connection
        except (asyncpg.PostgresError, *_TRANSIENT, TimeoutError) as exc:
            error = translate(exc)
            metrics.STORE_ERRORS.labels("postgres", "statement", error.code).inc()
            raise error from exc
        finally:
            metrics.STORE_SECONDS.labels("postgres", "statement").observe(self._clock.monotonic() - started)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises.

        A connection lost while committing raises OutcomeUnknown: the caller must look before it writes again.
        """
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            try:
                await transaction.commit()
            except (*_TRANSIENT, TimeoutError) as exc:
                raise OutcomeUnknown("PostgreSQL went away while committing.") from exc

    async def fetch(self, statement: str, *values: Any) -> Sequence[asyncpg.Record]:
        """All rows."""
        async with self.connection() as connection:
            rows: Sequence[asyncpg.Record] = await connection.fetch(statement, *values)
            return rows

    async def fetch_one(self, statement: str, *values: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(statement, *values)

    async def execute(self, statement: str, *values: Any) -> str:
        """Run a statement; returns its command tag, such as `UPDATE 1`."""
        async with self.connection() as connection:
            tag: str = await connection.execute(statement, *values)
            return tag

    async def check(self) -> None:
        """Raise unless a statement runs."""
        await self.fetch("SELECT 1")
