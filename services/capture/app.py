"""Wiring: capture's hot paths in front of a small FastAPI app that answers the rest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from libs.kit.contracts.topics import EVENTS
from libs.kit.errors import Unavailable
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


def create_app(runtime: Runtime, settings: CaptureSettings) -> FastAPI:
    """What is not hot: the document of the endpoints, and probes under the names PostHog's capture has for them."""
    app = FastAPI(title="hedgerow capture", openapi_url=None)
    install_error_handlers(app)

    @app.get("/_liveness")
    async def liveness() -> Response:
        return Response("ok", media_type="text/plain")

    @app.get("/_readiness")
    async def readiness() -> Response:
        try:
            await runtime.log.check()
        except Unavailable as exc:
            return Response(f"event log: {exc.detail}", status_code=503, media_type="text/plain")
        return Response("ok", media_type="text/plain")

    @app.get("/i/openapi.json")
    async def openapi() -> JSONResponse:
        return JSONResponse(document())

    return app


@asynccontextmanager
async def open_app(runtime: Runtime, settings: CaptureSettings) -> AsyncIterator[ASGIApp]:
    """The app. Its topic is made in the background: while the log is away, capture runs and answers 503."""
    endpoint = CaptureEndpoint(runtime.log, runtime.clock, settings)
    stop = asyncio.Event()
    ensuring = asyncio.create_task(_ensure_topic(runtime, stop))
    try:
        yield HotPathsFirst(endpoint, create_app(runtime, settings))
    finally:
        stop.set()
        await ensuring
        endpoint.close()


async def _ensure_topic(runtime: Runtime, stop: asyncio.Event) -> None:
    async for attempt in until_settled(runtime.clock, stop):
        with attempt:
            await runtime.log.ensure([EVENTS])
