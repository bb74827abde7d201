"""Traces reach a collector over OTLP when an address is set, and nothing at all happens when none is."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from libs.kit.tracing import current_trace_id, span
from tests.support.instance import ROOT

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROGRAM = f"""
import sys
from libs.kit.clock import SystemClock
from libs.kit.measured import measured
from libs.kit.tracing import configure_tracing, current_trace_id, server_span
from opentelemetry import trace

configure_tracing(sys.argv[1], service="hedgerow-test", version="1")
with server_span("GET /x", {{"traceparent": "{PARENT}"}}), measured("postgres", "statement", SystemClock()):
    print(current_trace_id())
trace.get_tracer_provider().shutdown()
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
    server.shutdown()


def test_spans_continue_the_callers_trace(collector: tuple[str, list[bytes]]) -> None:
    address, received = collector
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, address], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "0af7651916cd43dd8448eb211c80319c"
    sent = b"".join(received)
    for name in (b"GET /x", b"postgres.statement", b"hedgerow-test"):
        assert name in sent


def test_off_by_default() -> None:
    with span("anything"):
        assert current_trace_id() is None
