"""Sessions of the engine, what runs in them, and how it is stopped.

One engine session runs one statement at a time; sessions run side by side. Every call into the engine happens in a thread
of a fixed pool (the engine lets go of the GIL while it works), and a statement needs a slot first.
"""

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hedgerow.embedded.clickhouse import errors
from hedgerow.embedded.clickhouse.engine import Engine, EngineConnection, EngineResult
from hedgerow.embedded.clickhouse.errors import ServerException, from_engine, refusal
from hedgerow.embedded.clickhouse.statements import first_word, refuse_local_files, with_client_query_ids

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9.]*\Z")
_NOT_STREAMABLE = "Streaming query is not supported"
UNKNOWN_SETTING = 115
# Where the engine's defaults are clickhouse-local's and not a server's: `selec 1` must be a syntax error.
_SERVER_SETTINGS = {"implicit_select": "0"}


@dataclass(slots=True)
class Statement:
    """What a client asked for. `lenient` names settings that are dropped when the engine does not know them."""

    sql: str
    output_format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    query_id: str = ""
    streaming: bool = True
    lenient: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a result, and the totals so far of what was read and written for it."""

    data: bytes
    rows: int
    read_rows: int
    read_bytes: int
    written_rows: int
    written_bytes: int
    elapsed: float


def quoted(value: str) -> str:
    """`value` as an SQL string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def set_statement(settings: Mapping[str, str]) -> str:
    """SET for all of them at once."""
    for name in settings:
        if not _NAME.match(name):
            raise ServerException(UNKNOWN_SETTING, f"Unknown setting {quoted(name)}. (UNKNOWN_SETTING)")
    return "SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())


def _chunk(result: EngineResult) -> Chunk:
    return Chunk(
        result.bytes(),
        result.rows_read(),
        result.storage_rows_read(),
        result.storage_bytes_read(),
        result.rows_written(),
        result.bytes_written(),
        result.elapsed(),
    )


class Sessions:
    """Opens sessions, hands out slots, kills by query id."""

    def __init__(self, engine: Engine, connection_string: str, *, max_queries: int, queue_seconds: float):
        self._engine = engine
        self._connection_string = connection_string
        self._slots = asyncio.Semaphore(max_queries)
        self._queue_seconds = queue_seconds
        # Besides one thread a slot: KILL and statements that read nothing run without a slot.
        self._threads = ThreadPoolExecutor(max_queries + 4, thread_name_prefix="query")
        self._kill_thread = ThreadPoolExecutor(1, thread_name_prefix="kill")
        self._killer: EngineConnection | None = None
        self.running: dict[str, str] = {}

    def connect(self) -> EngineConnection:
        """A new engine session."""
        return self._engine.connect(self._connection_string)

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run a call into the engine in a thread."""
        return self._threads.submit(function, *args)

    async def kill(self, query_id: str) -> None:
        """Ask the engine to stop a statement; returns at once."""
        await asyncio.wrap_future(self._kill_thread.submit(self._kill, query_id))

    def _kill(self, query_id: str) -> None:
        if self._killer is None:
            self._killer = self.connect()
        with contextlib.suppress(RuntimeError):
            self._killer.query(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(query_id)} ASYNC", "Null")

    @contextlib.asynccontextmanager
    async def slot(self, query_id: str, sql: str) -> AsyncIterator[None]:
        """Hold a slot under this query id. Raises 216 when the id runs already, 202 when no slot came free in time."""
        if query_id in self.running:
            raise refusal(
                errors.QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING, f"Query with id = {query_id} is already running"
            )
        self.running[query_id] = sql
        try:
            if first_word(sql) == "kill":  # must work when everything else is stuck
                yield
                return
            try:
                await asyncio.wait_for(self._slots.acquire(), self._queue_seconds)
            except TimeoutError:
                raise refusal(
                    errors.TOO_MANY_SIMULTANEOUS_QUERIES, "Too many simultaneous queries. Every slot is taken"
                ) from None
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self.running.pop(query_id, None)

    async def drain(self, seconds: float) -> None:
        """Wait until nothing runs, then kill what still does."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.running and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        for query_id in list(self.running):
            await self.kill(query_id)
        deadline = asyncio.get_running_loop().time() + 2
        while self.running and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """Let go of the threads; what is still running is not waited for."""
        if self._killer is not None:
            self._killer.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._kill_thread.shutdown(wait=False, cancel_futures=True)


class Session:
    """One client's session: current database, SET settings and temporary tables last until it is closed."""

    def __init__(self, sessions: Sessions, database: str = "default", forced: Mapping[str, str] | None = None):
        self._sessions = sessions
        self._database = database
        self._forced = dict(forced or {})
        self._connection: EngineConnection | None = None
        self._in_flight: Future[Any] | None = None
        self._kept_settings: list[str] = []

    async def close(self) -> None:
        """Close the engine's session."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._call(connection.close)

    async def open(self) -> None:
        """Connect and choose the database, so that a wrong one fails here (code 81)."""
        await self._call(self._engine_connection)

    @contextlib.asynccontextmanager
    async def query(self, statement: Statement) -> AsyncIterator["ResultStream"]:
        """Run a statement. Leaving before the end, or being cancelled, stops it in the engine."""
        refuse_local_files(statement.sql)
        query_id = statement.query_id or str(uuid.uuid4())
        async with self._sessions.slot(query_id, statement.sql), self._settled(query_id, statement):
            stream = await self._call(self._start, statement, query_id)
            yield ResultStream(self, stream)

    @contextlib.asynccontextmanager
    async def insert(self, statement: Statement, input_format: str) -> AsyncIterator["InsertStream"]:
        """Feed rows to an INSERT (its text up to FORMAT). Leaving without `finish` stores nothing more."""
        refuse_local_files(statement.sql)
        query_id = statement.query_id or str(uuid.uuid4())
        async with self._sessions.slot(query_id, statement.sql), self._settled(query_id, statement):
            connection = await self._call(self._prepared, statement, query_id)
            insert = await self._call(connection.send_insert, statement.sql, input_format)
            stream = InsertStream(self, connection, insert)
            try:
                yield stream
            finally:
                if not stream.finished:
                    await self._finally(self._abort_insert(connection, insert, query_id))

    @contextlib.asynccontextmanager
    async def _settled(self, query_id: str, statement: Statement) -> AsyncIterator[None]:
        """Afterwards the session is as before: nothing running, no output left over, settings of the session."""
        try:
            yield
        except BaseException:
            await self._finally(self._recover(query_id, statement))
            raise
        await self._finally(self._restore(statement))

    async def _finally(self, work: Awaitable[None]) -> None:
        """Finish cleaning up even when the client's task is being cancelled."""
        task = asyncio.ensure_future(work)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.cancelled():
                    raise

    async def _stop_in_flight(self, query_id: str) -> None:
        while self._in_flight is not None and not self._in_flight.done():
            await self._sessions.kill(query_id)
            await asyncio.wait([asyncio.wrap_future(self._in_flight)], timeout=0.1)

    async def _abort_insert(self, connection: EngineConnection, insert: Any, query_id: str) -> None:
        await self._stop_in_flight(query_id)
        with contextlib.suppress(ServerException):
            await self._call(connection.insert_cancel, insert)

    async def _recover(self, query_id: str, statement: Statement) -> None:
        await self._stop_in_flight(query_id)
        with contextlib.suppress(ServerException):
            await self._call(self._flush)
        await self._restore(statement)

    async def _restore(self, statement: Statement) -> None:
        try:
            await self._call(self._restore_settings, statement)
        except ServerException:  # a readonly session cannot go back: start a new one
            await self.close()

    async def _call(self, function: Callable[..., T], *args: Any) -> T:
        """A call into the engine. A cancelled caller leaves it running: `_stop_in_flight` ends it."""
        future = self._sessions.submit(function, *args)
        self._in_flight = future
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except RuntimeError as error:
            raise from_engine(error) from None

    def _engine_connection(self) -> EngineConnection:
        if self._connection is None:
            connection = self._sessions.connect()
            try:
                connection.query(f"USE `{self._database.replace('`', '``')}`", "Null")
                for statement in self._kept_settings:
                    connection.query(statement, "Null")
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepared(self, statement: Statement, query_id: str) -> EngineConnection:
        connection = self._engine_connection()
        settings = dict(statement.settings)
        lenient = {name: settings.pop(name) for name in list(settings) if name in statement.lenient}
        for name, value in lenient.items():
            try:
                connection.query(set_statement({name: value}), "Null")
            except RuntimeError as error:
                if from_engine(error).code != UNKNOWN_SETTING:
                    raise
        settings = {**_SERVER_SETTINGS, **settings, "log_comment": query_id}
        # readonly last, and alone: with it set, nothing else can be
        readonly = {name: settings.pop(name) for name in list(settings) if name == "readonly"}
        for group in (settings, {**readonly, **self._forced}):
            if group:
                connection.query(set_statement(group), "Null")
        return connection

    def _start(self, statement: Statement, query_id: str) -> "EngineStream":
        connection = self._prepared(statement, query_id)
        sql = with_client_query_ids(statement.sql)
        params = dict(statement.params)
        if statement.streaming:
            try:
                handle = connection.send_query(sql, statement.output_format, params=params)
                return EngineStream(connection, handle)
            except RuntimeError as error:
                if _NOT_STREAMABLE not in str(error):
                    raise
        result = connection.query(sql, statement.output_format, params=params)
        self._remember(statement.sql)
        return EngineStream(connection, None, result)

    def _remember(self, sql: str) -> None:
        word = first_word(sql)
        if word == "set":
            self._kept_settings.append(sql)
        elif word == "use":
            self._database = sql.strip().rstrip(";").split(None, 1)[1].strip().strip('`"')

    def _flush(self) -> None:
        """Throw away output that a failed statement left in the engine: the next statement would return it first."""
        if self._connection is not None:
            self._connection.query("SELECT 1 FORMAT Null", "Null")

    def _restore_settings(self, statement: Statement) -> None:
        connection = self._connection
        changed = [*statement.settings, *self._forced]
        if connection is None or not changed:
            return
        connection.query("SET " + ", ".join(f"{name} = DEFAULT" for name in changed if _NAME.match(name)), "Null")
        for kept in self._kept_settings:
            connection.query(kept, "Null")


class EngineStream:
    """A result being read, in the thread that calls. `fetch` gives None at the end, and for ever after."""

    def __init__(self, connection: EngineConnection, handle: Any, whole: EngineResult | None = None):
        self._connection = connection
        self._handle = handle
        self._whole = whole

    def fetch(self) -> Chunk | None:
        if self._whole is not None:
            whole, self._whole = self._whole, None
            return _chunk(whole)
        if self._handle is None:
            return None
        result = self._connection.streaming_fetch_result(self._handle)
        chunk = _chunk(result)
        if not chunk.data and not chunk.rows:
            self._handle = None
        return chunk

    def cancel(self) -> None:
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self._connection.streaming_cancel_query(handle)


class ResultStream:
    """The chunks of a result. The last ones may be empty and only carry totals."""

    def __init__(self, session: Session, stream: EngineStream):
        self._session = session
        self._stream = stream

    async def fetch(self) -> Chunk | None:
        """The next chunk, or None at the end."""
        return await self._session._call(self._stream.fetch)

    async def cancel(self) -> None:
        """Stop reading a result that has begun to come."""
        await self._session._call(self._stream.cancel)


class InsertStream:
    """Rows on their way into a table; nothing is promised before `finish` returns."""

    def __init__(self, session: Session, connection: EngineConnection, insert: Any):
        self._session = session
        self._connection = connection
        self._insert = insert
        self.finished = False

    async def append(self, data: bytes) -> None:
        """More bytes in the input format."""
        await self._session._call(self._connection.insert_append, self._insert, data)

    async def finish(self) -> Chunk:
        """Commit; gives the totals."""
        self.finished = True
        return _chunk(await self._session._call(self._connection.insert_done, self._insert))
