"""OpenTelemetry traces, off unless `HEDGEROW_TRACES_ENDPOINT` is set. Off, a span costs one truth test.

Context travels in W3C headers, over HTTP and in record headers. A span never holds a statement's literals or a body.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.util.types import AttributeValue

_enabled = False


def configure_tracing(endpoint: str | None, *, service: str, version: str) -> None:
    """Send spans to `endpoint` (OTLP over HTTP) in batches from a background thread. None leaves tracing off."""
    global _enabled  # one provider per process is OpenTelemetry's own rule
    if endpoint is None:
        return
    # Imported here: the exporter brings protobuf and requests, 20 MB that an untraced process does not need.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": version}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    _enabled = True


@contextmanager
def span(name: str, attributes: Mapping[str, AttributeValue] | None = None) -> Iterator[None]:
    """A span around a block; an exception marks it as failed and goes on."""
    if not _enabled:
        yield
        return
    with trace.get_tracer("hedgerow").start_as_current_span(name, attributes=attributes):
        yield


@contextmanager
def server_span(name: str, headers: Mapping[str, str]) -> Iterator[None]:
    """A span that continues the caller's trace, from its `traceparent` header."""
    if not _enabled:
        yield
        return
    with trace.get_tracer("hedgerow").start_as_current_span(
        name, context=propagate.extract(headers), kind=trace.SpanKind.SERVER
    ):
        yield


def current_trace_id() -> str | None:
    """The trace id for log lines, 32 hex digits; None outside a trace."""
    context = trace.get_current_span().get_span_context() if _enabled else None
    return f"{context.trace_id:032x}" if context and context.is_valid else None
