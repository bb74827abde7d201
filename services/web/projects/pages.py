"""HTML: a project's settings, and the first page of a project that has no events yet."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from libs.kit.access.csrf import CSRF_FIELD
from libs.kit.errors import InvalidRequest
from services.web.accounts.routes import Accounts
from services.web.bodies import read_object
from services.web.pages import SignedIn, render, signed_in
from services.web.projects.form import fields_of, settings_of, typed_in
from services.web.projects.routes import Projects
from services.web.projects.settings import WEB_VITALS
from services.web.projects.snippets import snippets
from services.web.projects.timezones import timezones

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home(request: Request) -> Response:
    """The live view, or the way to the first event."""
    frame = await signed_in(request)
    window = request.app.state.window
    empty = not frame.team.ingested_event and not await window.read(frame.team.id)
    return RedirectResponse(f"/project/{frame.team.id}/{'start' if empty else 'activity/live'}", status_code=302)


@router.get("/project/{project_id}")
async def project_home(request: Request, project_id: str, accounts: Accounts) -> Response:
    """Make it the current project and show it."""
    frame = await signed_in(request, project_id)
    if frame.user.current_team_id != frame.team.id:
        await accounts.update(frame.user, {"set_current_team": frame.team.id})
    return RedirectResponse(f"/project/{frame.team.id}/activity/live", status_code=302)


@router.get("/project/{project_id}/start")
async def start_page(request: Request, project_id: str) -> Response:
    """The snippets, and a sign that turns when the first event is there."""
    frame = await signed_in(request, project_id)
    return render(request, "projects/start.html", frame, snippets=_snippets(request, frame.team.api_token))


@router.get("/project/{project_id}/settings/project")
async def settings_page(request: Request, project_id: str, saved: bool = False) -> Response:
    """Token, snippets and settings."""
    frame = await signed_in(request, project_id)
    return _settings(request, frame, fields_of(frame.team), saved=saved)


@router.post("/project/{project_id}/settings/project")
async def save_settings(request: Request, project_id: str, projects: Projects) -> Response:
    """Save the form; a refusal shows it again with the reason."""
    form = await read_object(request)
    frame = await signed_in(request, project_id, form_token=str(form.get(CSRF_FIELD, "")))
    try:
        team = await projects.update(frame.team, settings_of(form))
    except InvalidRequest as error:
        return _settings(request, frame, typed_in(form), status=400, refused=error)
    if request.headers.get("hx-request"):
        return _settings(request, replace(frame, team=team), fields_of(team), saved=True)
    return RedirectResponse(f"/project/{frame.team.id}/settings/project?saved=true", status_code=303)


def _settings(
    request: Request,
    frame: SignedIn,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    saved: bool = False,
    refused: InvalidRequest | None = None,
) -> Response:
    """The page, or for htmx only its form. `values`: what is stored, or what was typed and refused; see form.py."""
    return render(
        request,
        "projects/_form.html" if request.headers.get("hx-request") else "projects/settings.html",
        frame,
        status=status,
        saved=saved,
        refused=refused,
        values=values,
        web_vitals=WEB_VITALS,
        timezones=sorted(timezones()),
        snippets=_snippets(request, frame.team.api_token),
    )


def _snippets(request: Request, token: str) -> list[tuple[str, str, str]]:
    return snippets(request.app.state.access.site_url.rstrip("/"), token)
