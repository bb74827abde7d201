"""The server process: opens the engine on a data directory, serves both protocols, stops on SIGTERM."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from hedgerow.embedded.clickhouse.config import FILESYSTEM_DATABASE, EngineConfig
from hedgerow.embedded.clickhouse.engine import load_engine
from hedgerow.embedded.clickhouse.http import HttpInterface
from hedgerow.embedded.clickhouse.inserts import InsertBudget
from hedgerow.embedded.clickhouse.memory import give_back, give_back_when_idle, tame_malloc
from hedgerow.embedded.clickhouse.native_server import start_native
from hedgerow.embedded.clickhouse.sessions import Sessions
from hedgerow.embedded.clickhouse.users import User

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where to listen and what to allow. Port 0 picks a free one; `ports_file` tells the parent which."""

    data_dir: Path
    users: Mapping[str, User]
    host: str = "127.0.0.1"
    http_port: int = 0
    native_port: int = 0
    ports_file: Path | None = None
    max_queries: int = 16
    queue_seconds: float = 10.0
    stop_seconds: float = 5.0
    idle_seconds: float = 30.0
    max_insert_bytes: int = 256 * 1024 * 1024
    engine: EngineConfig = field(default_factory=EngineConfig)


class DirectoryInUse(RuntimeError):
    """Another server has this data directory open."""


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the data directory. The kernel lets go of the lock however this process ends."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data_dir / "hedgerow.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DirectoryInUse(f"{data_dir} is in use by another server") from None
        yield
    finally:
        os.close(descriptor)


def open_sessions(config: ServerConfig) -> tuple[Sessions, str]:
    """Start the engine on the data directory; gives its version."""
    config_file = config.data_dir / "engine.xml"
    config_file.write_text(config.engine.render(config.data_dir))
    _create_default_database(config.data_dir / "store")
    sessions = Sessions(
        load_engine(),
        f"{config.data_dir / 'store'}?config-file={config_file}",
        max_queries=config.max_queries,
        queue_seconds=config.queue_seconds,
    )
    connection = sessions.open()
    connection.query(f"DROP DATABASE IF EXISTS {FILESYSTEM_DATABASE}", "Null")
    version = connection.query("SELECT version()", "TSV").bytes().decode().strip()
    return sessions, version


def _create_default_database(store: Path) -> None:
    """The engine wants a database of this name before it takes a first statement, and would make one over the file
    system, so its definition is put there beforehand. The link to its tables' folder, which is for people's eyes, goes:
    seeing it, the engine would load the database a second time and abort. It makes the link again."""
    metadata = store / "metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    if not (metadata / "default.sql").exists():
        part = metadata / "default.part"
        part.write_text(f"ATTACH DATABASE _ UUID '{uuid.uuid4()}'\nENGINE = Atomic\n")
        part.replace(metadata / "default.sql")
    if (metadata / "default").is_symlink():
        (metadata / "default").unlink()


class _Http(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # SIGTERM is the process' own affair


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. asyncio turns Nagle's algorithm off only where the protocol is named, which
    `socket.create_server` does not do: an answer in two writes would take 40 ms."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(128)
    return listener


@contextlib.asynccontextmanager
async def _serving_http(app: HttpInterface, listener: socket.socket, stop_seconds: float) -> AsyncIterator[None]:
    server = _Http(
        uvicorn.Config(
            app,
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=max(1, int(stop_seconds)),
            h11_max_incomplete_event_size=None,
            server_header=False,
            log_level="critical",
        )
    )
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the server listens."""

    http: int
    native: int


@contextlib.asynccontextmanager
async def serving(config: ServerConfig) -> AsyncIterator[Ports]:
    """The server, until the block ends: then nothing new is accepted and what runs gets a few seconds."""
    tame_malloc()
    with locked(config.data_dir):
        sessions, version = open_sessions(config)
        give_back()
        listener = listen(config.host, config.http_port)
        budget = InsertBudget(config.max_insert_bytes)
        app = HttpInterface(sessions, config.users, version, budget)
        native, connections = await start_native(
            sessions, config.users, version, budget, config.host, config.native_port
        )
        idle = asyncio.ensure_future(
            give_back_when_idle(lambda: sessions.begun + len(sessions.running), sessions.purge, config.idle_seconds)
        )
        try:
            async with _serving_http(app, listener, config.stop_seconds):
                ports = Ports(listener.getsockname()[1], native.sockets[0].getsockname()[1])
                yield ports
                native.close()
                await sessions.drain(config.stop_seconds)
                for task in list(connections):
                    task.cancel()
                await asyncio.gather(*connections, return_exceptions=True)
        finally:
            idle.cancel()
            native.close()
            sessions.close()


async def run(config: ServerConfig) -> None:
    """Serve until SIGTERM or SIGINT; the ready line on stdout and the ports file say where."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(config) as ports:
        ready = json.dumps(
            {"host": config.host, "http_port": ports.http, "native_port": ports.native, "pid": os.getpid()}
        )
        if config.ports_file is not None:
            part = config.ports_file.with_suffix(".part")
            part.write_text(ready)
            part.replace(config.ports_file)
        print(ready, flush=True)  # noqa: T201
        await stop.wait()
