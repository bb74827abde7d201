"""Connections of the native protocol: packets of native.py over asyncio streams, one engine session each."""

import asyncio
import contextlib
import dataclasses
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from hedgerow.embedded.clickhouse import errors, native
from hedgerow.embedded.clickhouse.errors import ServerException, refusal
from hedgerow.embedded.clickhouse.formats import without_format
from hedgerow.embedded.clickhouse.inserts import InsertBudget, InsertData
from hedgerow.embedded.clickhouse.sessions import Chunk, ResultStream, Session, Sessions, Statement, Totals
from hedgerow.embedded.clickhouse.statements import Insert, data_start, find_insert, first_word, sample_query
from hedgerow.embedded.clickhouse.users import User, authenticate

logger = logging.getLogger(__name__)
_READ_SIZE = 256 * 1024
# Reading the columns of a block takes time for each string in it; above this many rows the engine is asked instead.
_WALK_ROWS = 2000
_PROGRESS_SECONDS = 0.25
# The engine writes FORMAT Native for readers of its own version; as text, JSON can be read at this revision too.
_NATIVE_SETTINGS = {"output_format_native_write_json_as_string": "1"}


@dataclass(frozen=True, slots=True)
class NativeLimits:
    """Seconds a client may take to say hello and to read what it is sent, and the bytes of one block."""

    hello_seconds: float = 10.0
    send_seconds: float = 300.0
    max_block_bytes: int = 256 * 1024 * 1024


class NativeConnection:
    """One client, from hello to goodbye."""

    def __init__(
        self,
        sessions: Sessions,
        users: Mapping[str, User],
        version: str,
        budget: InsertBudget,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limits: NativeLimits,
    ):
        self._sessions = sessions
        self._users = users
        self._version = version
        self._budget = budget
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._buffer = native.Buffer()
        self._revision = native.REVISION
        self._next: asyncio.Future[native.Packet] | None = None
        self.idle = True

    async def serve(self) -> None:
        """Until the client leaves or breaks the protocol."""
        session: Session | None = None
        try:
            session = await asyncio.wait_for(self._greet(), self._limits.hello_seconds)
            while True:
                packet = await self._receive()
                if isinstance(packet, native.Ping):
                    await self._send(native.PONG)
                elif isinstance(packet, native.Query):
                    self.idle = False
                    await self._run(session, packet)
                    self.idle = True
                elif not isinstance(packet, native.Cancel | native.Data):
                    raise refusal(errors.UNEXPECTED_PACKET, f"Unexpected packet {type(packet).__name__}")
        except ServerException as error:
            with contextlib.suppress(ConnectionError, TimeoutError):
                await self._send(native.exception(error))
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            if self._next is not None:
                self._next.cancel()
                with contextlib.suppress(BaseException):
                    await self._next
            if session is not None:
                await session.close()
            self._writer.close()

    async def _greet(self) -> Session:
        packet = await self._receive()
        if not isinstance(packet, native.Hello):
            raise refusal(errors.UNEXPECTED_PACKET, "Unexpected packet, expected Hello")
        user = authenticate(self._users, packet.user, packet.password)
        self._revision = min(packet.revision, native.REVISION)
        session = Session(self._sessions, packet.database or "default", {**_NATIVE_SETTINGS, **user.forced})
        await session.open()
        major, minor, patch = (int(part) for part in self._version.split(".")[:3])
        await self._send(native.hello((major, minor, patch), self._revision, "hedgerow"))
        return session

    async def _receive(self) -> native.Packet:
        """The next packet. Cancelling the wait loses nothing."""
        packet = await asyncio.shield(self._peek())
        self._next = None
        return packet

    def _peek(self) -> "asyncio.Future[native.Packet]":
        """The next packet, which stays the next one."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._read_packet())
        return self._next

    async def _read_packet(self) -> native.Packet:
        reading = native.read_packet(self._buffer, self._revision)
        while True:
            try:
                next(reading)
            except StopIteration as done:
                self._buffer.compact()
                packet: native.Packet = done.value
                return packet
            if len(self._buffer.data) > self._limits.max_block_bytes:
                raise refusal(errors.TOO_LARGE, f"A block is larger than {self._limits.max_block_bytes} bytes")
            received = await self._reader.read(_READ_SIZE)
            if not received:
                raise ConnectionError("the client left")
            self._buffer.feed(received)

    async def _send(self, packet: bytes) -> None:
        self._writer.write(packet)
        await asyncio.wait_for(self._writer.drain(), self._limits.send_seconds)

    async def _run(self, session: Session, query: native.Query) -> None:
        """One statement; an exception of the engine's leaves the connection as it is."""
        await self._no_external_tables()
        if query.compression:
            raise refusal(errors.NOT_IMPLEMENTED, "Compression is not supported: connect with compression off")
        insert = find_insert(query.sql)
        try:
            if insert is None or insert.selects:
                await self._select(session, query)
            elif (inlined := query.sql[data_start(query.sql, insert) :]).strip(" \r\n\t;"):
                await self._insert_inlined(session, query, insert, inlined)
            else:
                await self._insert(session, query, insert)
        except ServerException as error:
            await self._send(native.exception(error))

    async def _no_external_tables(self) -> None:
        while True:
            packet = await self._receive()
            if not isinstance(packet, native.Data):
                raise refusal(errors.UNEXPECTED_PACKET, "Unexpected packet, expected Data")
            if packet.table:
                raise refusal(errors.NOT_IMPLEMENTED, "External tables are not supported")
            if not packet.columns:
                return

    def _statement(self, query: native.Query, sql: str) -> Statement:
        lenient = frozenset(query.settings) - query.important
        return Statement(sql, "Native", query.settings, {}, query.query_id, lenient=lenient)

    async def _select(self, session: Session, query: native.Query) -> None:
        work = asyncio.ensure_future(self._stream_result(session, query))
        watch = self._peek()
        cancelled = False
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                cancelled = isinstance(watch.result(), native.Cancel)
                if not cancelled:
                    raise refusal(errors.UNEXPECTED_PACKET, "Unexpected packet while a statement runs")
                await self._receive()
        finally:
            if not work.done():
                work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
        if cancelled:
            await self._send(native.END_OF_STREAM)

    async def _stream_result(self, session: Session, query: native.Query) -> None:
        rows = blocks = size = 0
        query = dataclasses.replace(query, sql=without_format(query.sql))
        async with session.query(self._statement(query, query.sql)) as stream:
            progress = _Progress(stream.totals)
            while (chunk := await self._fetch(stream, progress)) is not None:
                for block in native.split_blocks(chunk.data, chunk.rows):
                    if not blocks:
                        await self._send_header(session, query, block, chunk.rows)
                    await self._send(native.data(block))
                    blocks += 1
                rows, size = rows + chunk.rows, size + len(chunk.data)
                await self._send(progress.packet())
        if not blocks:
            await self._send_header(session, query, b"", 0)
        await self._send(progress.packet() + native.profile_info(rows, blocks, size) + native.END_OF_STREAM)

    async def _fetch(self, stream: ResultStream, progress: "_Progress") -> Chunk | None:
        """The next chunk; while none comes, the client is told how far the engine is."""
        fetching = asyncio.ensure_future(stream.fetch())
        try:
            while not (await asyncio.wait((fetching,), timeout=_PROGRESS_SECONDS))[0]:
                await self._send(progress.packet())
            return fetching.result()
        finally:
            fetching.cancel()

    async def _send_header(self, session: Session, query: native.Query, block: bytes, rows: int) -> None:
        """Clients take names and types from a first block without rows. FORMAT Native has none, so they are read from
        the first block with rows when that is quick, and asked for otherwise. DDL and the like have no columns."""
        columns = native.columns_of(block) if block and rows <= _WALK_ROWS else None
        if columns is None and first_word(query.sql) in ("select", "with"):
            sql = f"DESCRIBE ({query.sql.strip().rstrip(';')}\n)"
            with contextlib.suppress(ServerException):
                async with session.beside() as other:
                    columns = await describe(other, sql, query.settings, slotless=True)
        if columns:
            await self._send(native.data(native.header_block(columns)))

    async def _insert(self, session: Session, query: native.Query, insert: Insert) -> None:
        columns = await describe(session, f"DESCRIBE ({sample_query(insert.head)})", {})
        statement = self._statement(query, insert.head)
        failure: ServerException | None = None
        with InsertData(self._budget) as rows:
            await self._send(native.data(native.header_block(columns)))
            while True:
                packet = await self._receive()
                if isinstance(packet, native.Cancel):
                    await self._send(native.END_OF_STREAM)
                    return
                if not isinstance(packet, native.Data):
                    raise refusal(errors.UNEXPECTED_PACKET, "Unexpected packet, expected Data")
                if not packet.columns:
                    break
                if packet.rows and failure is None:
                    try:
                        rows.append(packet.block)
                    except ServerException as error:  # the client sends all it has before it listens
                        failure = error
            if failure is not None:
                raise failure
            await session.insert(statement, "Native", rows)
        await self._send(native.END_OF_STREAM)

    async def _insert_inlined(self, session: Session, query: native.Query, insert: Insert, inlined: str) -> None:
        with InsertData(self._budget) as rows:
            rows.append(inlined.encode("utf-8", "surrogateescape"))
            await session.insert(self._statement(query, insert.head), insert.input_format, rows)
        await self._send(native.END_OF_STREAM)


class _Progress:
    """What was done since it was last told: progress packets carry differences."""

    def __init__(self, totals: Totals):
        self._totals = totals
        self._told = Totals()

    def packet(self) -> bytes:
        """The next progress packet."""
        now, told = dataclasses.replace(self._totals), self._told
        self._told = now
        return native.progress(
            now.read_rows - told.read_rows,
            now.read_bytes - told.read_bytes,
            now.total_rows - told.total_rows,
            now.written_rows - told.written_rows,
            now.written_bytes - told.written_bytes,
        )


async def describe(
    session: Session, sql: str, settings: Mapping[str, str], *, slotless: bool = False
) -> list[tuple[str, str]]:
    """Names and types of the columns a DESCRIBE gives."""
    statement = Statement(sql, "JSONCompactEachRow", settings, lenient=frozenset(settings))
    found: list[tuple[str, str]] = []
    async with session.query(statement, slotless=slotless) as stream:
        while (chunk := await stream.fetch()) is not None:
            found += [(row[0], row[1]) for row in map(json.loads, chunk.data.splitlines())]
    return found


async def start_native(
    sessions: Sessions,
    users: Mapping[str, User],
    version: str,
    budget: InsertBudget,
    host: str,
    port: int,
    limits: NativeLimits | None = None,
) -> tuple[asyncio.Server, set["asyncio.Task[None]"]]:
    """Listen. The set holds the task of every connection."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        tasks.add(task)
        try:
            await NativeConnection(sessions, users, version, budget, reader, writer, limits or NativeLimits()).serve()
        except asyncio.CancelledError:
            pass
        except Exception:
            logger.exception("native connection failed")
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(connected, host, port, limit=1024 * 1024)
    return server, tasks
