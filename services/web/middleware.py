"""Security headers on every answer of the web app."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
