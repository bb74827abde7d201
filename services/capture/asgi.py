"""The ASGI caller of `handle`: reads a body under its caps, decides, waits for the log, answers.

Not FastAPI: its routing and request objects cost more than everything done here.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from libs.kit import metrics
from libs.kit.clock import Clock
from libs.kit.contracts.topics import EVENTS
from libs.kit.crashpoints import crash_point
from libs.kit.errors import DeadlineExceeded, PayloadTooLarge, Unavailable
from libs.kit.eventlog import EventLog
from libs.kit.logging import get_logger
from services.capture import answers
from services.capture.answers import Answer, Refused, too_large
from services.capture.client import Headers, cors_headers
from services.capture.handle import Decision, Limits, Request, decide, dialect_of, route_of
from services.capture.settings import CaptureSettings

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = get_logger(__name__)
_METHODS = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE"})


class SenderGone(Exception):
    """The connection closed before the body was complete: nobody is left to answer."""


class SenderStalled(Exception):
    """The next piece of the body did not come in time."""


class Overloaded(Exception):
    """Bodies of other requests fill the memory we allow for them."""


class BodyMemory:
    """How many bytes of bodies all requests of this process hold now."""

    def __init__(self, most: int):
        self._most = most
        self._held = 0

    def take(self, size: int) -> None:
        """Count `size` more bytes, or raise Overloaded."""
        if self._held + size > self._most:
            raise Overloaded
        self._held += size

    def give_back(self, size: int) -> None:
        """Count `size` fewer."""
        self._held -= size


class Body:
    """The body of one request while it is read; `release` must follow."""

    def __init__(self, memory: BodyMemory, max_bytes: int):
        self._memory = memory
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Keep a piece. Raises Refused (413) past the cap and Overloaded past that of all requests."""
        self.check(self._size + len(piece))
        self._memory.take(len(piece))
        self._size += len(piece)
        self._pieces.append(piece)

    def check(self, size: int) -> None:
        """Raise Refused (413) when a body of `size` is over the cap."""
        if size > self._max_bytes:
            raise too_large(f"request body is larger than {self._max_bytes} bytes", "body_too_large")

    def take(self) -> bytes:
        """The whole, handed over."""
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return whole

    def release(self) -> None:
        """The bytes are no longer held."""
        self._pieces.clear()
        self._memory.give_back(self._size)
        self._size = 0


class CaptureEndpoint:
    """The ASGI app of capture's paths."""

    def __init__(self, event_log: EventLog, clock: Clock, settings: CaptureSettings):
        self._log = event_log
        self._clock = clock
        self._settings = settings
        self._limits = Limits.of(settings)
        self._inline_limits = Limits(settings.inline_inflated_bytes, settings.max_record_bytes, settings.max_events)
        self._memory = BodyMemory(settings.max_inflight_body_bytes)
        self._heavy = asyncio.Semaphore(settings.heavy_requests)
        self._threads = ThreadPoolExecutor(settings.heavy_requests, thread_name_prefix="capture")
        self._successes = itertools.count()

    def close(self) -> None:
        """Let go of the threads; what they are deciding is finished first."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers: Headers = dict(reversed(scope["headers"]))  # of repeated headers the first counts
        try:
            answer = await self._answer(scope, headers, receive)
        except SenderGone:
            return
        except Exception as exc:
            log.exception("capture_failed", path=scope["path"], exc_info=exc)
            answer = dialect_of(scope["path"]).our_bug
        await self._say(answer, headers, send)
        self._account(scope, headers, answer.status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive) -> Answer:
        body = Body(self._memory, self._settings.max_body_bytes)
        dialect = dialect_of(scope["path"])
        try:
            await self._read(body, scope, headers, receive)
            return await self._take(scope, headers, body.take())
        except Refused as refused:
            _count("refused", refused.reason, refused.events)
            return dialect.refusal(refused)
        except SenderStalled:
            _count("refused", "stalled", 1)
            return dialect.stalled
        except Overloaded:
            _count("refused", "overloaded", 1)
            return dialect.transient
        finally:
            body.release()

    async def _read(self, body: Body, scope: Scope, headers: Headers, receive: Receive) -> None:
        if scope["method"] not in ("GET", "POST"):
            return
        declared = headers.get(b"content-length", b"0")
        body.check(int(declared) if declared.isdigit() else 0)
        more = True
        while more:
            try:
                async with asyncio.timeout(self._settings.body_idle_timeout_seconds):
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
            now=self._clock.now(),
        )
        if body:
            metrics.CAPTURE_BODY_BYTES.observe(len(body))
        if len(body) <= self._settings.inline_body_bytes:
            decision = decide(request, self._inline_limits)
            if decision.refused != "inflated_too_large":
                return await self._settle(decision)
        async with self._heavy:
            loop = asyncio.get_running_loop()
            decision = await loop.run_in_executor(self._threads, decide, request, self._limits)
            return await self._settle(decision)

    async def _settle(self, decision: Decision) -> Answer:
        if decision.refused:
            _count("refused", decision.refused, decision.events)
            return decision.answer
        for reason, events in decision.drops.items():
            _count("dropped", reason, events)
        if not decision.records:
            return decision.answer
        crash_point("capture.before_produce")
        try:
            with metrics.CAPTURE_PRODUCE_SECONDS.time():
                await self._log.produce(EVENTS.name, decision.records)
        except PayloadTooLarge as exc:
            raise too_large(exc.detail, "event_too_large") from exc
        except (Unavailable, DeadlineExceeded) as exc:
            log.warning("produce_failed", code=exc.code, kind=type(exc).__name__, events=len(decision.records))
            _count("refused", type(exc).__name__, len(decision.records))
            return decision.not_taken
        crash_point("capture.after_produce")
        _count("accepted", "", len(decision.records))
        return decision.answer

    async def _say(self, answer: Answer, headers: Headers, send: Send) -> None:
        said = [*cors_headers(headers), *answer.headers]
        if answer.status != 204:
            said.append((b"content-length", b"%d" % len(answer.body)))
        if answer.content_type:
            said.append((b"content-type", answer.content_type))
        if answer.status == 503 and answers.RETRY_SOON not in answer.headers:
            said.append((b"retry-after", b"%d" % self._settings.retry_after_seconds))
        if answer.status == 405:
            said.append((b"allow", b"GET,POST,OPTIONS"))
        await send({"type": "http.response.start", "status": answer.status, "headers": said})
        await send({"type": "http.response.body", "body": answer.body})

    def _account(self, scope: Scope, headers: Headers, status: int, seconds: float) -> None:
        route = route_of(scope["path"]) or "unmatched"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        metrics.HTTP_REQUESTS.labels("capture", method, route, str(status)).inc()
        metrics.HTTP_SECONDS.labels("capture", route).observe(seconds)
        if status >= 400 or next(self._successes) % self._settings.access_log_every == 0:
            request_id = headers.get(b"x-request-id", b"").decode("latin-1")[:64]
            log.info(
                "request",
                method=method,
                path=route,
                status=status,
                duration_ms=round(seconds * 1e3, 1),
                request_id=request_id,
            )


def _count(result: str, reason: str, events: int) -> None:
    metrics.CAPTURE_EVENTS.labels(result, reason).inc(events)
