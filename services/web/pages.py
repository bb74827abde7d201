"""What every HTML page shares: templates, who is signed in, the frame around it, errors, the theme."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from libs.kit.access.access import Access, Authorised
from libs.kit.access.csrf import check_csrf, csrf_token, set_csrf_cookie
from libs.kit.access.model import MEMBER, Caller, Team, User
from libs.kit.errors import DeadlineExceeded, HedgerowError, NotFound, QueryRefused, Unauthorized, Unavailable
from services.web.accounts.service import AccountService

THEME_COOKIE = "theme"
THEMES = ("system", "light", "dark")

# ClickHouse is away, slow, or has no memory for it: a page then says that it cannot say, and stays of use.
NOT_JUST_NOW = (DeadlineExceeded, QueryRefused, Unavailable)

_ROOT = Path(__file__).parent
_templates = Environment(
    loader=FileSystemLoader(_ROOT / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whose page it is, and which project it shows. level: the user's in the project's organization."""

    caller: Caller
    user: User
    team: Team
    teams: Sequence[Team]
    level: int = MEMBER


async def signed_in(request: Request, project: str = "@current", *, form_token: str | None = None) -> SignedIn:
    """The frame's data. Raises Unauthorized (the error page then leads to sign-in), Forbidden or NotFound.

    `form_token`: the CSRF field of a plain form; unsafe requests are checked here.
    """
    access: Access = request.app.state.access
    accounts: AccountService = request.app.state.accounts
    caller = await access.session_caller(request)
    user = await access.repository.user(caller.user_id) if caller else None
    if caller is None or user is None:
        raise Unauthorized("Authentication credentials were not provided.")
    if request.method not in ("GET", "HEAD"):
        check_csrf(request, site_url=access.site_url, form_token=form_token)
    teams = await accounts.repository.teams(user.id)
    if project == "@current" and user.current_team_id is None and teams:
        project = str(teams[0].id)
    allowed: Authorised = await access.authorise_caller(caller, project, scope="project:read")
    return SignedIn(caller, user, allowed.team, teams, allowed.level)


def render(
    request: Request, template: str, frame: SignedIn | None = None, *, status: int = 200, **values: Any
) -> Response:
    """A page. It sets the CSRF cookie, for its forms and scripts."""
    access: Access = request.app.state.access
    token = csrf_token(request)
    theme = request.cookies.get(THEME_COOKIE, "system")
    html = _templates.get_template(template).render(
        frame=frame,
        csrf_token=token,
        theme=theme if theme in THEMES else "system",
        path=request.url.path,
        site_url=access.site_url.rstrip("/"),
        version=request.app.state.asset_version,
        **values,
    )
    answer = HTMLResponse(html, status_code=status)
    set_csrf_cookie(answer, token, secure=access.secure_cookies)
    return answer


def error_page(request: Request, error: HedgerowError) -> Response:
    """An error as a person sees it; without a session, the way to sign in."""
    if isinstance(error, Unauthorized):
        return to_sign_in(request)
    if isinstance(error, NotFound):
        title = "There is nothing here"
    elif error.status == 403:
        title = "You cannot open this"
    elif error.retryable:
        title = "Not available right now"
    else:
        title = "That did not work"
    return render(request, "error.html", status=error.status, title=title, error=error)


def to_sign_in(request: Request) -> Response:
    """A redirect to the sign-in page that leads back here; for htmx a header, as it would swap the page in."""
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = f"/login?next={quote(back, safe='')}" if request.method == "GET" and back != "/" else "/login"
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": target})
    return RedirectResponse(target, status_code=302)


def safe_next(target: str) -> str:
    """Where to go after sign-in: a path of ours, never another site."""
    plain = target.isprintable() and "\\" not in target
    return target if plain and target.startswith("/") and not target.startswith("//") else "/"
