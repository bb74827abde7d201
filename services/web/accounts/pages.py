"""HTML: sign-in, theme, and my keys. Each works as a plain form."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from libs.kit.access.csrf import CSRF_FIELD, check_csrf
from libs.kit.access.decide import check_recent_login
from libs.kit.errors import Forbidden, InvalidRequest, RateLimited
from services.web.accounts.routes import Accessing, Accounts, signed_in
from services.web.bodies import read_object
from services.web.pages import THEME_COOKIE, THEMES, render, safe_next
from services.web.pages import signed_in as frame_of

router = APIRouter(include_in_schema=False)


@router.get("/login")
async def login_page(request: Request, access: Accessing, next: str = "/") -> Response:  # noqa: A002 - Django's word
    """The sign-in form; who is signed in already goes on."""
    if await access.session_caller(request):
        return RedirectResponse(safe_next(next), status_code=302)
    return render(request, "accounts/login.html", next=safe_next(next), email="", message=None)


@router.post("/login")
async def login_form(request: Request, access: Accessing) -> Response:
    """Sign in; a refusal shows the form again with the reason."""
    form = await read_object(request)
    email, password = str(form.get("email", "")).strip(), str(form.get("password", ""))
    target = safe_next(str(form.get("next", "/")))
    answer = RedirectResponse(target, status_code=303)
    try:
        check_csrf(request, site_url=access.site_url, form_token=str(form.get(CSRF_FIELD, "")))
        await signed_in(request, access, answer, email.replace("\x00", ""), password)
    except (InvalidRequest, Forbidden, RateLimited) as error:
        shown = error.detail if not error.detail.startswith("CSRF") else "This page was too old. Please try again."
        return render(request, "accounts/login.html", status=error.status, next=target, email=email, message=shown)
    return answer


@router.post("/theme")
async def set_theme(request: Request, access: Accessing) -> Response:
    """Remember light, dark or system in this browser. Changes nothing else, so it needs no session."""
    form = await read_object(request)
    theme = str(form.get("theme", ""))
    answer = RedirectResponse(safe_next(str(form.get("next", "/"))), status_code=303)
    if theme in THEMES:
        answer.set_cookie(
            THEME_COOKIE, theme, max_age=365 * 24 * 3600, path="/", samesite="lax", secure=access.secure_cookies
        )
    return answer


@router.get("/settings/user")
async def user_page(request: Request, accounts: Accounts) -> Response:
    """Who I am, and my keys."""
    frame = await frame_of(request)
    return render(
        request, "accounts/user.html", frame, keys=await accounts.keys(frame.caller), value=None, message=None
    )


@router.post("/settings/user/keys")
async def create_key(request: Request, access: Accessing, accounts: Accounts) -> Response:
    """Make a key and show it, this once."""
    form = await read_object(request)
    frame = await frame_of(request, form_token=str(form.get(CSRF_FIELD, "")))
    value, message = None, None
    try:
        check_recent_login(frame.caller, accounts.clock.now())
        scopes = ["*"] if form.get("reach") == "all" else ["query:read", "project:read", "user:read"]
        _, value = await accounts.create_key(frame.caller, {"label": form.get("label", ""), "scopes": scopes})
    except Forbidden:
        message = "Making a key needs a fresh sign-in. Please sign out and in again."
    except InvalidRequest as error:
        message = error.detail
    keys = await accounts.keys(frame.caller)
    return render(
        request, "accounts/user.html", frame, status=400 if message else 200, keys=keys, value=value, message=message
    )


@router.post("/settings/user/keys/{key_id}/delete")
async def delete_key(request: Request, key_id: str, accounts: Accounts) -> Response:
    """Delete a key."""
    form = await read_object(request)
    frame = await frame_of(request, form_token=str(form.get(CSRF_FIELD, "")))
    check_recent_login(frame.caller, accounts.clock.now())
    await accounts.delete_key(frame.caller, key_id)
    return RedirectResponse("/settings/user", status_code=303)
