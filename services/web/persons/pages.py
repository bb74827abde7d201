"""HTML: find a person, see what there is, take it along, delete it, and follow what becomes of that."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from libs.kit.access.csrf import CSRF_FIELD
from libs.kit.errors import InvalidRequest, NotFound
from libs.kit.runtime import Runtime
from services.web.bodies import choice, read_object
from services.web.jobs.deletions import still_there
from services.web.pages import NOT_JUST_NOW, SignedIn, render, signed_in
from services.web.persons.repository import DeletionRequest, Person
from services.web.persons.routes import Persons
from services.web.persons.service import PersonService
from services.web.persons.shown import name_of

router = APIRouter(include_in_schema=False)

SHOWN_REQUESTS = 20
# what to delete: (events, keep the person)
EXTENTS = {"everything": (True, False), "person": (False, False), "events": (True, True)}


@router.get("/project/{project_id}/data-management")
async def data_home(request: Request, project_id: str) -> Response:
    """The first of the pages about data."""
    frame = await signed_in(request, project_id)
    return RedirectResponse(f"/project/{frame.team.id}/data-management/persons", status_code=302)


@router.get("/project/{project_id}/data-management/persons")
async def persons_page(
    request: Request, project_id: str, persons: Persons, q: str = "", asked: bool = False
) -> Response:
    """Search by distinct id or address, and the deletions that were asked for."""
    frame = await signed_in(request, project_id)
    wanted = q.strip()
    found: Sequence[Person] | None = None
    trouble = None
    if wanted:
        try:
            found = await _find(persons, frame, wanted)
        except NOT_JUST_NOW:
            trouble = "Searching by e-mail is not possible just now. Try the distinct ID, or again in a moment."
    return render(
        request,
        "persons/page.html",
        frame,
        q=wanted,
        found=found,
        trouble=trouble,
        asked=asked,
        name_of=name_of,
        **await _deletions(request, persons, frame),
    )


@router.get("/project/{project_id}/data-management/deletions")
async def deletions_fragment(request: Request, project_id: str, persons: Persons) -> Response:
    """The list of deletions, for htmx to look again."""
    frame = await signed_in(request, project_id)
    return render(request, "persons/_deletions.html", frame, **await _deletions(request, persons, frame))


@router.get("/project/{project_id}/data-management/persons/{person_id}")
async def person_page(request: Request, project_id: str, person_id: str, persons: Persons) -> Response:
    """One person: what there is, an export, and what may be deleted."""
    frame = await signed_in(request, project_id)
    return await _person_page(request, persons, frame, await _one(persons, frame, person_id))


@router.post("/project/{project_id}/data-management/persons/{person_id}")
async def delete_person(request: Request, project_id: str, person_id: str, persons: Persons) -> Response:
    """Delete what the form says, once somebody has said that they mean it."""
    form = await read_object(request)
    frame = await signed_in(request, project_id, form_token=str(form.get(CSRF_FIELD, "")))
    person = await _one(persons, frame, person_id)
    try:
        events, keep_person = EXTENTS[choice(form.get("what", ""), "what", list(EXTENTS))]
        if "sure" not in form:
            raise InvalidRequest("Tick the box to say that you mean it.", attr="sure")
    except InvalidRequest as error:
        return await _person_page(request, persons, frame, person, refused=error, what=str(form.get("what", "")))
    await persons.repository.request_deletion(
        frame.team.id, [person.uuid], events=events, keep_person=keep_person, user_id=frame.user.id
    )
    return RedirectResponse(f"/project/{frame.team.id}/data-management/persons?asked=true", status_code=303)


async def _find(persons: PersonService, frame: SignedIn, wanted: str) -> Sequence[Person]:
    return await persons.find(frame.team.id, distinct_id=wanted, email=wanted if "@" in wanted else "")


async def _one(persons: PersonService, frame: SignedIn, person_id: str) -> Person:
    """Raises NotFound also for what is no person's id: here it is part of an address."""
    try:
        return await persons.one(frame.team.id, person_id)
    except InvalidRequest as exc:
        raise NotFound("Person not found.") from exc


async def _person_page(
    request: Request,
    persons: PersonService,
    frame: SignedIn,
    person: Person,
    *,
    refused: InvalidRequest | None = None,
    what: str = "",
) -> Response:
    try:
        belongings = await persons.belongings(frame.team.id, person)
    except NOT_JUST_NOW:
        belongings = None
    return render(
        request,
        "persons/person.html",
        frame,
        status=400 if refused else 200,
        person=person,
        name=name_of(person),
        belongings=belongings,
        refused=refused,
        what=what if what in EXTENTS else "everything",
    )


async def _deletions(request: Request, persons: PersonService, frame: SignedIn) -> dict[str, Any]:
    """requests: the newest. left: events still to go, of those under way; None when it is not known just now."""
    runtime: Runtime = request.app.state.runtime
    requests: Sequence[DeletionRequest] = await persons.repository.newest_requests(frame.team.id, SHOWN_REQUESTS)
    try:
        left: int | None = await still_there(runtime, requests)
    except NOT_JUST_NOW:
        left = None
    return {"requests": requests, "left": left, "under_way": sum(each.verified_at is None for each in requests)}
