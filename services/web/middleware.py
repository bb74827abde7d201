"""What every request to the web app passes: the optional trailing slash, the size limit, and security headers."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.kit.errors import PayloadTooLarge
from libs.kit.http import error_response

# Nothing inline and nothing from elsewhere: event names, properties and project names come from strangers.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
_PAGE_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class OptionalSlash:
    """`/api/projects/` is `/api/projects`: answered, never redirected, for a redirect loses a POST's body."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] != "/" and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self.app(scope, receive, send)


class BodyLimit:
    """Answers 413 to a body over the limit, whether it says its length or not; no more than the limit is kept."""

    def __init__(self, app: ASGIApp, max_bytes: int):
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if said.isdigit() and int(said) > self.max_bytes:
            await error_response(PayloadTooLarge("Request body is too large."))(scope, receive, send)
            return
        seen = 0

        async def counting() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                raise HTTPException(413)
            return message

        await self.app(scope, counting, send)


class SecurityHeaders:
    """On everything: nosniff and a short referrer. On pages also the policy above; and no cache keeps them."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                kind = next((value for name, value in headers if name.lower() == b"content-type"), b"")
                added = _HEADERS + _PAGE_HEADERS if kind.startswith(b"text/html") else _HEADERS
                message = {**message, "headers": [*headers, *added]}
            await send(message)

        await self.app(scope, receive, sending if scope["type"] == "http" else send)
