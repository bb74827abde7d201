"""Does a request come from our own pages: Django's double submit, and the Origin header where there is one.

A page of another site can make a browser send the cookie, but can neither read it nor repeat it in a header or a form
field. A neighbour on a sibling domain could plant a cookie; the Origin check stops that.
"""

import hmac
import secrets
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from libs.kit.errors import Forbidden

CSRF_COOKIE = "posthog_csrftoken"
CSRF_HEADER = "X-CSRFToken"
CSRF_FIELD = "csrfmiddlewaretoken"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def check_csrf(request: Request, *, site_url: str, form_token: str | None = None) -> None:
    """Raise Forbidden unless the header (or the form's field) repeats the cookie and the Origin is our own."""
    check_origin(request, site_url=site_url)
    cookie = request.cookies.get(CSRF_COOKIE, "")
    if not cookie:
        raise Forbidden("CSRF Failed: CSRF cookie not set.")
    sent = request.headers.get(CSRF_HEADER) or form_token
    if not sent:
        raise Forbidden("CSRF Failed: CSRF token missing.")
    if not hmac.compare_digest(sent.encode("utf-8", "replace"), cookie.encode("utf-8", "replace")):
        raise Forbidden("CSRF Failed: CSRF token incorrect.")


def check_origin(request: Request, *, site_url: str) -> None:
    """Raise Forbidden if the browser says that another site's page sent this."""
    origin = request.headers.get("origin")
    if origin is None:
        return
    # Only the host: a proxy that ends TLS makes our own scheme look different. `null` (a sandboxed page) has none.
    ours = {urlsplit(site_url).netloc.lower(), request.headers.get("host", "").lower()} - {""}
    if urlsplit(origin).netloc.lower() not in ours:
        raise Forbidden(f"CSRF Failed: Origin checking failed - {origin[:200]} does not match any trusted origins.")


def csrf_token(request: Request) -> str:
    """The token this browser has, or a new one."""
    known = request.cookies.get(CSRF_COOKIE, "")
    return known if 32 <= len(known) <= 128 and known.isalnum() else secrets.token_hex(32)


def set_csrf_cookie(response: Response, token: str, *, secure: bool) -> None:
    """Not HttpOnly: our own pages read it, to send it back in the header."""
    response.set_cookie(CSRF_COOKIE, token, max_age=365 * 24 * 3600, path="/", secure=secure, samesite="lax")
