"""An httpx transport that calls an ASGI app in this process, and keeps what a network gives for free.

`httpx.ASGITransport` runs the app to its end before it answers, and knows no timeouts. Here the answer begins when the
app sends its first message, the body comes piece by piece with the app held back while nobody reads, the request's read
timeout bounds each wait, and a caller that goes away disconnects the app.
"""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any, cast

import httpx
from starlette.types import ASGIApp, Message, Scope

# Pieces of a body that may wait for their reader.
BUFFERED_PIECES = 8


class InProcessTransport(httpx.AsyncBaseTransport):
    """Requests to one app. Raises httpx.ReadTimeout, or httpx.RemoteProtocolError when no whole answer comes."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = _Exchange(self._app, request)
        try:
            status, headers = await exchange.started()
        except BaseException:
            await exchange.aclose()
            raise
        return httpx.Response(status, headers=headers, stream=exchange, request=request)


class _Exchange(httpx.AsyncByteStream):
    """One request in the app, and the stream of its answer."""

    def __init__(self, app: ASGIApp, request: httpx.Request):
        self._request = request
        self._body = aiter(cast("httpx.AsyncByteStream", request.stream))
        self._body_ended = False
        self._gone = asyncio.Event()
        self._messages: asyncio.Queue[Message | Exception | None] = asyncio.Queue(BUFFERED_PIECES)
        self._read_timeout: float | None = request.extensions.get("timeout", {}).get("read")
        self._task = asyncio.create_task(self._run(app))

    async def _run(self, app: ASGIApp) -> None:
        try:
            await app(_scope(self._request), self._receive, self._messages.put)
        except Exception as exc:  # the caller is told; what it was is the app's own handlers' to log
            await self._messages.put(exc)
        else:
            await self._messages.put(None)

    async def _receive(self) -> Message:
        if self._body_ended:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        try:
            return {"type": "http.request", "body": await anext(self._body), "more_body": True}
        except StopAsyncIteration:
            self._body_ended = True
            return {"type": "http.request", "body": b"", "more_body": False}

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(self._read_timeout):
                message = await self._messages.get()
        except TimeoutError as exc:
            raise httpx.ReadTimeout("The service took too long.", request=self._request) from exc
        if message is None or isinstance(message, Exception):
            raise httpx.RemoteProtocolError("The service gave no whole answer.", request=self._request) from message
        return message

    async def started(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Status and headers."""
        message = await self._next()
        return message["status"], list(message.get("headers", []))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._next()
            if body := message.get("body", b""):
                yield body
            more = message.get("more_body", False)

    async def aclose(self) -> None:
        """Whoever asked has what it wanted, or has gone: the app is told, and ended if it goes on."""
        self._gone.set()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _scope(request: httpx.Request) -> Scope:
    url = request.url
    scope: MutableMapping[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "root_path": "",
        "query_string": url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (url.host, url.port),
        "client": ("127.0.0.1", 0),
    }
    return scope
