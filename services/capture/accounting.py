"""What is counted of capture's requests: metrics, and the access log.

Gathered for a moment, and then counted at once: a lock and a search for each number would cost as much as deciding the
request. Compiled when there is a compiler (accounting.pxd).
"""

import asyncio
from functools import cache

from prometheus_client import Counter

from libs.kit import metrics
from libs.kit.logging import get_logger
from libs.kit.tally import Tally
from services.capture.handle import route_of

log = get_logger(__name__)
#: How late the metrics may be.
FLUSH_SECONDS = 0.05
_MOST_REASONS = 1_000
_METHODS = frozenset({"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE"})


def _method(method: str) -> str:
    return method if method in _METHODS else "other"


def _route(path: str) -> str:
    return route_of(path) or "unmatched"


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
    `every` that are. `flush` runs by itself, FLUSH_SECONDS after the first of them."""

    def __init__(self, every: int):
        self._every = every
        self._successes = every - 1  # since the last access line: the first one has its own
        self._events = Tally(_MOST_REASONS)
        self._requests: dict[tuple[str, str, int], list[float]] = {}  # seconds, by method, path and status
        self._method = self._path = ""  # of the newest answer: neighbours mostly have the same,
        self._status = 0
        self._durations: list[float] = []  # and so go to the same list
        self._bodies: list[int] = []
        self._flushing = False  # soon

    def events(self, result: str, reason: str, events: int) -> None:
        """`result` is accepted, dropped or refused; `reason` a word of ours, never input. An answer follows."""
        self._events.add("", result, reason, events)

    def body(self, size: int) -> None:
        """A request came with so many bytes. An answer follows."""
        self._bodies.append(size)

    def answered(self, method: str, path: str, status: int, seconds: float, request_id: bytes | None) -> None:
        """One request is over."""
        if path != self._path or status != self._status or method != self._method:
            self._method, self._path, self._status = method, path, status
            self._durations = self._requests.setdefault((method, path, status), [])
        self._durations.append(seconds)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        if status < 400:
            self._successes += 1
            if self._successes < self._every:
                return
            self._successes = 0
        log.info(
            "request",
            method=_method(method),
            path=_route(path),
            status=status,
            duration_ms=round(seconds * 1e3, 1),
            request_id=(request_id or b"").decode("latin-1")[:64],
        )

    def flush(self) -> None:
        """Count what was gathered."""
        self._flushing = False
        for (_, result, reason), count in self._events.taken().items():
            _events(result, reason).inc(count)
        for (method, path, status), durations in self._requests.items():
            route = _route(path)
            _requests(_method(method), route, status).inc(len(durations))
            _seconds(route).observe_all(durations)
        metrics.CAPTURE_BODY_BYTES.observe_all(self._bodies)
        self._requests.clear()
        self._status = 0  # no answer is like the newest
        self._bodies.clear()
