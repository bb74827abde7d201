"""`hedgerow up`: everything on one machine, from an empty directory to a running Hedgerow."""

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from hedgerow import part_states, probe
from hedgerow.console import Console
from hedgerow.embedded import engines, instance, preparation
from hedgerow.embedded.engines import HERE, Engine
from hedgerow.embedded.instance import Instance
from hedgerow.embedded.process import Command
from hedgerow.part_logs import PartLogs
from hedgerow.settings import UpSettings
from hedgerow.supervisor import OK, Part, Supervisor
from libs.kit.clock import SystemClock

# HTTP and workers need the same things and not each other: they start together, and stop together.
ENGINES, MIGRATE, SERVICES = range(3)
STATES = "parts.json"
OPEN_FILES = 65_536
WAL_DIRECTORY = "HEDGEROW_CAPTURE_WAL_DIRECTORY"


@dataclass(frozen=True)
class UpOptions:
    """What the command line said."""

    directory: Path
    host: str
    port: int
    processes: int


class PortTaken(RuntimeError):
    """Something else listens where Hedgerow should."""


def up(options: UpOptions, console: Console) -> None:
    """Run until a signal. Raises DirectoryInUse, PortTaken, EngineError or StartFailed; all is stopped by then."""
    settings = UpSettings()
    allow_many_files()
    with (
        instance.opened(options.directory, public_port=options.port) as opened,
        closing(listen(options.host, options.port)) as listener,
    ):
        console.starting(opened.directory)
        engines.prepare(opened)
        address = site_url(options.host, listener.getsockname()[1])
        parts = parts_of(opened, settings, listener, options.processes, address)
        try:
            asyncio.run(_supervise(opened, settings, parts, address, console))
        finally:
            opened.withdraw()
            (opened.directory / STATES).unlink(missing_ok=True)


def allow_many_files() -> None:
    """Use what the system allows us (children inherit it): ClickHouse opens a file per column of each part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def listen(host: str, port: int) -> socket.socket:
    """The public socket. The supervisor keeps it: while the HTTP process restarts, connections wait in line."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), backlog=2048, family=family)
    except OSError as exc:
        raise PortTaken(f"Cannot listen on {host}:{port}: {exc.strerror}. Choose another with --port.") from exc


def site_url(host: str, port: int) -> str:
    """What people type. HEDGEROW_SITE_URL wins: behind a proxy only the operator knows."""
    local = host in ("127.0.0.1", "::1", "0.0.0.0", "::", "localhost")  # noqa: S104 - compared, not bound
    name = "localhost" if local else f"[{host}]" if ":" in host else host
    return os.environ.get("HEDGEROW_SITE_URL", f"http://{name}:{port}").rstrip("/")


def parts_of(
    opened: Instance, settings: UpSettings, listener: socket.socket, processes: int, address: str
) -> list[Part]:
    """Everything to run, in the order of the stages."""
    environment = {
        **opened.environment(address),
        part_states.VARIABLE: str(opened.directory / STATES),
        "MALLOC_ARENA_MAX": "2",  # threads of a mostly idle process need no heaps of their own
        "PYTHONUNBUFFERED": "1",
    }

    prepared = not preparation.needed(opened.directory)

    def python(
        name: str, stage: int, *argv: str, keep: tuple[int, ...] = (), more: Mapping[str, str] = MappingProxyType({})
    ) -> Part:
        (port,) = free_ports(1)
        command = _python(*argv, environment={**environment, **more, "HEDGEROW_PROBES_PORT": str(port)})
        return Part(
            name,
            stage,
            command=lambda: command,
            ready=lambda: probe.readiness(port),
            once=stage == MIGRATE,
            watched=True,
            # With nothing to prepare, services come up beside the engines and wait for them: a second sooner. How long
            # they may take then depends on how long an engine recovers.
            eager=prepared,
            keep=keep,
            start_seconds=settings.engine_start_seconds if prepared else settings.part_start_seconds,
            stop_seconds=settings.stop_seconds,
        )

    descriptor = listener.fileno()
    serve = ("hedgerow.part", "serve", "all", "--fd", str(descriptor))
    migrate = python("migrate", MIGRATE, "hedgerow.embedded.first_boot", str(opened.directory))
    return [
        *(_engine(engine, settings) for engine in engines.all_of(opened, settings)),
        *([] if prepared else [migrate]),
        *(
            python(_numbered("http", i), SERVICES, *serve, keep=(descriptor,), more=own_wal(i))
            for i in range(processes)
        ),
        *(python(_numbered("workers", i), SERVICES, "hedgerow.part", "worker", "all") for i in range(processes)),
    ]


def _numbered(name: str, index: int) -> str:
    return f"{name}-{index + 1}" if index else name


def own_wal(index: int) -> Mapping[str, str]:
    """A write-ahead log has one process: those after the first get directories of their own beside it."""
    directory = os.environ.get(WAL_DIRECTORY)
    return {WAL_DIRECTORY: _numbered(directory, index)} if directory and index else {}


def _python(module: str, *argv: str, environment: Mapping[str, str]) -> Command:
    return Command((sys.executable, "-m", module, *argv), env=environment, cwd=HERE)


def _engine(engine: Engine, settings: UpSettings) -> Part:
    async def ready() -> str:
        return OK if engine.ready() else "starting"

    return Part(
        engine.name,
        ENGINES,
        command=engine.command,
        ready=ready,
        start_seconds=settings.engine_start_seconds,
        stop_seconds=settings.stop_seconds,
    )


def free_ports(count: int) -> Sequence[int]:
    """Loopback ports nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


async def _supervise(
    opened: Instance, settings: UpSettings, parts: Sequence[Part], address: str, console: Console
) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()
    _on_signals(stop, hurry, console.stopping)
    states_file = opened.directory / STATES
    supervisor = Supervisor(
        parts,
        logs=PartLogs(opened.directory / "logs", max_bytes=settings.part_log_bytes),
        clock=SystemClock(),
        reporter=console,
        publish=lambda statuses, restarts: part_states.publish(states_file, part_states.PartStates(statuses, restarts)),
        lock=opened.lock,
    )

    async def on_ready() -> None:
        opened.announce(address, preparation.project_id(opened.directory))
        console.ready(address, opened)

    await supervisor.run(stop, hurry, on_ready)
    console.stopped()


def _on_signals(stop: asyncio.Event, hurry: asyncio.Event, on_stop: Callable[[], None]) -> None:
    def handle() -> None:
        if stop.is_set():
            hurry.set()
        else:
            stop.set()
            on_stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, handle)
