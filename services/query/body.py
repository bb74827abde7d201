"""Reading a request's body: bounded, and an error of the API for everything that is not a JSON object."""

from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.kit.errors import ParseError, PayloadTooLarge


class BodyLimit:
    """ASGI middleware: whoever reads more of a body than `max_bytes` gets PayloadTooLarge."""

    def __init__(self, app: ASGIApp, max_bytes: int):
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = 0
        length = dict(scope["headers"]).get(b"content-length", b"0")
        declared = int(length) if length.isdigit() else 0

        async def counted() -> Message:
            nonlocal seen
            if declared > self.max_bytes:
                raise PayloadTooLarge("Request body is too large.")
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                raise PayloadTooLarge("Request body is too large.")
            return message

        await self.app(scope, counted, send)


def json_object(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises ParseError."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise ParseError(f"JSON parse error - {exc}") from exc
    if not isinstance(value, dict):
        raise ParseError("The body must be a JSON object.")
    return value
