"""The query service put together: wiring only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from libs.hogql.errors import HogQLError
from libs.kit.access.access import Access
from libs.kit.asgi import BodyLimit, OptionalSlash
from libs.kit.http import RequestContext, install_error_handlers
from libs.kit.runtime import Runtime
from services.query.preparing import Preparing
from services.query.repository import QueryRepository
from services.query.routes import answer_hogql_error, router
from services.query.service import QueryService
from services.query.settings import QuerySettings


def create_app(runtime: Runtime, settings: QuerySettings) -> FastAPI:
    """The app over a runtime. Nothing runs in the background."""
    app = FastAPI(title="hedgerow query", openapi_url=None, redirect_slashes=False)
    app.state.access = Access.of(runtime)
    preparing = Preparing(QueryRepository(runtime.postgres), runtime.clock)
    app.state.queries = QueryService(runtime.clickhouse, preparing, runtime.clock, settings)
    app.include_router(router)
    install_error_handlers(app)
    app.add_exception_handler(HogQLError, answer_hogql_error)
    app.add_middleware(OptionalSlash)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(RequestContext, service="query")
    return app


@asynccontextmanager
async def open_app(runtime: Runtime, settings: QuerySettings) -> AsyncIterator[ASGIApp]:
    """The app, which needs nothing in the background."""
    yield create_app(runtime, settings)
