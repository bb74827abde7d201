"""One process: services behind a port, or workers, each with probes at an address of their own.

SIGTERM drains: readiness turns 503, requests in flight are answered, workers finish or drop their batch without moving
its position. A second SIGTERM (or Ctrl-C) ends the process now.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from hedgerow import __version__, part_states
from hedgerow.composition import SERVICES, WORKERS
from hedgerow.gateway import Gateway, Probes, Report
from hedgerow.settings import ServeSettings
from libs.kit.heap import settle
from libs.kit.hot_http import HotPaths, HotService
from libs.kit.logging import configure_logging, get_logger
from libs.kit.runtime import Runtime, open_runtime
from libs.kit.settings import KitSettings
from libs.kit.tracing import configure_tracing

log = get_logger(__name__)


class Server(uvicorn.Server):
    """uvicorn without its own signal handling: ours covers several servers and the workers at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve_services(names: Sequence[str], listener: socket.socket) -> None:
    """Serve these services on `listener` until told to stop."""
    settings = _configured("http" if len(names) > 1 else names[0])
    _run(_serve_services(names, listener, settings))


def run_workers(names: Sequence[str]) -> None:
    """Run these workers until told to stop. Raises what a worker raised: the supervisor then starts all anew."""
    settings = _configured("workers" if len(names) > 1 else names[0])
    _run(_run_workers(names, settings))


def listener_from(descriptor: int | None, host: str, port: int) -> socket.socket:
    """The socket the supervisor opened for us, or one of our own."""
    if descriptor is not None:
        return socket.socket(fileno=descriptor)
    return socket.create_server((host, port), backlog=2048, family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def _configured(service: str) -> KitSettings:
    settings = KitSettings()
    configure_logging(settings.log_level, service=service, version=__version__)
    configure_tracing(settings.traces_endpoint, service=service, version=__version__)
    return settings


def _run(main: Coroutine[None, None, None]) -> None:
    import uvloop

    uvloop.run(main)


async def _serve_services(names: Sequence[str], listener: socket.socket, settings: KitSettings) -> None:
    stop, limits = stop_on_signals(), ServeSettings()
    async with open_runtime(settings) as runtime, AsyncExitStack() as stack:
        apps = {name: await stack.enter_async_context(opened_service(name, runtime)) for name in names}
        runtime.services.run_here(apps)
        states = _part_states()

        async def report() -> Mapping[str, str]:
            return {**states().statuses, **await runtime.health.report()}

        probes = await stack.enter_async_context(probing(runtime.health.report, states, settings))
        server = Server(_config(Gateway(apps, report), _hot_paths(apps, limits), limits))
        settle()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await _first(serving, stop)
        probes.stopping = True
        server.should_exit = True
        await serving


async def _run_workers(names: Sequence[str], settings: KitSettings) -> None:
    stop, limits = stop_on_signals(), ServeSettings()
    async with open_runtime(settings) as runtime, AsyncExitStack() as stack:
        probes = await stack.enter_async_context(probing(runtime.health.report, _part_states(), settings))
        loaded = {name: WORKERS[name].load() for name in names}
        settle()
        tasks = [
            asyncio.create_task(_worker(name, run(runtime, own, stop), stop), name=name)
            for name, (run, own) in loaded.items()
        ]
        await asyncio.wait([*tasks, waiting := asyncio.create_task(stop.wait())], return_when="FIRST_COMPLETED")
        probes.stopping = True
        waiting.cancel()
        stop.set()
        ended = await _within(tasks, limits.drain_seconds)
    for task in ended:
        task.result()


async def _worker(name: str, work: Coroutine[None, None, None], stop: asyncio.Event) -> None:
    try:
        await work
    except Exception:
        log.exception("worker_failed", worker=name)
        raise
    if not stop.is_set():
        raise RuntimeError(f"worker {name} returned without being asked to")


async def _within(tasks: Sequence["asyncio.Task[None]"], seconds: float) -> "Sequence[asyncio.Task[None]]":
    """The tasks that ended in time; the others are cancelled (their batches come back at the next start)."""
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        log.warning("worker_cancelled", worker=task.get_name(), after_seconds=seconds)
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=1.0)
    return list(done)


async def _first(serving: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


@asynccontextmanager
async def opened_service(name: str, runtime: Runtime) -> AsyncIterator[ASGIApp]:
    """The app of one service, with what runs behind it."""
    open_app, settings = SERVICES[name].load()
    async with open_app(runtime, settings) as app:
        yield app


@asynccontextmanager
async def probing(
    report: Report, states: Callable[[], part_states.PartStates], settings: KitSettings
) -> AsyncIterator[Probes]:
    """Serve the probes at their own address while the block runs."""
    probes = Probes(report, states)
    listener = listener_from(None, settings.probes_host, settings.probes_port)
    server = Server(uvicorn.Config(probes, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield probes
    finally:
        server.should_exit = True
        await serving


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets; the second signal ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop


def _hot_paths(apps: Mapping[str, ASGIApp], limits: ServeSettings) -> HotPaths:
    """What the apps offer to answer past ASGI."""
    services: dict[str, HotService] = {}
    for app in apps.values():
        services |= getattr(app, "hot_paths", {})
    return HotPaths(
        services,
        head_seconds=limits.head_seconds,
        keep_alive_seconds=limits.keep_alive_seconds,
        max_head_bytes=limits.max_head_bytes,
    )


def _config(app: ASGIApp, hot: HotPaths, limits: ServeSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=hot.protocol_class(),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_graceful_shutdown=limits.drain_seconds,
        limit_concurrency=limits.max_connections,
    )


def _part_states() -> Callable[[], part_states.PartStates]:
    path: Path | None = part_states.path_from_environment()
    return lambda: part_states.read(path)
