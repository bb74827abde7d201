"""Wiring: capture's hot paths in front of a small FastAPI app that answers the rest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.kit.contracts.topics import EVENTS
from libs.kit.errors import Unavailable
from libs.kit.eventlog import EventLog
from libs.kit.eventlog.wal import WalOptions, WriteAheadLog, write_ahead
from libs.kit.http import install_error_handlers
from libs.kit.retry import until_settled
from libs.kit.runtime import Runtime
from services.capture.asgi import CaptureEndpoint
from services.capture.handle import route_of
from services.capture.openapi import document
from services.capture.settings import CaptureSettings


class HotPathsFirst:
    """Sends capture's own paths to `endpoint`, past FastAPI, and everything else to `rest`."""

    def __init__(self, endpoint: CaptureEndpoint, rest: ASGIApp):
        self._endpoint = endpoint
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and route_of(scope["path"]) is not None:
            await self._endpoint(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def create_app(event_log: EventLog) -> FastAPI:
    """What is not hot: the document of the endpoints, and probes under the names PostHog's capture has for them."""
    app = FastAPI(title="hedgerow capture", openapi_url=None)
    install_error_handlers(app)

    @app.get("/_liveness")
    async def liveness() -> Response:
        return Response("ok", media_type="text/plain")

    @app.get("/_readiness")
    async def readiness() -> Response:
        try:
            await event_log.check()
        except Unavailable as exc:
            return Response(f"event log: {exc.detail}", status_code=503, media_type="text/plain")
        state = f"ok; {event_log.state()}" if isinstance(event_log, WriteAheadLog) else "ok"
        return Response(state, media_type="text/plain")

    @app.get("/i/openapi.json")
    async def openapi() -> JSONResponse:
        return JSONResponse(document())

    return app


@asynccontextmanager
async def open_app(runtime: Runtime, settings: CaptureSettings) -> AsyncIterator[ASGIApp]:
    """The app. Its topic is made in the background: while the log is away, capture runs, and answers 503 or appends."""
    stop = asyncio.Event()
    async with _log_of(runtime, settings) as event_log:
        endpoint = CaptureEndpoint(event_log, runtime.clock, settings)
        ensuring = asyncio.create_task(_ensure_topic(runtime, stop))
        try:
            yield HotPathsFirst(endpoint, create_app(event_log))
        finally:
            stop.set()
            await ensuring
            endpoint.close()


@asynccontextmanager
async def _log_of(runtime: Runtime, settings: CaptureSettings) -> AsyncIterator[EventLog]:
    """The event log, behind a write-ahead log where one is configured."""
    if settings.wal_directory is None:
        yield runtime.log
        return
    options = WalOptions(
        settings.wal_directory, settings.wal_max_bytes, settings.wal_segment_bytes, settings.wal_after_seconds
    )
    async with write_ahead(runtime.log, options, runtime.clock) as wal:
        runtime.health.add("wal", wal.check_room)
        yield wal


async def _ensure_topic(runtime: Runtime, stop: asyncio.Event) -> None:
    async for attempt in until_settled(runtime.clock, stop):
        with attempt:
            await runtime.log.ensure([EVENTS])
