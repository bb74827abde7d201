"""Wiring: capture's hot paths in front of a small FastAPI app that answers the rest."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.kit.contracts.topics import CAPTURED, DEAD_LETTERS
from libs.kit.errors import Unavailable
from libs.kit.eventlog import EventLog
from libs.kit.eventlog.wal import WalOptions, WriteAheadLog, write_ahead
from libs.kit.hot_http import HotService
from libs.kit.http import install_error_handlers
from libs.kit.retry import until_settled
from libs.kit.runtime import Runtime
from services.capture.ai_blobs import AiBlobs
from services.capture.asgi import CaptureEndpoint
from services.capture.handle import ROUTES, route_of
from services.capture.intake import Intake
from services.capture.openapi import document
from services.capture.policies.policies import Policies
from services.capture.protocol import HotCapture
from services.capture.settings import CaptureSettings


class HotPathsFirst:
    """Sends capture's own paths to `endpoint`, past FastAPI, and everything else to `rest`.

    hot_paths: what a server with our protocol class (libs.kit.hot_http) may answer without asking this app.
    """

    def __init__(self, intake: Intake, rest: ASGIApp):
        self._endpoint = CaptureEndpoint(intake)
        self._rest = rest
        self.hot_paths: Mapping[str, HotService] = dict.fromkeys(ROUTES, HotCapture(intake))

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
    """The app. Its topics are made in the background: while the log is away, capture runs, and answers 503 or
    appends."""
    stop = asyncio.Event()
    policies = Policies(runtime.state, runtime.clock, settings)
    async with _log_of(runtime, settings) as event_log:
        ai_blobs = AiBlobs(runtime.blobs, settings.max_blob_bytes, bucket=runtime.settings.s3_bucket)
        intake = Intake(event_log, runtime.clock, settings, policies, ai_blobs)
        ensuring = asyncio.create_task(_ensure_topics(runtime, stop))
        refreshing = asyncio.create_task(policies.run(stop))
        warning = asyncio.create_task(policies.warnings.run(event_log, stop, settings.warning_seconds))
        try:
            yield HotPathsFirst(intake, create_app(event_log))
        finally:
            stop.set()
            await ensuring
            await intake.close()
            await refreshing
            await warning


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


async def _ensure_topics(runtime: Runtime, stop: asyncio.Event) -> None:
    async for attempt in until_settled(runtime.clock, stop):
        with attempt:
            await runtime.log.ensure([*CAPTURED, DEAD_LETTERS])
