"""Sessions of the engine, what runs in them, and how it is stopped.

One engine session runs one statement at a time; sessions run side by side. Every call into the engine happens in a
thread of a fixed pool (the engine lets go of the GIL while it works), and a statement needs a slot first.
"""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hedgerow.embedded.clickhouse import errors
from hedgerow.embedded.clickhouse.engine import Engine, EngineConnection, EngineResult
from hedgerow.embedded.clickhouse.errors import ServerException, from_engine, refusal
from hedgerow.embedded.clickhouse.inserts import InsertData, told_without_path
from hedgerow.embedded.clickhouse.parts import WrittenParts
from hedgerow.embedded.clickhouse.statements import first_word, refuse_input, refuse_unsafe, with_client_query_ids

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9.]*\Z")
_NOT_STREAMABLE = "Streaming query is not supported"
UNKNOWN_SETTING = 115
_KILL_SECONDS = 2.0
_WRITES_PARTS = frozenset(("insert", "create", "alter", "optimize"))
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


@dataclass(slots=True)
class Totals:
    """What a statement has read, written and given so far. `total_rows` is the engine's guess of all to be read."""

    read_rows: int = 0
    read_bytes: int = 0
    total_rows: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    elapsed: float = 0.0
    piece_rows: int = 0
    piece_bytes: int = 0

    def add(self, result: EngineResult) -> None:
        """Count a piece of the result; each carries what was done since the one before."""
        self.result_rows += result.rows_read()
        self.piece_rows += result.storage_rows_read()
        self.piece_bytes += result.storage_bytes_read()
        self.read_rows = max(self.read_rows, self.piece_rows)
        self.read_bytes = max(self.read_bytes, self.piece_bytes)
        self.written_rows += result.rows_written()
        self.written_bytes += result.bytes_written()
        self.elapsed += result.elapsed()

    def seen(self, progress: Mapping[str, Any]) -> None:
        """The engine's own report, ten times a second; ahead of the pieces while none comes."""
        self.read_rows = max(self.read_rows, progress["read_rows"])
        self.read_bytes = max(self.read_bytes, progress["read_bytes"])
        self.total_rows = max(self.total_rows, progress["total_rows_to_read"])


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a result, in its format."""

    data: bytes
    rows: int


def quoted(value: str) -> str:
    """`value` as an SQL string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def set_statement(settings: Mapping[str, str]) -> str:
    """SET for all of them at once."""
    for name in settings:
        if not _NAME.match(name):
            raise ServerException(UNKNOWN_SETTING, f"Unknown setting {quoted(name)}. (UNKNOWN_SETTING)")
    return "SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())


def _require_utf8(statement: Statement) -> None:
    """Raise for text that the engine's bindings cannot take, which they report without a code."""
    try:
        for text in (statement.sql, *statement.params, *statement.params.values(), *statement.settings.values()):
            text.encode()
    except UnicodeEncodeError:
        raise refusal(errors.BAD_REQUEST, "A statement, parameter or setting is not UTF-8") from None


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
        # The engine stops with its last session and takes 0.1 s to start again, so one stays open; it also kills.
        self._keeper: EngineConnection | None = None
        self.running: dict[str, str] = {}
        # Statements begun since the start.
        self.begun = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def open(self) -> EngineConnection:
        """Start the engine; it runs until `close`. The session given is for the start only."""
        self._keeper = self.connect()
        self._parts = WrittenParts(self.connect())
        return self._keeper

    def connect(self) -> EngineConnection:
        """A new engine session."""
        return self._engine.connect(self._connection_string)

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run a call into the engine in a thread."""
        return self._threads.submit(function, *args)

    @contextlib.contextmanager
    def written_whole(self) -> Iterator[None]:
        """Around an insert, in its thread: raises when not all of it came onto the disk."""
        broken, began = self._parts.broken, time.monotonic()
        yield
        self._parts.require_whole(broken, time.monotonic() - began)

    async def kill(self, query_id: str) -> None:
        """Ask the engine to stop a statement; returns at once."""
        await asyncio.wrap_future(self._kill_thread.submit(self._kill, query_id))

    def _kill(self, query_id: str) -> None:
        keeper = self._keeper
        if keeper is None:
            return
        with contextlib.suppress(RuntimeError):
            keeper.query(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(query_id)} ASYNC", "Null")

    @contextlib.asynccontextmanager
    async def slot(self, query_id: str, sql: str) -> AsyncIterator[None]:
        """Hold a slot under this query id. Raises 216 when the id runs already, 202 when no slot came free in time."""
        if query_id in self.running:
            raise refusal(
                errors.QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING, f"Query with id = {query_id} is already running"
            )
        self.running[query_id] = sql
        self.begun += 1
        self._idle.clear()
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
            if not self.running:
                self._idle.set()

    def purge(self) -> None:
        """The engine's own free memory goes back to the system."""
        self._kill_thread.submit(self._purge).result()

    def _purge(self) -> None:
        if self._keeper is not None:
            self._keeper.query("SYSTEM JEMALLOC PURGE", "Null")

    async def drain(self, seconds: float) -> None:
        """Wait until nothing runs, then kill what still does."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        for query_id in list(self.running):
            await self.kill(query_id)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), _KILL_SECONDS)

    def close(self) -> None:
        """Let go of the threads; what is still running is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._kill_thread.shutdown(wait=True)
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            self._parts.close()
            keeper.close()


class Session:
    """One client's session: current database, SET settings and temporary tables last until it is closed.

    `forced` settings hold for all of it. A `single` session is for one statement, so nothing is put back after it.
    """

    def __init__(
        self,
        sessions: Sessions,
        database: str = "default",
        forced: Mapping[str, str] | None = None,
        *,
        single: bool = False,
    ):
        self._sessions = sessions
        self._database = database
        self._forced = dict(forced or {})
        self._single = single
        self._connection: EngineConnection | None = None
        self._in_flight: Future[Any] | None = None
        self._kept_settings: list[str] = []

    def beside(self) -> "Session":
        """A session for one statement in the same database, while this one is busy."""
        return Session(self._sessions, self._database, self._forced, single=True)

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect and choose the database, so that a wrong one fails here (code 81)."""
        await self._call(self._engine_connection)

    async def close(self) -> None:
        """Close the engine's session, even when the caller is being cancelled."""
        await self._finally(self._close())

    async def _close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._call(connection.close)

    @contextlib.asynccontextmanager
    async def query(self, statement: Statement, *, slotless: bool = False) -> AsyncIterator["ResultStream"]:
        """Run a statement. Leaving before the end, or being cancelled, stops it in the engine."""
        _require_utf8(statement)
        refuse_unsafe(statement.sql)
        refuse_input(statement.sql)
        query_id = statement.query_id or str(uuid.uuid4())
        slot = contextlib.nullcontext() if slotless else self._sessions.slot(query_id, statement.sql)
        async with slot, self._settled(query_id, statement):
            stream = await self._call(self._start, statement, query_id)
            try:
                yield ResultStream(self, stream)
            except BaseException:
                await self._finally(self._stop(stream, query_id))
                raise

    async def insert(self, statement: Statement, input_format: str, rows: InsertData) -> Totals:
        """Run an INSERT (its text up to FORMAT) on `rows`. They are stored when it returns.

        Cancelling it kills it; rows may be stored or not, and it has ended when this raises."""
        _require_utf8(statement)
        refuse_unsafe(statement.sql)
        rows.refuse_unsafe(input_format)
        query_id = statement.query_id or str(uuid.uuid4())
        sql = rows.statement(statement.sql, input_format)
        async with self._sessions.slot(query_id, statement.sql), self._settled(query_id, statement):
            connection = await self._call(self._prepared, statement, query_id)
            totals = Totals()
            try:
                totals.add(await self._call(self._insert, connection, sql, dict(statement.params)))
            except ServerException as error:
                raise told_without_path(error) from None
            return totals

    @contextlib.asynccontextmanager
    async def _settled(self, query_id: str, statement: Statement) -> AsyncIterator[None]:
        """Afterwards the session is as before: nothing running, no output left over, settings of the session."""
        try:
            yield
        except BaseException:
            await self._finally(self._recover(query_id, statement))
            raise
        if not self._single:
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

    async def _stop(self, stream: "EngineStream", query_id: str) -> None:
        await self._stop_in_flight(query_id)
        with contextlib.suppress(ServerException):
            await self._call(stream.cancel)

    async def _recover(self, query_id: str, statement: Statement) -> None:
        await self._stop_in_flight(query_id)
        if self._single:
            return
        with contextlib.suppress(ServerException):
            await self._call(self._flush)
        await self._restore(statement)

    async def _restore(self, statement: Statement) -> None:
        try:
            await self._call(self._restore_settings, statement)
        except ServerException:  # from readonly there is no way back: the next statement gets a new session
            await self._close()

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
                if self._database != "default":
                    connection.query(f"USE `{self._database.replace('`', '``')}`", "Null")
                connection.query(set_statement({**_SERVER_SETTINGS, **self._forced}), "Null")
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
        # readonly comes last, and alone: with it set, nothing else can be
        readonly = {name: settings.pop(name) for name in list(settings) if name == "readonly"}
        connection.query(set_statement({**settings, "log_comment": query_id}), "Null")
        if readonly and "readonly" not in self._forced:
            connection.query(set_statement(readonly), "Null")
        return connection

    def _start(self, statement: Statement, query_id: str) -> "EngineStream":
        connection = self._prepared(statement, query_id)
        sql = with_client_query_ids(statement.sql)
        params = dict(statement.params)
        totals = Totals()
        connection.set_progress_callback(totals.seen)
        if statement.streaming:
            try:
                return EngineStream(
                    connection, connection.send_query(sql, statement.output_format, params=params), totals
                )
            except RuntimeError as error:
                if _NOT_STREAMABLE not in str(error):
                    raise
        with self._sessions.written_whole() if first_word(statement.sql) in _WRITES_PARTS else contextlib.nullcontext():
            result = connection.query(sql, statement.output_format, params=params)
        self._remember(statement.sql)
        return EngineStream(connection, None, totals, result)

    def _insert(self, connection: EngineConnection, sql: str, params: dict[str, str]) -> EngineResult:
        connection.set_progress_callback(None)
        with self._sessions.written_whole():
            return connection.query(sql, "Null", params=params)

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
        changed = [name for name in statement.settings if name not in self._forced]
        if connection is None or not changed:
            return
        for name in changed:
            try:
                connection.query(f"SET {name} = {_SERVER_SETTINGS.get(name, 'DEFAULT')}", "Null")
            except RuntimeError as error:
                if from_engine(error).code != UNKNOWN_SETTING:
                    raise
        for kept in self._kept_settings:
            connection.query(kept, "Null")


class EngineStream:
    """A result being read, in the thread that calls."""

    def __init__(self, connection: EngineConnection, handle: Any, totals: Totals, whole: EngineResult | None = None):
        self._connection = connection
        self._handle = handle
        self._whole = whole
        self.totals = totals

    def fetch(self) -> Chunk | None:
        """The next piece, or None at the end and for ever after."""
        if self._whole is not None:
            result, self._whole = self._whole, None
        elif self._handle is not None:
            result = self._connection.streaming_fetch_result(self._handle)
        else:
            return None
        chunk = Chunk(result.bytes(), result.rows_read())
        self.totals.add(result)
        if not chunk.data:
            self._handle = None
            return None
        return chunk

    def cancel(self) -> None:
        """Stop a result that was not read to its end."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self._connection.streaming_cancel_query(handle)


class ResultStream:
    """The pieces of a result, and what it took so far."""

    def __init__(self, session: Session, stream: EngineStream):
        self._session = session
        self._stream = stream
        self.totals = stream.totals

    async def fetch(self) -> Chunk | None:
        """The next piece, or None at the end."""
        return await self._session._call(self._stream.fetch)
