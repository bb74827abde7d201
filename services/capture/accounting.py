"""What is counted of capture's requests: metrics, and the access log. Label children are looked up once."""

import itertools
from functools import cache

from prometheus_client import Counter, Histogram

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
def _seconds(route: str) -> Histogram:
    return metrics.HTTP_SECONDS.labels("capture", route)


def count_events(result: str, reason: str, events: int) -> None:
    """`result` is accepted, dropped or refused; `reason` a word of ours, never input."""
    _events(result, reason).inc(events)


class AccessLog:
    """Counts answers; writes a line for each that is not a success, and for one in `every` that are."""

    def __init__(self, every: int):
        self._every = every
        self._successes = itertools.count()

    def answered(self, method: str, path: str, status: int, seconds: float, request_id: bytes) -> None:
        """One request is over."""
        route = route_of(path) or "unmatched"
        if method not in _METHODS:
            method = "other"
        _requests(method, route, status).inc()
        _seconds(route).observe(seconds)
        if status >= 400 or next(self._successes) % self._every == 0:
            log.info(
                "request",
                method=method,
                path=route,
                status=status,
                duration_ms=round(seconds * 1e3, 1),
                request_id=request_id.decode("latin-1")[:64],
            )
