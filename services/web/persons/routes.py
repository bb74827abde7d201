"""JSON API: persons. PostHog's paths and answers for finding and deleting; the export is our own."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import StreamingResponse

from libs.kit.access.access import Access, Authorised
from libs.kit.access.dependencies import access_of, authorised
from libs.kit.errors import InvalidRequest
from services.web.answers import page_of
from services.web.bodies import boolean, list_of, read_object, text, uuids
from services.web.persons.service import PersonService
from services.web.persons.shown import shown

router = APIRouter()

CanRead = Annotated[Authorised, Depends(authorised("person:read"))]
CanWrite = Annotated[Authorised, Depends(authorised("person:write"))]
Accessing = Annotated[Access, Depends(access_of)]
MAX_BULK = 1_000


def persons_of(request: Request) -> PersonService:
    """The app's service, which `create_app` puts in `app.state.persons`."""
    service: PersonService = request.app.state.persons
    return service


Persons = Annotated[PersonService, Depends(persons_of)]


@router.get("/api/projects/{project_id}/persons")
@router.get("/api/environments/{project_id}/persons")
async def list_persons(
    request: Request, allowed: CanRead, access: Accessing, persons: Persons, distinct_id: str = "", email: str = ""
) -> dict[str, Any]:
    """The persons with a distinct id (one or none) or an address."""
    if not distinct_id and not email:
        message = "Only look-ups by distinct_id or email are answered."
        raise InvalidRequest(message, code="required", attr="distinct_id")
    found = await persons.find(allowed.team.id, distinct_id=distinct_id, email=email)
    return page_of(request, [shown(person) for person in found], site_url=access.site_url)


@router.get("/api/projects/{project_id}/persons/{person_id}")
@router.get("/api/environments/{project_id}/persons/{person_id}")
async def get_person(allowed: CanRead, persons: Persons, person_id: str) -> dict[str, Any]:
    """One person, by uuid."""
    return shown(await persons.one(allowed.team.id, person_id))


@router.get("/api/projects/{project_id}/persons/{person_id}/export")
@router.get("/api/environments/{project_id}/persons/{person_id}/export")
async def export_person(allowed: CanRead, persons: Persons, person_id: str) -> StreamingResponse:
    """Everything that is known of a person, as JSON lines; see `PersonService.everything`."""
    person = await persons.one(allowed.team.id, person_id)
    lines = persons.everything(allowed.team.id, person)
    first = await anext(lines)  # while an error can still be an answer

    async def body() -> AsyncIterator[bytes]:
        yield first
        async for piece in lines:
            yield piece

    name = f'attachment; filename="person-{person.uuid}.jsonl"'
    return StreamingResponse(body(), media_type="application/x-ndjson", headers={"Content-Disposition": name})


@router.delete("/api/projects/{project_id}/persons/{person_id}", status_code=202)
@router.delete("/api/environments/{project_id}/persons/{person_id}", status_code=202)
async def delete_person(
    allowed: CanWrite, persons: Persons, person_id: str, delete_events: str = "false", keep_person: str = "false"
) -> Response:
    """The person is gone at once, its events soon when `delete_events` says so."""
    person = await persons.one(allowed.team.id, person_id)
    events, keep = boolean(delete_events, "delete_events"), boolean(keep_person, "keep_person")
    await _delete(persons, allowed, [person.uuid], events=events, keep_person=keep)
    return Response(status_code=202)


@router.post("/api/projects/{project_id}/persons/{person_id}/delete_events", status_code=202)
@router.post("/api/environments/{project_id}/persons/{person_id}/delete_events", status_code=202)
async def delete_events(allowed: CanWrite, persons: Persons, person_id: str) -> Response:
    """The events that have come so far go; the person stays."""
    person = await persons.one(allowed.team.id, person_id)
    await _delete(persons, allowed, [person.uuid], events=True, keep_person=True)
    return Response(status_code=202)


@router.post("/api/projects/{project_id}/persons/bulk_delete", status_code=202)
@router.post("/api/environments/{project_id}/persons/bulk_delete", status_code=202)
async def bulk_delete(request: Request, allowed: CanWrite, persons: Persons) -> Response:
    """`{ids | distinct_ids, delete_events?, keep_person?}`, up to 1,000."""
    body = await read_object(request)
    if ("ids" in body) == ("distinct_ids" in body):
        raise InvalidRequest("You need to specify either distinct_ids or ids, and not both.")
    field = "ids" if "ids" in body else "distinct_ids"
    if len(list_of(body[field], field)) > MAX_BULK:
        raise InvalidRequest(f"You can only pass {MAX_BULK} {field} in one call.", attr=field)
    wanted = uuids(body["ids"], "ids") if field == "ids" else []
    names = [text(name, field, max_length=400) for name in body.get("distinct_ids", ())]
    found = await persons.repository.find(allowed.team.id, uuids=wanted, distinct_ids=names)
    await _delete(
        persons,
        allowed,
        [person.uuid for person in found],
        events=boolean(body.get("delete_events", False), "delete_events"),
        keep_person=boolean(body.get("keep_person", False), "keep_person"),
    )
    return Response(status_code=202)


async def _delete(
    persons: PersonService, allowed: Authorised, uuids: list[UUID], *, events: bool, keep_person: bool
) -> None:
    await persons.repository.request_deletion(
        allowed.team.id, uuids, events=events, keep_person=keep_person, user_id=allowed.caller.user_id
    )
