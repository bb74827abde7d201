"""JSON API: the live stream."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import StreamingResponse

from libs.kit.access.access import Authorised
from libs.kit.access.dependencies import authorised
from libs.kit.runtime import Runtime
from services.web.live.event import Filter
from services.web.live.fanout import Fanout
from services.web.live.stream import events_of
from services.web.live.window import Window
from services.web.settings import WebSettings

router = APIRouter()

CanRead = Annotated[Authorised, Depends(authorised("query:read"))]


@router.get("/api/projects/{project_id}/live_events/stream")
@router.get("/api/environments/{project_id}/live_events/stream")
async def stream(
    request: Request,
    allowed: CanRead,
    events: Annotated[str, Query(alias="eventType")] = "",
    distinct_id: Annotated[str, Query(alias="distinctId")] = "",
    columns: str = "",
) -> StreamingResponse:
    """Server-sent events: the newest 1,000, then each as it arrives. `Last-Event-ID` continues a broken stream."""
    settings: WebSettings = request.app.state.settings
    runtime: Runtime = request.app.state.runtime
    fanout: Fanout = request.app.state.fanout
    window: Window = request.app.state.window
    fanout.check_room()  # here it is still an error, in the stream only an end
    body = events_of(
        allowed.team.id,
        wanted=Filter(_names(events), distinct_id, _names(columns)),
        last_seen=_number(request.headers.get("last-event-id", "")),
        fanout=fanout,
        window=window,
        clock=runtime.clock,
        heartbeat_seconds=settings.live_heartbeat_seconds,
        stream_seconds=settings.live_stream_seconds,
    )
    # X-Accel-Buffering: a proxy that collects the answer would make live views late.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(body, media_type="text/event-stream", headers=headers)


def _names(text: str) -> frozenset[str]:
    return frozenset(name for name in text.split(",") if name)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else None
