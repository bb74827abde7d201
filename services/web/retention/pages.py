"""HTML: how long events stay, what would go, and what went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from libs.kit.access.csrf import CSRF_FIELD
from libs.kit.access.decide import check_level
from libs.kit.access.model import ADMIN
from libs.kit.errors import InvalidRequest
from libs.kit.runtime import Runtime
from services.web.bodies import read_object
from services.web.jobs.reports import newest
from services.web.jobs.retention import due, months
from services.web.pages import NOT_JUST_NOW, SignedIn, render, signed_in
from services.web.retention.repository import ALL_OTHERS, RetentionRepository
from services.web.retention.routes import MAX_DAYS, MAX_EVENTS, rules

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Typed:
    """The form: days of all other events, and (event, days) of those with days of their own. Texts, as typed."""

    days: str
    named: Sequence[tuple[str, str]]


def typed_of(days: Mapping[str, int]) -> Typed:
    """What the form shows of stored rules, with room for one more."""
    named = [(event, str(kept)) for event, kept in sorted(days.items()) if event != ALL_OTHERS]
    return Typed(str(days.get(ALL_OTHERS, "")), [*named, ("", "")])


def typed_in(form: Mapping[str, str]) -> Typed:
    """What somebody typed: fields `days`, and `event-N`, `days-N`. A row without a name is no row."""
    numbers = sorted(int(name[6:]) for name in form if name.startswith("event-") and name[6:].isdecimal())
    named = [(form[f"event-{n}"].strip(), form.get(f"days-{n}", "").strip()) for n in numbers[:MAX_EVENTS]]
    return Typed(form.get("days", "").strip(), [*(row for row in named if row[0]), ("", "")])


def rules_of(typed: Typed) -> dict[str, int]:
    """Days by event name, as the API takes them. Raises InvalidRequest."""
    events = {event: _number(days) for event, days in typed.named if event}
    return rules({"days": _number(typed.days) if typed.days else None, "events": events})


@router.get("/project/{project_id}/data-management/retention")
async def retention_page(request: Request, project_id: str, saved: bool = False) -> Response:
    """The rules, what they would delete by now, and what went."""
    frame = await signed_in(request, project_id)
    days = await _repository(request).of_team(frame.team.id)
    return await _page(request, frame, typed_of(days), going=await _due(request, frame, days), saved=saved)


@router.post("/project/{project_id}/data-management/retention")
async def save_retention(request: Request, project_id: str) -> Response:
    """Save the rules. If events would go by them, only once somebody has said that they mean it."""
    form = await read_object(request, max_fields=2 * MAX_EVENTS + 10)
    frame = await signed_in(request, project_id, form_token=str(form.get(CSRF_FIELD, "")))
    check_level(frame.level, needed=ADMIN)
    typed = typed_in(form)
    try:
        days = rules_of(typed)
    except InvalidRequest as error:
        return await _page(request, frame, typed, status=400, refused=error)
    if "sure" not in form and days != await _repository(request).of_team(frame.team.id):
        going = await _due(request, frame, days)
        if going is None or going:
            return await _page(request, frame, typed, going=going, ask=True)
    await _repository(request).replace(frame.team.id, days)
    if request.headers.get("hx-request"):
        return await _page(request, frame, typed_of(days), going=await _due(request, frame, days), saved=True)
    return RedirectResponse(f"/project/{frame.team.id}/data-management/retention?saved=true", status_code=303)


async def _page(
    request: Request,
    frame: SignedIn,
    typed: Typed,
    *,
    status: int = 200,
    going: Mapping[str, int] | None = None,
    refused: InvalidRequest | None = None,
    ask: bool = False,
    saved: bool = False,
) -> Response:
    """The page, or for htmx only its form. going: what would go, None when nobody can say; ask: is that meant?"""
    htmx = bool(request.headers.get("hx-request"))
    return render(
        request,
        "retention/_form.html" if htmx else "retention/page.html",
        frame,
        status=status,
        typed=typed,
        going=going,
        refused=refused,
        ask=ask,
        saved=saved,
        may=frame.level >= ADMIN,
        most_days=MAX_DAYS,
        **({} if htmx else await _applied(request, frame)),
    )


async def _applied(request: Request, frame: SignedIn) -> dict[str, Any]:
    """reports: when, and what went, the newest first; last_run: of the whole installation. events_bytes: just now."""
    runtime: Runtime = request.app.state.runtime
    said = await newest(runtime.postgres, "retention", frame.team.id, 100)
    runs = [(at, each) for at, each in said if "events_bytes" in each]
    try:
        size: int | None = sum(month.bytes_on_disk for month in await months(runtime))
    except NOT_JUST_NOW:
        size = None
    return {
        "last_run": runs[0] if runs else None,
        "reports": [(at, each) for at, each in said if each.get("deleted") or each.get("dropped_months")][:10],
        "events_bytes": size,
    }


async def _due(request: Request, frame: SignedIn, days: Mapping[str, int]) -> Mapping[str, int] | None:
    try:
        return await due(request.app.state.runtime, frame.team.id, days)
    except NOT_JUST_NOW:
        return None


def _repository(request: Request) -> RetentionRepository:
    runtime: Runtime = request.app.state.runtime
    return RetentionRepository(runtime.postgres)


def _number(text: str) -> int | str:
    """What is no number is left to `rules` to refuse."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
