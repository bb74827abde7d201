"""What every FastAPI service shares: error bodies, request ids, metrics and probes."""

import time
import uuid
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.kit import metrics
from libs.kit.errors import (
    HedgerowError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    ParseError,
    PayloadTooLarge,
    RateLimited,
    Unauthorized,
)
from libs.kit.logging import get_logger
from libs.kit.tracing import server_span

log = get_logger(__name__)


def error_body(error: HedgerowError) -> dict[str, Any]:
    """PostHog's error object (web-api 1.4)."""
    return {"type": error.type, "code": error.code, "detail": error.detail, "attr": error.attr}


def error_response(error: HedgerowError) -> JSONResponse:
    """The same as a response, with the headers a client acts on."""
    headers = {}
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    elif error.status == 503:
        headers["Retry-After"] = "1"
    elif isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error_body(error), status_code=error.status, headers=headers)


def install_error_handlers(app: FastAPI) -> None:
    """Turn everything that can be raised into PostHog's error object."""

    async def ours(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HedgerowError)  # noqa: S101
        if exc.status >= 500:
            log.warning("request_failed", code=exc.code, detail=exc.detail, path=request.url.path)
        return error_response(exc)

    async def invalid(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)  # noqa: S101
        return error_response(from_validation(exc))

    async def framework(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)  # noqa: S101
        known: dict[int, HedgerowError] = {
            404: NotFound("Endpoint not found."),
            405: MethodNotAllowed(f'Method "{request.method}" not allowed.'),
            413: PayloadTooLarge("Request body is too large."),
        }
        error = known.get(exc.status_code)
        if error is None:
            error = ParseError(str(exc.detail)) if exc.status_code < 500 else HedgerowError()
        return error_response(error)

    async def unexpected(request: Request, exc: Exception) -> Response:
        log.exception("unexpected_error", path=request.url.path, exc_info=exc)
        return error_response(HedgerowError())

    app.add_exception_handler(HedgerowError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(Exception, unexpected)


_PYDANTIC_CODES = {"missing": "required", "string_too_long": "max_length", "list_type": "not_a_list"}


def from_validation(exc: RequestValidationError) -> InvalidRequest:
    """The first of pydantic's complaints, named as PostHog names it."""
    first = exc.errors()[0]
    if first["type"] == "json_invalid":
        return ParseError(f"JSON parse error - {first.get('ctx', {}).get('error', 'invalid')}")
    path = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    detail = "This field is required." if first["type"] == "missing" else str(first["msg"])
    return InvalidRequest(detail, code=_PYDANTIC_CODES.get(first["type"]), attr="__".join(path) or None)


def header(headers: dict[bytes, bytes], name: bytes) -> str:
    """A request header as text, or an empty string."""
    return headers.get(name, b"").decode("latin-1")


class RequestContext:
    """ASGI middleware: request id in logs and answer, one access line, request metrics by route template."""

    def __init__(self, app: ASGIApp, service: str):
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = header(headers, b"x-request-id")[:64] or uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 500
        started = time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode("latin-1"))]
            await send(message)

        try:
            with server_span(f"{scope['method']} {self.service}", {"traceparent": header(headers, b"traceparent")}):
                await self.app(scope, receive, sending)
        finally:
            elapsed = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            metrics.HTTP_REQUESTS.labels(self.service, scope["method"], route, str(status)).inc()
            metrics.HTTP_SECONDS.labels(self.service, route).observe(elapsed)
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round(elapsed * 1e3, 1),
            )
            structlog.contextvars.unbind_contextvars("request_id")
