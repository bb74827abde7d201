"""JSON API: sign-in, the caller, personal API keys."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from libs.kit.access.access import Access
from libs.kit.access.credentials import SESSION_COOKIE, SESSION_SECONDS
from libs.kit.access.csrf import check_csrf, check_origin, csrf_token, set_csrf_cookie
from libs.kit.access.decide import RECENT_LOGIN
from libs.kit.access.dependencies import access_of
from libs.kit.access.model import Caller
from libs.kit.errors import Forbidden, InvalidRequest, NotFound
from services.web.accounts import schemas
from services.web.accounts.service import AccountService
from services.web.answers import iso
from services.web.bodies import read_object, required, text

router = APIRouter()


def accounts_of(request: Request) -> AccountService:
    """The app's service, which `create_app` puts in `app.state.accounts`."""
    service: AccountService = request.app.state.accounts
    return service


Accounts = Annotated[AccountService, Depends(accounts_of)]
Accessing = Annotated[Access, Depends(access_of)]


def address_of(request: Request) -> str:
    """Where the request came from, for counting failures."""
    return request.client.host if request.client else "unknown"


@router.post("/api/login/precheck")
async def precheck(request: Request, access: Accessing) -> dict[str, Any]:
    """How an e-mail address signs in: the same answer whether it is known or not."""
    await access.lockout.before_precheck(address_of(request))
    text(required(await read_object(request), "email"), "email", max_length=254)
    return {"sso_enforcement": None, "saml_available": False}


@router.post("/api/login")
async def login(request: Request, access: Accessing) -> Response:
    """Sign in with e-mail and password; the answer sets the session cookie."""
    check_origin(request, site_url=access.site_url)
    body = await read_object(request)
    email = text(required(body, "email"), "email", max_length=254)
    password = required(body, "password")
    if not isinstance(password, str) or not password:
        raise InvalidRequest("This field may not be blank.", code="blank", attr="password")
    answer = JSONResponse({"success": True})
    await signed_in(request, access, answer, email, password)
    return answer


async def signed_in(request: Request, access: Access, answer: Response, email: str, password: str) -> None:
    """Sign in, with the cookies set on `answer`. Raises what Access.sign_in raises."""
    session_id = await access.sign_in(
        email, password, address=address_of(request), old_session_id=request.cookies.get(SESSION_COOKIE)
    )
    answer.set_cookie(
        SESSION_COOKIE,
        session_id,
        max_age=SESSION_SECONDS,
        path="/",
        httponly=True,
        samesite="lax",
        secure=access.secure_cookies,
    )
    set_csrf_cookie(answer, csrf_token(request), secure=access.secure_cookies)


@router.post("/logout")
async def logout(request: Request, access: Accessing) -> Response:
    """End the session. A request that is not from our pages ends nothing."""
    if await access.session_caller(request):
        form = await read_object(request)
        check_csrf(request, site_url=access.site_url, form_token=str(form.get("csrfmiddlewaretoken", "")))
        await access.sign_out(request)
    answer = RedirectResponse("/login", status_code=302)
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


@router.get("/api/users/@me")
async def me(request: Request, access: Accessing, accounts: Accounts) -> dict[str, Any]:
    """Who I am. Needs `user:read`; not held to a key's projects."""
    caller, user = await access.authorise_user(request, scope="user:read")
    return await accounts.describe(user, sensitive_until=_sensitive_until(caller))


@router.patch("/api/users/@me")
async def update_me(request: Request, access: Accessing, accounts: Accounts) -> dict[str, Any]:
    """Change my names, or my current organization or project."""
    caller, user = await access.authorise_user(request, scope="user:write")
    await accounts.update(user, await read_object(request))
    return await accounts.describe(
        await access.repository.user(user.id) or user, sensitive_until=_sensitive_until(caller)
    )


def _sensitive_until(caller: Caller) -> str | None:
    return iso(caller.authenticated_at + RECENT_LOGIN) if caller.authenticated_at else None


@router.get("/api/personal_api_keys")
async def list_keys(request: Request, access: Accessing, accounts: Accounts) -> list[dict[str, Any]]:
    """My keys: a bare array, as in PostHog."""
    caller = await access.authorise_session(request)
    return [schemas.key(key) for key in await accounts.keys(caller)]


@router.post("/api/personal_api_keys", status_code=201)
async def create_key(request: Request, access: Accessing, accounts: Accounts) -> dict[str, Any]:
    """Make a key; the only answer that holds its value."""
    caller = await access.authorise_session(request, recent=True)
    key, value = await accounts.create_key(caller, await read_object(request))
    return schemas.key(key, value)


@router.get("/api/personal_api_keys/{key_id}")
async def get_key(request: Request, key_id: str, access: Accessing, accounts: Accounts) -> dict[str, Any]:
    """One of my keys. `@current` is the key that asks, and needs no scope."""
    if key_id != "@current":
        return schemas.key(await accounts.key(await access.authorise_session(request), key_id))
    caller = await access.caller(request)
    if caller.key_id is None:
        raise Forbidden("This action requires a personal API key.")
    return schemas.key(await accounts.key(caller, caller.key_id))


@router.delete("/api/personal_api_keys/{key_id}", status_code=204)
async def delete_key(request: Request, key_id: str, access: Accessing, accounts: Accounts) -> Response:
    """Delete one of my keys; whoever holds it is out at once."""
    caller = await access.authorise_session(request, recent=True)
    if key_id == "@current":
        raise NotFound("Not found.")
    await accounts.delete_key(caller, key_id)
    return Response(status_code=204)
