"""What is counted of capture's requests: metrics, and the access log.

Gathered while requests of one turn of the event loop are answered, and then counted at once: a lock and a search for
each number would cost as much as deciding the request.
"""

import asyncio
import itertools
from collections import defaultdict
from functools import cache

from prometheus_client import Counter

from libs.kit import metrics
from libs.kit.logging import get_logger
from services.capture.handle import route_of

log = get_logger(__name__)
_METHODS = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE"})


@cache
def _events(result: str, reason: str) -> Counter:
    return metrics.CAPTURE_EVENTS.labels(result, reason)


@cache
def _requests(method: str, route: str, status: int) -> Counter:
    return metrics.HTTP_REQUESTS.labels("capture", method, route, str(status))


@cache
def _seconds(route: str) -> metrics.BulkHistogram:
    return metrics.HTTP_SECONDS.labels("capture", route)


class Accounting:
    """Counts events, bodies and answers; writes an access line for each answer that is not a success, and for one in
    `every` that are. `flush` runs by itself at the end of the turn."""

    def __init__(self, every: int):
        self._every = every
        self._successes = itertools.count()
        self._events: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._requests: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)
        self._bodies: list[int] = []
        self._loop: asyncio.AbstractEventLoop | None = None  # that will flush

    def events(self, result: str, reason: str, events: int) -> None:
        """`result` is accepted, dropped or refused; `reason` a word of ours, never input. An answer follows."""
        self._events[result, reason] += events

    def body(self, size: int) -> None:
        """A request came with so many bytes. An answer follows."""
        self._bodies.append(size)

    def answered(self, method: str, path: str, status: int, seconds: float, request_id: bytes | None) -> None:
        """One request is over."""
        route = route_of(path) or "unmatched"
        if method not in _METHODS:
            method = "other"
        self._requests[method, route, status].append(seconds)
        self._soon()
        if status >= 400 or next(self._successes) % self._every == 0:
            log.info(
                "request",
                method=method,
                path=route,
                status=status,
                duration_ms=round(seconds * 1e3, 1),
                request_id=(request_id or b"").decode("latin-1")[:64],
            )

    def flush(self) -> None:
        """Count what was gathered."""
        self._loop = None
        for (result, reason), count in self._events.items():
            _events(result, reason).inc(count)
        for (method, route, status), seconds in self._requests.items():
            _requests(method, route, status).inc(len(seconds))
            _seconds(route).observe_all(seconds)
        if self._bodies:
            metrics.CAPTURE_BODY_BYTES.observe_all(self._bodies)
        self._events.clear()
        self._requests.clear()
        self._bodies.clear()

    def _soon(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.call_soon(self.flush)
