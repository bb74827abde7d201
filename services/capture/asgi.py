"""The ASGI caller of `Intake`, for whatever does not come by the protocol class: reads a body, waits, answers.

Not FastAPI: its routing and request objects cost more than everything done here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from libs.kit.hot_http import Headers
from services.capture.answers import Answer, Refused, answer_headers
from services.capture.bodies import Body, Overloaded
from services.capture.decision import Request
from services.capture.intake import Awaited, Intake

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class SenderGone(Exception):
    """The connection closed before the body was complete: nobody is left to answer."""


class SenderStalled(Exception):
    """The next piece of the body did not come in time."""


class CaptureEndpoint:
    """The ASGI app of capture's paths."""

    def __init__(self, intake: Intake):
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers: Headers = dict(reversed(scope["headers"]))  # of repeated headers the first counts
        body, unread = self._intake.new_body(scope["path"]), False
        try:
            try:
                await self._read(body, scope, headers, receive)
                answer = await self._take(scope, headers, body.take())
            except (Refused, Overloaded, SenderStalled) as exc:
                answer, unread = self._intake.refuse_unread(scope["path"], exc), True
        except SenderGone:
            return
        finally:
            body.release()
        said = answer_headers(answer, headers, self._intake.settings.retry_after_seconds)
        if unread and b"expect" in headers:  # it may send its body or not: what follows could be either
            said.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": said})
        await send({"type": "http.response.body", "body": answer.body})
        self._intake.accounting.answered(
            scope["method"],
            scope["path"],
            answer.status,
            time.perf_counter() - started,
            headers.get(b"x-request-id"),
        )

    async def _read(self, body: Body, scope: Scope, headers: Headers, receive: Receive) -> None:
        if scope["method"] not in ("GET", "POST"):
            return
        body.check_declared(headers.get(b"content-length"))
        more = True
        while more:
            try:
                async with asyncio.timeout(self._intake.settings.body_idle_timeout_seconds):
                    message = await receive()
            except TimeoutError as exc:
                raise SenderStalled from exc
            if message["type"] == "http.disconnect":
                raise SenderGone
            body.add(message.get("body", b""))
            more = message.get("more_body", False)

    async def _take(self, scope: Scope, headers: Headers, body: bytes) -> Answer:
        peer = scope.get("client")
        request = Request(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            headers=headers,
            body=body,
            peer=peer[0] if peer else None,
            now_us=self._intake.now_us(),
        )
        awaited = Awaited()
        self._intake.take(request, awaited)
        return await awaited.answer
