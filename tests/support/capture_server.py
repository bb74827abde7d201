"""Capture behind real sockets, called by either of its callers, and clients that write bytes as they like."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import uvicorn
from redis.asyncio import Redis

from libs.kit.clock import ManualClock
from libs.kit.eventlog import NewRecord
from libs.kit.hot_http import HotPaths
from services.capture.app import HotPathsFirst
from services.capture.intake import Intake
from services.capture.policies.policies import Policies
from services.capture.settings import CaptureSettings
from tests.support.capturing import NOW, KeptLog

Caller = Literal["protocol", "asgi"]
CALLERS: tuple[Caller, ...] = ("protocol", "asgi")

GOOD = (200, b'{"status":"Ok"}')
MIB = 1024 * 1024


@dataclass(frozen=True)
class Said:
    """One answer as it was read."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A connection. `said` reads answers in the order they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Write each piece, and let the server look at it before the next."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            if len(pieces) > 1:
                await asyncio.sleep(0)

    async def said(self) -> Said:
        """The next answer. Raises IncompleteReadError when the connection ends before one is complete."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 30)).decode("latin-1")
        status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Said(int(status.split()[1]), headers, body)

    async def ended(self) -> bytes:
        """What still comes until the server closes the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(), 30)
        except ConnectionResetError:
            return b""

    async def close(self) -> None:
        """End it."""
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


@dataclass
class CaptureServer:
    """A running server, with the log behind it."""

    server: uvicorn.Server
    port: int
    log: KeptLog
    intake: Intake

    async def connect(self) -> Client:
        """A new connection."""
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))

    async def exchange(self, request: bytes, answers: int = 1) -> list[Said]:
        """Send bytes on a connection of their own and read so many answers."""
        client = await self.connect()
        await client.send(request)
        said = [await client.said() for _ in range(answers)]
        await client.close()
        return said

    @property
    def connections(self) -> int:
        """Open ones."""
        return len(self.server.server_state.connections)

    async def settle(self) -> None:
        """Until every connection has ended and no body is held."""
        while self.connections or self.intake.memory.held:
            await asyncio.sleep(0.01)


class Server(uvicorn.Server):
    """uvicorn that stops when told to, not at its next tick."""

    def __init__(self, config: uvicorn.Config):
        super().__init__(config)
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        """Answers carry the date of the start."""
        await self.on_tick(0)
        await self.stop.wait()


@asynccontextmanager
async def capture_server(
    caller: Caller, *, log: Any = None, hot: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[CaptureServer]:
    """Serve capture on a free port. `hot` are the knobs of HotPaths, `settings` those of capture."""
    log = log or KeptLog()
    clock, chosen = ManualClock(NOW), CaptureSettings(**settings)
    intake = Intake(log, clock, chosen, Policies(Redis(port=1), clock, chosen))
    app = HotPathsFirst(intake, _nothing)
    paths = HotPaths(app.hot_paths if caller == "protocol" else {}, **(hot or {}))
    config = uvicorn.Config(
        app,
        http=paths.protocol_class(),
        port=0,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    server = Server(config)
    serving = asyncio.create_task(server._serve())  # `serve` would take the test runner's signals
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield CaptureServer(server, server.servers[0].sockets[0].getsockname()[1], log, intake)
    finally:
        server.stop.set()
        await serving
        await intake.close()


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def event(name: str = "a", filler: str = "") -> bytes:
    """A body of one event."""
    return orjson.dumps({"api_key": "phc_t", "event": name, "distinct_id": "u", "properties": {"f": filler}})


def post(body: bytes, *lines: str, path: str = "/e/", version: str = "1.1") -> bytes:
    """A POST, with these header lines."""
    head = [f"POST {path} HTTP/{version}", "Host: h", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def chunked(body: bytes, size: int, *lines: str, trailer: bytes = b"") -> bytes:
    """A POST whose body comes in chunks of this size."""
    head = "\r\n".join(["POST /e/ HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", *lines]).encode() + b"\r\n\r\n"
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return head + b"".join(b"%x;x=y\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n"


def plain(said: Said) -> tuple[int, bytes]:
    """Status and body."""
    return said.status, said.body


class SlowLog(KeptLog):
    """Keeps nothing before `durable` is set; `asked` once somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.durable = asyncio.Event()
        self.asked = asyncio.Event()

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        self.asked.set()
        await self.durable.wait()
        await super().produce(topic, records)
