"""ASGI middleware that services share: the optional trailing slash and the size limit of a body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.kit.errors import PayloadTooLarge
from libs.kit.http import error_response


class OptionalSlash:
    """`/api/projects/` is `/api/projects`: answered, never redirected, for a redirect loses a POST's body."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/" and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self.app(scope, receive, send)


class BodyLimit:
    """Answers 413 to a body over the limit, whether it says its length or not; no more than the limit is kept.

    What is only found while the body is read is raised as PayloadTooLarge, for the app's error handlers.
    """

    def __init__(self, app: ASGIApp, max_bytes: int):
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.max_bytes:
            await error_response(PayloadTooLarge("Request body is too large."))(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                raise PayloadTooLarge("Request body is too large.")
            return message

        await self.app(scope, counted, send)
