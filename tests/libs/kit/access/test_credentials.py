"""Where a key may be in a request, and requests that come from our own pages."""

import pytest
from starlette.requests import Request

from libs.kit.access.credentials import PresentedKey, key_in_body, presented_key
from libs.kit.access.csrf import check_csrf, csrf_token
from libs.kit.errors import Forbidden

SITE = "https://hedgerow.example"


def request(method: str = "POST", *, query: str = "", body: bytes = b"", **headers: str) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/", "query_string": query.encode(), "headers": raw}
    return Request(scope, receive)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (request(authorization="Bearer phx_a"), PresentedKey("phx_a", "Authorization header")),
        (request(authorization="bearer  phx_a "), PresentedKey("phx_a", "Authorization header")),
        (request(authorization="Basic phx_a", query="personal_api_key=phx_b"), PresentedKey("phx_b", "query string")),
        (
            request(authorization="Bearer phx_a", body=b'{"personal_api_key": "phx_b"}'),
            PresentedKey("phx_a", "Authorization header"),
        ),
        (
            request(body=b'{"personal_api_key": "phx_b"}', query="personal_api_key=phx_c"),
            PresentedKey("phx_b", "request body"),
        ),
        (request("GET", body=b'{"personal_api_key": "phx_b"}'), None),
        (request(), None),
    ],
)
async def test_the_first_place_that_holds_a_key(sent: Request, expected: PresentedKey | None) -> None:
    assert await presented_key(sent) == expected


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b'{"personal_api_key": "k"}', "application/json", "k"),
        (b"a=1&personal_api_key=k", "application/x-www-form-urlencoded", "k"),
        (b'{"personal_api_key": ["k"]}', "application/json", ""),
        (b'["personal_api_key"]', "application/json", ""),
        (b'{"personal_api_key": ', "application/json", ""),
        (b"\xffpersonal_api_key", "", ""),
    ],
)
def test_keys_in_bodies(body: bytes, kind: str, expected: str) -> None:
    assert key_in_body(body, kind) == expected


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"cookie": "posthog_csrftoken=t", "x_csrftoken": "t"}, True),
        ({"cookie": "posthog_csrftoken=t", "x_csrftoken": "t", "origin": SITE}, True),
        (
            {
                "cookie": "posthog_csrftoken=t",
                "x_csrftoken": "t",
                "origin": "http://inside:8000",
                "host": "inside:8000",
            },
            True,
        ),
        ({"cookie": "posthog_csrftoken=t", "x_csrftoken": "t", "origin": "https://evil.example"}, False),
        ({"cookie": "posthog_csrftoken=t", "x_csrftoken": "t", "origin": "null"}, False),
        ({"cookie": "posthog_csrftoken=t", "x_csrftoken": "u"}, False),
        ({"cookie": "posthog_csrftoken=t"}, False),
        ({"cookie": "posthog_csrftoken=", "x_csrftoken": ""}, False),
        ({"x_csrftoken": "t"}, False),
    ],
)
def test_csrf(headers: dict[str, str], allowed: bool) -> None:
    if allowed:
        check_csrf(request(**headers), site_url=SITE)
        return
    with pytest.raises(Forbidden):
        check_csrf(request(**headers), site_url=SITE)


def test_a_browser_keeps_its_token_and_a_strange_one_is_replaced() -> None:
    known = "a" * 64
    assert csrf_token(request(cookie=f"posthog_csrftoken={known}")) == known
    assert csrf_token(request(cookie="posthog_csrftoken=short")) != "short"
