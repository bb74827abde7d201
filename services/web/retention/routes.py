"""JSON API: how long events are kept, and what went. Our own; PostHog has none."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from libs.kit.access.access import Authorised
from libs.kit.access.dependencies import authorised
from libs.kit.access.model import ADMIN
from libs.kit.errors import InvalidRequest
from libs.kit.runtime import Runtime
from services.web.answers import iso
from services.web.bodies import read_object
from services.web.jobs.reports import newest
from services.web.retention.repository import ALL_OTHERS, RetentionRepository

router = APIRouter()

CanRead = Annotated[Authorised, Depends(authorised("project:read"))]
CanWrite = Annotated[Authorised, Depends(authorised("project:write", level=ADMIN))]
MAX_DAYS = 36_500
MAX_EVENTS = 1_000


@router.get("/api/projects/{project_id}/retention")
@router.get("/api/environments/{project_id}/retention")
async def get_retention(request: Request, allowed: CanRead) -> dict[str, Any]:
    """`{"days", "events": {name: days}, "applied": [{"at", ...}]}`; days null: for ever."""
    runtime: Runtime = request.app.state.runtime
    days = await RetentionRepository(runtime.postgres).of_team(allowed.team.id)
    applied = await newest(runtime.postgres, "retention", allowed.team.id)
    return {
        "days": days.get(ALL_OTHERS),
        "events": {event: kept for event, kept in days.items() if event != ALL_OTHERS},
        "applied": [{"at": iso(at), **said} for at, said in applied],
    }


@router.put("/api/projects/{project_id}/retention")
@router.put("/api/environments/{project_id}/retention")
async def put_retention(request: Request, allowed: CanWrite) -> dict[str, Any]:
    """Set all of it. What is older goes with the next nightly run, for good; so it needs level admin."""
    runtime: Runtime = request.app.state.runtime
    await RetentionRepository(runtime.postgres).replace(allowed.team.id, rules(await read_object(request)))
    return await get_retention(request, allowed)


def rules(body: Mapping[str, Any]) -> dict[str, int]:
    """Days by event name, '' for all others. Raises InvalidRequest."""
    events = {} if body.get("events") is None else body["events"]
    if not isinstance(events, dict):
        raise InvalidRequest("Expected an object of event names and days.", attr="events")
    if len(events) > MAX_EVENTS:
        raise InvalidRequest(f"No more than {MAX_EVENTS} events can have days of their own.", attr="events")
    found = {ALL_OTHERS: _days(body["days"], "days")} if body.get("days") is not None else {}
    for event, days in events.items():
        if not event or len(event) > 400 or "\x00" in event:
            raise InvalidRequest("Not an event's name.", attr="events")
        found[event] = _days(days, "events")
    return found


def _days(value: Any, attr: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_DAYS:
        raise InvalidRequest(f"Days must be a whole number from 1 to {MAX_DAYS}.", attr=attr)
    return value
