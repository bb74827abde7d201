"""PostgreSQL through asyncpg, safe behind PgBouncer in transaction mode.

Behind PgBouncer a session is nobody's: between two transactions the next statement may meet another backend. So no
statement is cached (a cached one is prepared on one backend only), nothing is kept in the session, and asyncpg's RESET
ALL after each use is off. A single statement is sent in one piece, and PgBouncer does not split it. Every statement has
a timeout from settings, and driver errors become the errors of `libs.kit.errors`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import asyncpg
from asyncpg.transaction import Transaction

from libs.kit.clock import Clock
from libs.kit.errors import Conflict, DeadlineExceeded, HedgerowError, InvalidRequest, OutcomeUnknown, Unavailable
from libs.kit.measured import measured
from libs.kit.settings import KitSettings

Connection: TypeAlias = asyncpg.pool.PoolConnectionProxy  # any connection of ours; asyncpg carries no types

_LOST = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

# The connection ended while a statement was under way.
_GONE = (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, OSError)

# By the first two characters of PostgreSQL's SQLSTATE.
_BAD_INPUT = frozenset({"22"})  # a NUL byte, a number out of range, a text too long, no valid JSON, ...
_MAY_WORK_LATER = frozenset(
    {
        "08",  # connection
        "28",  # credentials: while they are being changed
        "3D",  # no such database: while it is being made
        "40",  # serialization failure, deadlock: rolled back
        "53",  # out of memory, disk or connections
        "55",  # lock not available
        "57",  # shutdown, starting up
        "58",  # the server's own I/O
    }
)
_READ_ONLY = "25006"  # the old primary, after a failover
_IDLE_TIMEOUT = "25P03"


def translate(exc: BaseException) -> HedgerowError:
    """asyncpg's exception in our words. What is left over is a bug of ours."""
    if isinstance(exc, TimeoutError | asyncpg.QueryCanceledError):
        return DeadlineExceeded("PostgreSQL took too long.")
    if isinstance(exc, asyncpg.PostgresError):
        return _of_server(exc)
    if isinstance(exc, _LOST):
        return Unavailable(f"PostgreSQL: {type(exc).__name__}")
    return HedgerowError()


def _of_server(exc: asyncpg.PostgresError) -> HedgerowError:
    state = exc.sqlstate or ""
    if isinstance(exc, asyncpg.UniqueViolationError):
        return Conflict(f"Already exists: {exc.constraint_name}.", code="unique")
    if isinstance(exc, asyncpg.ForeignKeyViolationError):
        return Conflict(f"Refers to something that does not exist, or is referred to: {exc.constraint_name}.")
    if isinstance(exc, asyncpg.CheckViolationError | asyncpg.NotNullViolationError):
        return InvalidRequest(f"Not an allowed value: {exc.constraint_name or exc.column_name}.")
    if state[:2] in _BAD_INPUT:
        return InvalidRequest(f"Not a value that can be stored: {str(exc)[:200]}")
    if state[:2] in _MAY_WORK_LATER or state in (_READ_ONLY, _IDLE_TIMEOUT):
        return Unavailable(f"PostgreSQL {state}: {str(exc)[:200]}")
    return HedgerowError()


class _Connection(asyncpg.Connection):  # type: ignore[misc] # asyncpg carries no types
    """asyncpg's, without its RESET ALL after each use: behind PgBouncer that would reset somebody else's backend."""

    last_tag = ""

    def get_reset_query(self) -> str:
        return ""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        self.last_tag = await super().execute(query, *args, timeout=timeout)
        return self.last_tag


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
            statement_cache_size=0,
            connection_class=_Connection,
            server_settings={"application_name": "hedgerow"},
        )

    async def close(self) -> None:
        """Close every connection; one that is still in use is cut off after the statement timeout."""
        if not self._pool:
            return
        try:
            async with asyncio.timeout(self._settings.postgres_query_timeout_seconds):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for single statements, each a transaction by itself. Inside the block talk to PostgreSQL only:
        its errors are translated here. A connection lost under way raises OutcomeUnknown, for the statement may have
        been done; after DeadlineExceeded it may have been as well."""
        with measured("postgres", "statement", self._clock):
            async with self._acquired() as connection:
                with _translated(OutcomeUnknown):
                    yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises.

        A connection lost, or a timeout, while committing raises OutcomeUnknown: the caller must look before it writes
        again. Everything else that is raised means that nothing was stored.
        """
        with measured("postgres", "transaction", self._clock):
            async with self._acquired() as connection:
                with _translated(Unavailable):
                    transaction = connection.transaction()
                    await transaction.start()
                    try:
                        yield connection
                    except BaseException:
                        await _roll_back(connection, transaction)
                        raise
                    await _commit(connection, transaction)

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Connection]:
        pool, wait = self._pool, self._settings.postgres_connect_timeout_seconds
        assert pool, "Postgres.open() first"  # noqa: S101
        try:
            connection = await pool.acquire(timeout=wait)
        except TimeoutError as exc:
            raise Unavailable("PostgreSQL: no connection in time.") from exc
        except (asyncpg.PostgresError, *_LOST) as exc:
            raise translate(exc) from exc
        try:
            yield connection
        finally:
            await asyncio.shield(_release(pool, connection, wait))

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
        async with self.connection() as connection:
            await connection.execute("SELECT 1")


@contextmanager
def _translated(lost: type[Unavailable]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as exc:
        raise translate(exc) from exc
    except _GONE as exc:
        raise lost(f"PostgreSQL: {type(exc).__name__}") from exc
    except (asyncpg.PostgresError, *_LOST) as exc:
        raise translate(exc) from exc


async def _release(pool: asyncpg.Pool, connection: Connection, wait: float) -> None:
    try:
        await pool.release(connection, timeout=wait)
    except (asyncpg.PostgresError, *_LOST, TimeoutError):
        connection.terminate()


async def _commit(connection: Connection, transaction: Transaction) -> None:
    if connection.is_closed():
        raise Unavailable("PostgreSQL went away before the commit.")
    try:
        await transaction.commit()
    except (*_GONE, *_LOST, TimeoutError) as exc:
        raise OutcomeUnknown("PostgreSQL went away while committing.") from exc
    if connection.last_tag != "COMMIT":
        # an error inside the block was caught there; PostgreSQL had given the transaction up and says so only here
        raise HedgerowError("A transaction was rolled back: a statement in it had failed.")


async def _roll_back(connection: Connection, transaction: Transaction) -> None:
    """What cannot be rolled back politely is closed, which comes to the same; the first error is the one to see."""
    try:
        await transaction.rollback()
    except (asyncpg.PostgresError, *_LOST, TimeoutError):
        connection.terminate()
