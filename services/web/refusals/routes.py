"""JSON API: what a project refuses."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from libs.kit.access.access import Authorised
from libs.kit.access.dependencies import authorised
from libs.kit.access.model import ADMIN
from libs.kit.errors import InvalidRequest
from libs.kit.event_filters import MODES, checked_cases, checked_tree
from libs.kit.runtime import Runtime
from services.web.answers import iso
from services.web.bodies import read_object
from services.web.refusals.repository import RefusalRepository

router = APIRouter()

CanRead = Annotated[Authorised, Depends(authorised("project:read"))]
CanWrite = Annotated[Authorised, Depends(authorised("project:write", level=ADMIN))]
TYPES = ("String", "Numeric", "Boolean", "DateTime", "Object")
MAX_PROPERTIES = 1_000
_NEW: Mapping[str, Any] = {"mode": "disabled", "filter_tree": None, "test_cases": []}


@router.get("/api/projects/{project_id}/event_filter")
@router.get("/api/environments/{project_id}/event_filter")
async def get_event_filter(request: Request, allowed: CanRead) -> Response:
    """The filter; 204 when the project never had one."""
    found = await _repository(request).event_filter(allowed.team.id)
    if found is None:
        return Response(status_code=204)
    times = {name: iso(found[name]) for name in ("created_at", "updated_at")}
    return JSONResponse({**found, **times})


@router.post("/api/projects/{project_id}/event_filter")
@router.post("/api/environments/{project_id}/event_filter")
async def save_event_filter(request: Request, allowed: CanWrite) -> Response:
    """Make or change it: `mode` (disabled, dry_run, live), `filter_tree`, `test_cases`; what is absent stays. What a
    live one matches is not stored, so it needs level admin, and every test case must hold."""
    repository = _repository(request)
    body = await read_object(request)
    wanted = {**_NEW, **(await repository.event_filter(allowed.team.id) or {})}
    wanted |= {name: body[name] for name in _NEW if name in body}
    if wanted["mode"] not in MODES:
        raise InvalidRequest(f"Must be one of {', '.join(MODES)}.", code="invalid_choice", attr="mode")
    tree = checked_tree(wanted["filter_tree"]) if wanted["filter_tree"] else None
    cases = checked_cases(wanted["test_cases"], tree)
    await repository.save_event_filter(allowed.team.id, mode=wanted["mode"], tree=tree, cases=cases)
    return await get_event_filter(request, allowed)


@router.get("/api/projects/{project_id}/required_properties")
@router.get("/api/environments/{project_id}/required_properties")
async def get_required(request: Request, allowed: CanRead) -> dict[str, Any]:
    """`{"events": {event: {property: [type]}}}`."""
    return {"events": await _repository(request).required(allowed.team.id)}


@router.put("/api/projects/{project_id}/required_properties")
@router.put("/api/environments/{project_id}/required_properties")
async def put_required(request: Request, allowed: CanWrite) -> dict[str, Any]:
    """Set all of it. Events without them are not stored from now on, so it needs level admin."""
    required = required_of(await read_object(request))
    await _repository(request).replace_required(allowed.team.id, required)
    return await get_required(request, allowed)


def required_of(body: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """By event and property the types that a value may be read as; none: any. Raises InvalidRequest."""
    events = body.get("events")
    if not isinstance(events, dict) or not all(isinstance(properties, dict) for properties in events.values()):
        raise InvalidRequest("Expected an object of event names, each with an object of properties.", attr="events")
    if sum(map(len, events.values())) > MAX_PROPERTIES:
        raise InvalidRequest(f"No more than {MAX_PROPERTIES} properties can be required.", attr="events")
    for name in (name for event, properties in events.items() for name in (event, *properties)):
        if not 0 < len(name) <= 400 or "\0" in name:
            raise InvalidRequest("Not a name.", attr="events")
    for types in (types for properties in events.values() for types in properties.values()):
        if not isinstance(types, list) or any(kind not in TYPES for kind in types):
            raise InvalidRequest(f"Expected a list of types, of {', '.join(TYPES)}.", attr="events")
    return events


def _repository(request: Request) -> RefusalRepository:
    runtime: Runtime = request.app.state.runtime
    return RefusalRepository(runtime.postgres)
