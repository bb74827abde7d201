"""Where in a request a credential may be, and which place counts.

Order: session cookie, Authorization header, request body, query string. Only the first place that holds something is
tried: a bad key there fails, whatever is in the places behind it. A cookie that names no live session holds nothing
(every page of this host sends its old cookies along), so it does not stand in the way of a key.
"""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request

SESSION_COOKIE = "sessionid"
SESSION_SECONDS = 14 * 24 * 3600

KeySource = Literal["Authorization header", "request body", "query string"]


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A personal API key as sent, and where, for the error message."""

    value: str
    source: KeySource


async def presented_key(request: Request) -> PresentedKey | None:
    """The key of the first place that holds one. Reads the body only if the header holds none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return PresentedKey(value.strip(), "Authorization header")
    if request.method not in ("GET", "HEAD", "OPTIONS") and (
        value := key_in_body(await request.body(), request.headers.get("content-type", ""))
    ):
        return PresentedKey(value, "request body")
    if value := request.query_params.get("personal_api_key", ""):
        return PresentedKey(value, "query string")
    return None


def key_in_body(body: bytes, content_type: str) -> str:
    """`personal_api_key` of a JSON object or a form; empty when there is none. A broken body holds none."""
    if b"personal_api_key" not in body:
        return ""
    found: Any
    if content_type.startswith("application/x-www-form-urlencoded"):
        found = parse_qs(body.decode("utf-8", "replace")).get("personal_api_key", [""])[0]
    else:
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            return ""
        found = parsed.get("personal_api_key") if isinstance(parsed, dict) else None
    return found if isinstance(found, str) else ""
