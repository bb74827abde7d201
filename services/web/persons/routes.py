"""JSON API: persons. PostHog's paths and answers for finding and deleting; the export is our own."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import StreamingResponse

from libs.kit.access.access import Access, Authorised
from libs.kit.access.dependencies import access_of, authorised
from libs.kit.errors import InvalidRequest, NotFound
from libs.kit.runtime import Runtime
from services.web.answers import iso, page_of
from services.web.bodies import boolean, list_of, read_object, text, uuids
from services.web.persons.repository import Person, PersonRepository

router = APIRouter()

CanRead = Annotated[Authorised, Depends(authorised("person:read"))]
CanWrite = Annotated[Authorised, Depends(authorised("person:write"))]
Accessing = Annotated[Access, Depends(access_of)]
MAX_BULK = 1_000
_ALL_EVENTS = """
    SELECT 'event' AS type, uuid, event, distinct_id, timestamp, properties_raw AS properties, elements_chain,
           person_id, person_properties_raw AS person_properties
    FROM events WHERE team_id = {team:Int64} AND (person_id = {person:UUID} OR distinct_id IN {ids:Array(String)})
    ORDER BY timestamp
"""


@router.get("/api/projects/{project_id}/persons")
@router.get("/api/environments/{project_id}/persons")
async def list_persons(request: Request, allowed: CanRead, access: Accessing, distinct_id: str = "") -> dict[str, Any]:
    """The persons of a distinct id: one or none."""
    if not distinct_id:
        raise InvalidRequest("Only look-ups by distinct_id are answered.", code="required", attr="distinct_id")
    found = await _repository(request).find(allowed.team.id, distinct_ids=[distinct_id])
    return page_of(request, [_shown(person) for person in found], site_url=access.site_url)


@router.get("/api/projects/{project_id}/persons/{person_id}")
@router.get("/api/environments/{project_id}/persons/{person_id}")
async def get_person(request: Request, allowed: CanRead, person_id: str) -> dict[str, Any]:
    """One person, by uuid."""
    return _shown(await _person(request, allowed, person_id))


@router.get("/api/projects/{project_id}/persons/{person_id}/export")
@router.get("/api/environments/{project_id}/persons/{person_id}/export")
async def export_person(request: Request, allowed: CanRead, person_id: str) -> StreamingResponse:
    """Everything that is known of a person, as JSON lines: first the person, then each event. Objects that came as JSON
    are texts, with the bytes that are stored."""
    person = await _person(request, allowed, person_id)
    runtime: Runtime = request.app.state.runtime

    params = {"team": allowed.team.id, "person": str(person.uuid), "ids": list(person.distinct_ids)}
    events = runtime.clickhouse.stream(_ALL_EVENTS, params, output_format="JSONEachRow")
    first = await anext(events, b"")  # while an error can still be an answer

    async def body() -> AsyncIterator[bytes]:
        yield orjson.dumps({"type": "person", **_shown(person)}) + b"\n" + first
        async for piece in events:
            yield piece

    name = f'attachment; filename="person-{person.uuid}.jsonl"'
    return StreamingResponse(body(), media_type="application/x-ndjson", headers={"Content-Disposition": name})


@router.delete("/api/projects/{project_id}/persons/{person_id}", status_code=202)
@router.delete("/api/environments/{project_id}/persons/{person_id}", status_code=202)
async def delete_person(
    request: Request, allowed: CanWrite, person_id: str, delete_events: str = "false", keep_person: str = "false"
) -> Response:
    """The person is gone at once, its events soon when `delete_events` says so."""
    person = await _person(request, allowed, person_id)
    events, keep = boolean(delete_events, "delete_events"), boolean(keep_person, "keep_person")
    await _delete(request, allowed, [person.uuid], events=events, keep_person=keep)
    return Response(status_code=202)


@router.post("/api/projects/{project_id}/persons/{person_id}/delete_events", status_code=202)
@router.post("/api/environments/{project_id}/persons/{person_id}/delete_events", status_code=202)
async def delete_events(request: Request, allowed: CanWrite, person_id: str) -> Response:
    """The events that have come so far go; the person stays."""
    person = await _person(request, allowed, person_id)
    await _delete(request, allowed, [person.uuid], events=True, keep_person=True)
    return Response(status_code=202)


@router.post("/api/projects/{project_id}/persons/bulk_delete", status_code=202)
@router.post("/api/environments/{project_id}/persons/bulk_delete", status_code=202)
async def bulk_delete(request: Request, allowed: CanWrite) -> Response:
    """`{ids | distinct_ids, delete_events?, keep_person?}`, up to 1,000."""
    body = await read_object(request)
    if ("ids" in body) == ("distinct_ids" in body):
        raise InvalidRequest("You need to specify either distinct_ids or ids, and not both.")
    field = "ids" if "ids" in body else "distinct_ids"
    if len(list_of(body[field], field)) > MAX_BULK:
        raise InvalidRequest(f"You can only pass {MAX_BULK} {field} in one call.", attr=field)
    wanted = uuids(body["ids"], "ids") if field == "ids" else []
    names = [text(name, field, max_length=400) for name in body.get("distinct_ids", ())]
    found = await _repository(request).find(allowed.team.id, uuids=wanted, distinct_ids=names)
    await _delete(
        request,
        allowed,
        [person.uuid for person in found],
        events=boolean(body.get("delete_events", False), "delete_events"),
        keep_person=boolean(body.get("keep_person", False), "keep_person"),
    )
    return Response(status_code=202)


async def _delete(
    request: Request, allowed: Authorised, persons: list[UUID], *, events: bool, keep_person: bool
) -> None:
    await _repository(request).request_deletion(allowed.team.id, persons, events=events, keep_person=keep_person)


async def _person(request: Request, allowed: Authorised, person_id: str) -> Person:
    try:
        wanted = UUID(person_id)
    except ValueError:
        raise InvalidRequest(f"{person_id[:100]!r} does not look like a personID.") from None
    if found := await _repository(request).find(allowed.team.id, uuids=[wanted]):
        return found[0]
    raise NotFound("Person not found.")


def _repository(request: Request) -> PersonRepository:
    runtime: Runtime = request.app.state.runtime
    return PersonRepository(runtime.postgres)


def _shown(person: Person) -> dict[str, Any]:
    return {
        "id": str(person.uuid),
        "uuid": str(person.uuid),
        "name": _name(person),
        "distinct_ids": list(person.distinct_ids),
        "properties": dict(person.properties),
        "created_at": iso(person.created_at),
        "last_seen_at": iso(person.last_seen_at),
        "is_identified": person.is_identified,
    }


# What PostHog shows a person by: the first of these properties that says something, else a distinct id.
_DISPLAY = ("email", "Email", "$email", "name", "Name", "username", "Username", "UserName")


def _name(person: Person) -> str:
    said = (person.properties.get(name) for name in _DISPLAY)
    named = next((str(value) for value in said if value not in (None, "")), None)
    return named or (person.distinct_ids[0] if person.distinct_ids else str(person.uuid))
