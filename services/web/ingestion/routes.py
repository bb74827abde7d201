"""JSON API: where an event is, and what became of events."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response

from libs.kit.access.access import Authorised
from libs.kit.access.dependencies import authorised
from libs.kit.errors import InvalidRequest, NotFound, Unavailable
from libs.kit.outcomes import COUNT_HOURS
from services.web.ingestion.tracing import Tracing

router = APIRouter()

CanRead = Annotated[Authorised, Depends(authorised("project:read"))]


def tracing_of(request: Request) -> Tracing:
    """The app's, which `create_app` puts in `app.state.tracing`."""
    tracing: Tracing = request.app.state.tracing
    return tracing


Traces = Annotated[Tracing, Depends(tracing_of)]


@router.get("/api/projects/{project_id}/ingestion/trace")
@router.get("/api/environments/{project_id}/ingestion/trace")
async def trace(allowed: CanRead, tracing: Traces, uuid: str = "") -> Response:
    """Follow one event by its uuid: queued, processed, written, dropped or dead_letter, with the reason. 404 says where
    it was looked for; nothing of the event's content is given."""
    try:
        wanted = str(UUID(uuid))
    except ValueError as exc:
        raise InvalidRequest("Must be a valid UUID.", attr="uuid") from exc
    story = await tracing.trace(allowed.team, wanted)
    if said := story.said():
        return JSONResponse(said)
    looked_at = [look.said() for look in story.looks]
    if story.failed:
        error: NotFound | Unavailable = Unavailable("Not found so far, and not every place could be looked at.")
    else:
        error = NotFound("No event of this project with this uuid was found where it was looked for.")
    body = {"type": error.type, "code": error.code, "detail": error.detail, "attr": None, "looked_at": looked_at}
    return JSONResponse(body, error.status)


@router.get("/api/projects/{project_id}/ingestion/outcomes")
@router.get("/api/environments/{project_id}/ingestion/outcomes")
async def outcomes(
    allowed: CanRead, tracing: Traces, hours: Annotated[int, Query(ge=1, le=COUNT_HOURS)] = 24
) -> dict[str, Any]:
    """How many events were accepted, overflowed, dropped, refused or sent to the dead letters in each hour, and why."""
    return {"results": await tracing.outcomes(allowed.team, hours)}
