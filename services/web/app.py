"""The web app put together: wiring only."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from libs.kit.access.access import Access
from libs.kit.asgi import BodyLimit, OptionalSlash
from libs.kit.errors import HedgerowError, InvalidRequest, NotFound
from libs.kit.http import RequestContext, install_error_handlers
from libs.kit.runtime import Runtime
from services.web import health
from services.web.accounts import pages as account_pages
from services.web.accounts import routes as account_routes
from services.web.accounts.repository import AccountRepository
from services.web.accounts.service import AccountService
from services.web.ai_blobs import routes as ai_blob_routes
from services.web.ingestion import routes as ingestion_routes
from services.web.ingestion.repository import TraceRepository
from services.web.ingestion.tracing import Bounds, Tracing
from services.web.live import pages as live_pages
from services.web.live import routes as live_routes
from services.web.live.fanout import Fanout
from services.web.live.window import Window
from services.web.middleware import SecurityHeaders
from services.web.pages import error_page, to_sign_in
from services.web.persons import pages as person_pages
from services.web.persons import routes as person_routes
from services.web.persons.repository import PersonRepository
from services.web.persons.service import PersonService
from services.web.projects import pages as project_pages
from services.web.projects import routes as project_routes
from services.web.projects.repository import ProjectRepository
from services.web.projects.service import ProjectService
from services.web.refusals import routes as refusal_routes
from services.web.retention import pages as retention_pages
from services.web.retention import routes as retention_routes
from services.web.sdk import routes as sdk_routes
from services.web.settings import WebSettings
from services.web.sql import pages as sql_pages

Handler = Callable[[Request, Exception], Awaitable[Response]]

STATIC = Path(__file__).parent / "static"
VENDOR = STATIC / "vendor"

# Everything else is a page: its errors are pages too.
API_PREFIXES = ("/api", "/array", "/static", "/flags", "/decide", "/_", "/logout")

SUBJECTS = (
    account_routes,
    project_routes,
    person_routes,
    retention_routes,
    refusal_routes,
    live_routes,
    ingestion_routes,
    ai_blob_routes,
    health,
    account_pages,
    project_pages,
    live_pages,
    person_pages,
    retention_pages,
    sql_pages,
)


def create_app(runtime: Runtime, settings: WebSettings) -> FastAPI:
    """The app over a runtime. Nothing runs in the background; `open_app` sees to that."""
    app = FastAPI(title="Hedgerow", openapi_url="/api/schema", docs_url=None, redoc_url=None, redirect_slashes=False)
    assets = settings.assets_directory or VENDOR
    app.state.runtime = runtime
    app.state.clock = runtime.clock
    app.state.settings = settings
    app.state.access = Access.of(runtime)
    app.state.accounts = AccountService(AccountRepository(runtime.postgres), runtime.clock)
    app.state.projects = ProjectService(ProjectRepository(runtime.postgres))
    app.state.persons = PersonService(PersonRepository(runtime.postgres), runtime.clickhouse)
    app.state.window = Window(runtime.state)
    app.state.fanout = Fanout(
        runtime.log,
        app.state.window,
        runtime.clock,
        most=settings.live_subscribers,
        queue_events=settings.live_queue_events,
    )
    app.state.tracing = Tracing(
        TraceRepository(runtime.postgres, runtime.clickhouse),
        runtime.log,
        runtime.state,
        runtime.clock,
        Bounds(settings.trace_records, settings.trace_seconds, settings.trace_concurrency),
    )
    app.state.assets = assets
    app.state.posthog_js_version = _posthog_js_version(assets)
    app.state.asset_version = _asset_version()
    app.include_router(sdk_routes.router)
    for subject in SUBJECTS:
        app.include_router(subject.router)
    install_error_handlers(app)
    _answer_pages_with_pages(app)
    app.add_middleware(OptionalSlash)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestContext, service="web")
    return app


@asynccontextmanager
async def open_app(runtime: Runtime, settings: WebSettings) -> AsyncIterator[ASGIApp]:
    """The app with its tail of the event log."""
    app = create_app(runtime, settings)
    fanout: Fanout = app.state.fanout
    tail = asyncio.create_task(fanout.run(retry_seconds=settings.live_retry_seconds), name="live-tail")
    try:
        yield app
    finally:
        tail.cancel()
        with suppress(asyncio.CancelledError):
            await tail


def _answer_pages_with_pages(app: FastAPI) -> None:
    """Where a person looks, an error is a page; a page that does not exist is, for a stranger, the sign-in."""

    def as_page(as_json: Handler) -> Handler:
        async def handler(request: Request, exc: Exception) -> Response:
            response = await as_json(request, exc)
            if request.url.path.startswith(API_PREFIXES):
                return response
            if response.status_code == 404 and not await _is_signed_in(request):
                return to_sign_in(request)
            return error_page(request, exc if isinstance(exc, HedgerowError) else _error_of(response))

        return handler

    for kind in (HedgerowError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, as_page(cast(Handler, app.exception_handlers[kind])))


async def _is_signed_in(request: Request) -> bool:
    access: Access = request.app.state.access
    try:
        return await access.session_caller(request) is not None
    except HedgerowError:
        return False


def _error_of(response: Response) -> HedgerowError:
    """What a framework's refusal says to a person."""
    detail = orjson.loads(bytes(response.body))["detail"]
    if response.status_code == 404:
        return NotFound("Page not found.")
    return InvalidRequest(detail) if response.status_code < 500 else HedgerowError(detail)


def _posthog_js_version(assets: Path) -> str | None:
    """Of the bundles that are there, as `services.web.assets` noted it."""
    with suppress(OSError, ValueError, KeyError):
        version: str = orjson.loads((assets / "versions.json").read_bytes())["posthog-js"]
        return version
    return None


def _asset_version() -> str:
    """Changes with any of our own files, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.glob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
