"""All services on one port, by the one route table; and the probes, which sit on a loopback port of their own.

`/_health` on the public port is the whole installation: the engines as this process sees them and every other part as
the supervisor sees it.
"""

import json
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

from hedgerow.part_states import PartStates
from libs.kit import metrics
from libs.kit.contracts.routes import service_of

Report = Callable[[], Awaitable[Mapping[str, str]]]
FALLBACK = "web"


class Gateway:
    """Gives a request to the app that owns its path; `/_health`, `/_readyz` and `/_livez` it answers itself."""

    def __init__(self, apps: Mapping[str, ASGIApp], report: Report):
        self._apps = apps
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        path = scope["path"]
        if path in ("/_health", "/_readyz") and scope["type"] == "http":
            await answer_report(send, await self._report())
        elif path == "/_livez" and scope["type"] == "http":
            await answer_json(send, 200, {"status": "ok"})
        else:
            await self._app(path, scope.get("method", "GET"))(scope, receive, send)

    def _app(self, path: str, method: str) -> ASGIApp:
        try:
            owner = service_of(path, method)
        except LookupError:  # a method or a path that no row knows: its neighbours' 404 and 405 are right for it
            owner = FALLBACK
        return self._apps.get(owner) or nothing_here


class Probes:
    """`/metrics`, `/_livez`, `/_readyz` of one process. `stopping` turns readiness off before the port closes."""

    def __init__(self, report: Report, states: Callable[[], PartStates] = PartStates):
        self._report = report
        self._states = states
        self._restarts: dict[str, int] = {}
        self.stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        match scope["path"]:
            case "/metrics":
                self._count_restarts()
                await _answer(send, 200, CONTENT_TYPE_LATEST, generate_latest())
            case "/_livez":
                await answer_json(send, 200, {"status": "ok"})
            case "/_readyz" | "/_health":
                report = {"process": "stopping"} if self.stopping else await self._report()
                await answer_report(send, report)
            case _:
                await nothing_here(scope, receive, send)

    def _count_restarts(self) -> None:
        """The supervisor serves no metrics; this process counts what it published since the last look."""
        for part, total in self._states().restarts.items():
            metrics.PART_RESTARTS.labels(part).inc(max(0, total - self._restarts.get(part, 0)))
            self._restarts[part] = total


async def answer_report(send: Send, report: Mapping[str, str]) -> None:
    """200 when every part says "ok", else 503; the body says it of each part."""
    await answer_json(send, 200 if all(state == "ok" for state in report.values()) else 503, report)


async def answer_json(send: Send, status: int, body: Mapping[str, str]) -> None:
    """A small JSON answer that nobody may cache."""
    await _answer(send, status, "application/json", json.dumps(dict(body)).encode())


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """404 in PostHog's error object."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    await answer_json(
        send, 404, {"type": "invalid_request", "code": "not_found", "detail": "Endpoint not found.", "attr": ""}
    )


async def _answer(send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
