"""One way to account for a call to an engine: a span, its time, and its error by code."""

from collections.abc import Iterator
from contextlib import contextmanager

from libs.kit import metrics
from libs.kit.clock import Clock
from libs.kit.errors import HedgerowError
from libs.kit.tracing import span


@contextmanager
def measured(store: str, operation: str, clock: Clock) -> Iterator[None]:
    """Around one call, retries included."""
    started = clock.monotonic()
    try:
        with span(f"{store}.{operation}"):
            yield
    except HedgerowError as exc:
        metrics.STORE_ERRORS.labels(store, operation, exc.code).inc()
        raise
    finally:
        metrics.STORE_SECONDS.labels(store, operation).observe(clock.monotonic() - started)
