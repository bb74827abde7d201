"""A server in a process of its own for the capture benchmarks, and clients that load it.

    python -m tests.bench.served WHAT

WHAT: `echo` (a bare ASGI app that reads the body and answers), `naive` (the batch handler one writes first), `asgi` and
`protocol` (capture by either of its callers), `ceiling` (the protocol class with a handler that does nothing),
all under the same uvicorn on uvloop with httptools.
The log is null, or the one HEDGEROW_* variables name. `GET /usage` tells processor time and resident memory.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from redis.asyncio import Redis

from libs.kit.clock import SystemClock
from libs.kit.contracts.topics import EVENTS
from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.open import open_eventlog
from libs.kit.heap import settle
from libs.kit.hot_connection import HotCycle
from libs.kit.hot_http import Headers, HotPaths
from libs.kit.logging import configure_logging
from services.capture.app import HotPathsFirst
from services.capture.decision import Request
from services.capture.intake import Intake
from services.capture.policies.policies import Policies
from services.capture.settings import CaptureSettings
from tests.bench.bench_scan import naive
from tests.support.eventlogs import log_settings

ROOT = Path(__file__).parents[2]
USAGE = b"GET /usage HTTP/1.1\r\nHost: h\r\n\r\n"
_OK = [(b"content-length", b"15"), (b"content-type", b"application/json")]


@dataclass(frozen=True)
class Usage:
    """Of the server's process so far: seconds of processor, bytes resident."""

    cpu: float
    resident: int


class NullLog:
    """Has everything durably at once."""

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        """Forget them."""


async def _body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    return body


async def _say(send: Any, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """The least an ASGI app can do with a POST."""
    await _body(receive)
    await _say(send, b'{"status":"Ok"}', _OK)


async def naive_app(scope: Any, receive: Any, send: Any) -> None:
    """`bench_scan.naive` behind HTTP, with a null log."""
    body = await _body(receive)
    headers = dict(scope["headers"])
    request = Request(
        scope["method"], scope["path"], scope["query_string"], headers, body, "203.0.113.9", SystemClock().now_us()
    )
    await NullLog().produce(EVENTS.name, naive(request))
    await _say(send, b'{"status":"Ok"}', _OK)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _usage(send: Any) -> None:
    body = json.dumps({"cpu": time.process_time(), "resident": _resident()}).encode()
    await _say(send, body, [(b"content-length", b"%d" % len(body))])


def with_usage(app: Any) -> Any:
    """The app, and `/usage`."""

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/usage":
            await _usage(send)
        else:
            await app(scope, receive, send)

    return asked


class _Ceiling:
    """The least a hot path can do: what the protocol class costs by itself."""

    body_idle_seconds = 30.0

    def receive(
        self, path: str, query: bytes, headers: Headers, peer: str | None, cycle: HotCycle
    ) -> "_Ceiling._Receiver":
        return self._Receiver(cycle)

    def take(self, path: str, query: bytes, headers: Headers, peer: str | None, body: bytes, cycle: HotCycle) -> None:
        self._Receiver(cycle).complete()

    class _Receiver:
        def __init__(self, cycle: HotCycle):
            self._cycle = cycle

        def piece(self, data: bytes) -> None: ...

        def complete(self) -> None:
            self._cycle.reply(200, b"content-length: 15\r\ncontent-type: application/json\r\n", b'{"status":"Ok"}')

        def stalled(self) -> None: ...

        def gone(self) -> None: ...


@asynccontextmanager
async def _log() -> AsyncIterator[Any]:
    if "HEDGEROW_EVENTLOG" not in os.environ:
        yield NullLog()
        return
    log = await open_eventlog(log_settings(), SystemClock())
    await log.ensure([EVENTS])
    try:
        yield log
    finally:
        await log.close()


async def _serve(what: str) -> None:
    configure_logging("WARNING", service="bench", version="0")
    async with _log() as log:
        clock, settings = SystemClock(), CaptureSettings()
        intake = Intake(log, clock, settings, Policies(Redis(port=1), clock, settings))
        capture = HotPathsFirst(intake, echo)
        app = {"echo": echo, "naive": naive_app}.get(what, capture)
        hot = HotPaths(dict.fromkeys(capture.hot_paths, _Ceiling()) if what == "ceiling" else capture.hot_paths)
        config = uvicorn.Config(
            with_usage(app),
            http=hot.protocol_class() if what in ("protocol", "ceiling") else "httptools",
            port=0,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        server = uvicorn.Server(config)
        settle()  # as hedgerow.serve does, for all of them
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        await intake.close()


@contextmanager
def served(what: str, **environment: str) -> Iterator[int]:
    """Run the server; its port."""
    command = [sys.executable, "-m", "tests.bench.served", what]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, **environment}, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)


class Connection(asyncio.Protocol):
    """A client that writes a request and waits for its answer; every answer is expected to be a 200."""

    def __init__(self, request: bytes):
        self.request = request
        self.times: list[float] = []
        self.again = False  # at once, when an answer has come
        self._head = b""
        self._began = 0.0
        self._waiting: asyncio.Future[bytes] | None = None
        self.answered = 0
        self.idle = True

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def fire(self, due: float | None = None) -> None:
        """Ask; the wait counts from when it was due."""
        self.idle = False
        self._began = time.perf_counter() if due is None else due
        self.transport.write(self.request)

    async def ask(self, request: bytes) -> bytes:
        """Another request, alone; the answer as it came."""
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        if not data.endswith(b"}"):  # uvicorn writes the head alone
            self._head += data
            return
        data, self._head = self._head + data, b""
        if self._waiting is not None:
            self._waiting.set_result(data)
            self._waiting = None
            return
        if not data.startswith(b"HTTP/1.1 200"):
            print(data, file=sys.stderr)
            os._exit(1)
        self.answered += 1
        self.times.append(time.perf_counter() - self._began)
        self.idle = True
        if self.again:
            self.fire()


async def connect(port: int, request: bytes, count: int) -> list[Connection]:
    """So many clients."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(lambda: Connection(request), "127.0.0.1", port))[1] for _ in range(count)]


async def usage(port: int) -> Usage:
    """What the server has used so far."""
    [connection] = await connect(port, b"", 1)
    answer = await connection.ask(USAGE)
    connection.transport.close()
    return Usage(**json.loads(answer.partition(b"\r\n\r\n")[2]))


@dataclass(frozen=True)
class Run:
    """One load: requests answered, over how many seconds, with how many of the server's processor seconds."""

    requests: int
    seconds: float
    cpu: float
    waits: Sequence[float]

    def wait(self, share: float) -> float:
        """A quantile of the waits, in seconds."""
        waits = sorted(self.waits)
        return waits[min(len(waits) - 1, int(len(waits) * share))]


async def closed_load(port: int, request: bytes, *, clients: int, seconds: float) -> Run:
    """Clients that each ask again as soon as they are answered."""
    connections = await connect(port, request, clients)
    before, began = await usage(port), time.perf_counter()
    for connection in connections:
        connection.again = True
        connection.fire()
    await asyncio.sleep(seconds)
    for connection in connections:
        connection.again = False
    while not all(connection.idle for connection in connections):
        await asyncio.sleep(0.001)
    took, after = time.perf_counter() - began, await usage(port)
    for connection in connections:
        connection.transport.close()
    waits = [wait for connection in connections for wait in connection.times]
    return Run(len(waits), took, after.cpu - before.cpu, waits)


async def open_load(port: int, request: bytes, *, clients: int, seconds: float, rate: float) -> Run:
    """Requests at a rate of their own, whatever the answers do: one that finds no idle client waits, and its wait
    counts from when it was due."""
    connections = await connect(port, request, clients)
    before, began = await usage(port), time.perf_counter()
    sent, total = 0, int(rate * seconds)
    while sent < total:
        now = time.perf_counter()
        for connection in connections:
            due = began + sent / rate
            if due > now or sent == total:
                break
            if connection.idle:
                connection.fire(due)
                sent += 1
        if now - began > 3 * seconds:
            break  # it cannot keep up; what was reached is printed
        await asyncio.sleep(0.0005)
    while not all(connection.idle for connection in connections):
        await asyncio.sleep(0.001)
    took, after = time.perf_counter() - began, await usage(port)
    for connection in connections:
        connection.transport.close()
    waits = [wait for connection in connections for wait in connection.times]
    return Run(len(waits), took, after.cpu - before.cpu, waits)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
