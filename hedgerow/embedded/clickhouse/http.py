"""ClickHouse's HTTP interface as an ASGI application.

A request is read into what it asks for (`HttpQuery`), run in a session of its own, and answered as the rows come. An
error before the first byte has its status; one after it breaks the connection, with the exception's text as the last
chunk, so that no client takes half an answer for a whole one.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from python_multipart.multipart import parse_options_header

from hedgerow.embedded.clickhouse import errors, formats
from hedgerow.embedded.clickhouse.errors import ServerException, http_status, refusal
from hedgerow.embedded.clickhouse.forms import parse_multipart
from hedgerow.embedded.clickhouse.inserts import InsertBudget, InsertData
from hedgerow.embedded.clickhouse.sessions import Chunk, ResultStream, Session, Sessions, Statement, Totals
from hedgerow.embedded.clickhouse.statements import data_start, find_insert
from hedgerow.embedded.clickhouse.users import User, authenticate

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

logger = logging.getLogger(__name__)

# Parameters of the interface itself; every other one is a setting.
_OWN_PARAMETERS = frozenset(
    (
        *("query", "query_id", "database", "default_format", "user", "password", "compress", "decompress", "role"),
        *("buffer_size", "wait_end_of_query", "quota_key", "stacktrace", "client_protocol_version"),
    )
)
# How long the headers wait for a second chunk: a result that has ended by then gets a complete summary.
_PEEK_SECONDS = 0.02
_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bytes that are held in memory for one request, and seconds a client may take to read a chunk."""

    max_query_bytes: int = 16 * 1024 * 1024
    max_held_bytes: int = 128 * 1024 * 1024
    send_seconds: float = 300.0


@dataclass(slots=True)
class HttpQuery:
    """A request, taken apart."""

    sql: str
    query_id: str
    database: str = "default"
    default_format: str = "TabSeparated"
    settings: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    wait_end: bool = False


class Body:
    """The request's body, read as it comes. `gone` is set once the client has left."""

    def __init__(self, receive: Receive):
        self._receive = receive
        self._more = True

    async def chunks(self) -> AsyncIterator[bytes]:
        """What is left of the body. Raises ConnectionError when the client leaves."""
        while self._more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client left")
            self._more = bool(message.get("more_body"))
            if message.get("body"):
                yield message["body"]

    async def read(self, limit: int) -> bytes:
        """All of it. Raises TOO_MANY_BYTES above `limit`."""
        collected = bytearray()
        async for chunk in self.chunks():
            collected += chunk
            if len(collected) > limit:
                raise refusal(errors.TOO_LARGE, f"The request is larger than {limit} bytes")
        return bytes(collected)

    async def disconnected(self) -> None:
        """Returns when the client leaves. Only after the whole body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class HttpInterface:
    """The ASGI application."""

    def __init__(
        self,
        sessions: Sessions,
        users: Mapping[str, User],
        version: str,
        budget: InsertBudget,
        limits: HttpLimits | None = None,
    ) -> None:
        self._sessions = sessions
        self._users = users
        self._version = version
        self._budget = budget
        self._limits = limits or HttpLimits()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("only http is served")
        answer = Answer(send, self._version)
        if scope["path"] in ("/ping", "/replicas_status"):
            await answer.plain(200, b"Ok.\n")
        elif scope["path"] != "/":
            await answer.plain(404, f"There is no handle {scope['path']}\n".encode())
        elif scope["method"] not in ("GET", "POST", "HEAD"):
            await answer.plain(405, b"Use GET or POST.\n")
        else:
            await self._serve(scope, Body(receive), answer)

    async def _serve(self, scope: MutableMapping[str, Any], body: Body, answer: "Answer") -> None:
        try:
            await self._run(scope, body, answer)
        except ServerException as error:
            await answer.error(error)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            logger.exception("request failed")
            await answer.error(refusal(errors.LOGICAL_ERROR, "The server failed; its log says how"))

    async def _run(self, scope: MutableMapping[str, Any], body: Body, answer: "Answer") -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        arguments = _arguments(scope["query_string"])
        user = authenticate(self._users, *_credentials(headers, arguments))
        if not arguments.get("query") and scope["method"] == "GET":
            await answer.plain(200, b"Ok.\n")
            return
        form_query = ""
        media_type, options = parse_options_header(headers.get("content-type", ""))
        if media_type == b"multipart/form-data":
            fields = parse_multipart(await body.read(self._limits.max_query_bytes), options.get(b"boundary", b""))
            form_query = fields.pop("query", "")
            arguments = {**fields, **arguments}
        query = _http_query(arguments, headers)
        query.sql += form_query
        if scope["method"] == "GET":
            query.settings.setdefault("readonly", "2")
        answer.identify(query.query_id)
        session = Session(self._sessions, query.database, user.forced, single=True)
        try:
            await self._dispatch(session, query, body, answer)
        finally:
            await session.close()

    async def _dispatch(self, session: Session, query: HttpQuery, body: Body, answer: "Answer") -> None:
        """INSERT with data: the body is its rows. Anything else: the body is the rest of the statement."""
        held = bytearray(f"{query.sql}\n".encode("utf-8", "surrogateescape") if query.sql else b"")
        chunks = body.chunks()
        insert = find_insert(_head(held))
        # an end of the head at the end of what has come may lie within a word, or before a line feed
        while insert is None or data_start(_head(held), insert) >= len(held):
            if (chunk := await anext(chunks, None)) is None:
                break
            held += chunk
            if len(held) > self._limits.max_query_bytes:
                raise refusal(errors.TOO_LARGE, "The statement is too large")
            insert = find_insert(_head(held))
        if insert is None:
            query.sql = _decode(bytes(held))
            await self._select(session, query, body, answer)
            return
        begin = data_start(_head(held), insert)
        head = _decode(insert.head.encode("latin-1"))
        statement = Statement(head, settings=query.settings, params=query.params, query_id=query.query_id)
        with InsertData(self._budget) as rows:
            failure = _refused(rows, held[begin:])
            async for chunk in chunks:  # to the end even when refused: few clients listen before they have sent all
                failure = failure or _refused(rows, chunk)
            if failure is not None:
                raise failure
            totals = await session.insert(statement, insert.input_format, rows)
        await answer.start(query.default_format, totals, ended=True)
        await answer.end(b"")

    async def _select(self, session: Session, query: HttpQuery, body: Body, answer: "Answer") -> None:
        output_format = formats.explicit_format(query.sql) or query.default_format
        joiner = formats.joiner(output_format)
        statement = Statement(
            query.sql, output_format, query.settings, query.params, query.query_id, streaming=joiner is not None
        )
        gone = asyncio.ensure_future(body.disconnected())
        work = asyncio.ensure_future(self._answer_rows(session, statement, joiner or formats.Rows(), query, answer))
        try:
            await asyncio.wait((gone, work), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    async def _answer_rows(
        self, session: Session, statement: Statement, joiner: formats.Joiner, query: HttpQuery, answer: "Answer"
    ) -> None:
        """Answers chunk by chunk, one behind the engine for the first moments: a result that ends by then gets a
        complete summary, and its error a status of its own."""
        async with session.query(statement) as stream, contextlib.aclosing(_Ahead(stream)) as ahead:
            held: list[bytes] = []
            while (chunk := await ahead.next()) is not None:
                held.append(joiner.feed(chunk.data))
                if query.wait_end and sum(map(len, held)) > self._limits.max_held_bytes:
                    raise refusal(errors.TOO_LARGE, "The result is too large for wait_end_of_query")
                if query.wait_end or await ahead.ends_within(0.0 if answer.started else _PEEK_SECONDS):
                    continue
                if not answer.started:
                    await answer.start(statement.output_format, stream.totals, ended=False)
                await self._write(answer, b"".join(held))
                held.clear()
            held.append(joiner.finish(stream.totals))
            if not answer.started:
                await answer.start(statement.output_format, stream.totals, ended=True)
            await self._write(answer, b"".join(held))
            await answer.end(b"")

    async def _write(self, answer: "Answer", data: bytes) -> None:
        """In pieces: what a socket does not take at once is copied by asyncio."""
        for start in range(0, len(data), _PIECE_BYTES):
            try:
                piece = data[start : start + _PIECE_BYTES]
                await asyncio.wait_for(answer.write(piece), self._limits.send_seconds)
            except TimeoutError:
                raise ConnectionError("the client does not read") from None


class _Ahead:
    """Reads one chunk ahead of what it gives out."""

    def __init__(self, stream: ResultStream):
        self._stream = stream
        self._pending: asyncio.Task[Chunk | None] | None = None

    def _fetching(self) -> "asyncio.Task[Chunk | None]":
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._stream.fetch())
        return self._pending

    async def next(self) -> Chunk | None:
        """The next chunk, or None."""
        chunk = await self._fetching()
        self._pending = None
        return chunk

    async def ends_within(self, seconds: float) -> bool:
        """Whether the end is known to come next. An error that comes within that time is raised."""
        fetching = self._fetching()
        await asyncio.wait((fetching,), timeout=seconds)
        return fetching.done() and fetching.result() is None

    async def aclose(self) -> None:
        """Let go of a chunk that nobody will take."""
        if self._pending is not None:
            self._pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, ServerException):
                await self._pending


class Answer:
    """The response: headers once, then chunks."""

    def __init__(self, send: Send, version: str):
        self._send = send
        self._version = version
        self._headers: Headers = []
        self.started = False

    def identify(self, query_id: str) -> None:
        """The query id that every later answer carries."""
        self._headers.append((b"x-clickhouse-query-id", query_id.encode("latin-1", "replace")))

    async def plain(self, status: int, text: bytes) -> None:
        """A short answer of the server itself."""
        await self._begin(status, [(b"content-type", b"text/html; charset=UTF-8"), _length(text)])
        await self.end(text)

    async def start(self, output_format: str, totals: Totals, *, ended: bool) -> None:
        """Headers of a result. Of one still running the summary says what was read so far, as ClickHouse's does."""
        summary = {
            "read_rows": str(totals.read_rows),
            "read_bytes": str(totals.read_bytes),
            "written_rows": str(totals.written_rows),
            "written_bytes": str(totals.written_bytes),
            "total_rows_to_read": str(totals.total_rows),
            "result_rows": str(totals.result_rows if ended else 0),
            "result_bytes": "0",
            "elapsed_ns": str(int(totals.elapsed * 1e9)),
        }
        await self._begin(
            200,
            [
                (b"content-type", formats.content_type(output_format).encode()),
                (b"x-clickhouse-format", output_format.encode()),
                (b"x-clickhouse-timezone", b"UTC"),
                (b"x-clickhouse-summary", json.dumps(summary, separators=(",", ":")).encode()),
            ],
        )

    async def write(self, data: bytes) -> None:
        """One chunk; waits while the client is slow."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes) -> None:
        """The last chunk."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def error(self, error: ServerException) -> None:
        """The exception; after the first byte as a last chunk of a response that is then broken off."""
        text = (error.text(self._version) + "\n").encode()
        if self.started:
            await self.write(b"__exception__\r\n" + text)
            raise BrokenAnswer(error.message)
        code = (b"x-clickhouse-exception-code", str(error.code).encode())
        extra: Headers = [(b"content-type", b"text/plain; charset=UTF-8"), code, _length(text)]
        if error.code == errors.AUTHENTICATION_FAILED:
            extra.append((b"www-authenticate", b'Basic realm="ClickHouse server HTTP API"'))
        await self._begin(http_status(error.code), extra)
        await self.end(text)

    async def _begin(self, status: int, headers: Headers) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers + self._headers})


class BrokenAnswer(ConnectionError):
    """Raised on purpose: the HTTP server then closes the connection without ending the chunked body."""


def _length(text: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(text)).encode()


def _refused(rows: InsertData, data: bytes | bytearray) -> ServerException | None:
    try:
        rows.append(data)
    except ServerException as error:
        return error
    return None


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise refusal(errors.SYNTAX_ERROR, f"The statement is not UTF-8: {error.reason} at {error.start}") from None


def _head(data: bytearray) -> str:
    """The part of a statement in which an INSERT's head must lie, one character for each byte."""
    return bytes(data[: 256 * 1024]).decode("latin-1")


def _arguments(query_string: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict"))
    except (UnicodeDecodeError, ValueError) as error:
        raise refusal(errors.BAD_REQUEST, f"Bad query string: {error}") from None


def _credentials(headers: Mapping[str, str], arguments: Mapping[str, str]) -> tuple[str, str]:
    """User and password from X-ClickHouse headers, Basic authorization or the URL, in ClickHouse's order."""
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise refusal(errors.AUTHENTICATION_FAILED, "Invalid authentication: bad Basic header") from None
        return name, password
    return arguments.get("user", "default"), arguments.get("password", "")


def _http_query(arguments: Mapping[str, str], headers: Mapping[str, str]) -> HttpQuery:
    if arguments.get("decompress") == "1" or headers.get("content-encoding", "identity") != "identity":
        raise refusal(errors.NOT_IMPLEMENTED, "Compressed requests are not supported")
    return HttpQuery(
        sql=arguments.get("query", ""),
        query_id=arguments.get("query_id") or str(uuid.uuid4()),
        database=arguments.get("database") or headers.get("x-clickhouse-database") or "default",
        default_format=arguments.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
        settings={
            name: value
            for name, value in arguments.items()
            if name not in _OWN_PARAMETERS and not name.startswith("param_")
        },
        params={name[6:]: value for name, value in arguments.items() if name.startswith("param_")},
        wait_end=arguments.get("wait_end_of_query") == "1",
    )
