"""Sign-in, sessions, CSRF, lock-out."""

import pytest

from libs.kit.access.lockout import FAILURES
from tests.support.web import EMAIL, PASSWORD, Web

pytestmark = pytest.mark.embedded


async def login(client, email=EMAIL, password=PASSWORD):
    return await client.post("/api/login", json={"email": email, "password": password})


async def test_a_session_is_a_cookie_no_script_reads(web: Web) -> None:
    async with web.client() as client:
        answer = await login(client, email=EMAIL.upper())
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        cookies = {c.split("=")[0]: c for c in answer.headers.get_list("set-cookie")}
        assert "HttpOnly" in cookies["sessionid"]
        assert "Max-Age=1209600" in cookies["sessionid"]
        assert "samesite=lax" in cookies["sessionid"].lower()
        assert "Secure" not in cookies["sessionid"]
        assert "HttpOnly" not in cookies["posthog_csrftoken"]
        assert (await client.get("/api/users/@me/")).json()["email"] == EMAIL
        stored = [key async for key in web.runtime.state.scan_iter("session:*")]
        assert stored
        assert client.cookies["sessionid"].encode() not in b"".join(stored)


async def test_the_session_id_changes_at_sign_in_and_the_old_one_ends(web: Web) -> None:
    async with web.client() as client, web.client() as other:
        await login(client)
        old = client.cookies["sessionid"]
        await login(client)
        assert client.cookies["sessionid"] != old
        other.cookies.set("sessionid", old)
        assert (await other.get("/api/users/@me")).status_code == 401
    async with web.client(Cookie="sessionid=planted-by-somebody") as victim:
        assert "planted-by-somebody" not in (await login(victim)).headers["set-cookie"]


@pytest.mark.parametrize(
    ("email", "password"), [(EMAIL, "wrong"), ("nobody@example.com", PASSWORD), (EMAIL, "x" * 5000)]
)
async def test_a_wrong_password_and_an_unknown_address_look_the_same(web: Web, email: str, password: str) -> None:
    async with web.client() as client:
        answer = await login(client, email, password)
    assert answer.status_code == 400
    assert answer.json() == {
        "type": "validation_error",
        "code": "invalid_credentials",
        "detail": "Invalid email or password.",
        "attr": None,
    }


async def test_after_thirty_failures_even_the_right_password_waits(web: Web) -> None:
    await web.runtime.state.set("warm", 1)
    async with web.client() as client:
        for _ in range(2):
            assert (await login(client, password="wrong")).json()["code"] == "invalid_credentials"
        (key,) = [key async for key in web.runtime.state.scan_iter("login_failures:*")]
        assert 0 < await web.runtime.state.ttl(key) <= 600
        await web.runtime.state.incrby(key, FAILURES - 2)
        answer = await login(client)
        assert (answer.status_code, answer.json()["code"]) == (403, "too_many_failed_attempts")
        assert answer.json()["type"] == "authentication_error"
        await web.runtime.state.delete(key)
        assert (await login(client)).status_code == 200
        assert not await web.runtime.state.exists(key)


async def test_precheck_says_the_same_of_everyone_and_is_limited(web: Web) -> None:
    async with web.client() as client:
        answers = [
            await client.post("/api/login/precheck/", json={"email": email}) for email in (EMAIL, "nobody@example.com")
        ]
        assert [a.json() for a in answers] == [{"sso_enforcement": None, "saml_available": False}] * 2
        for _ in range(28):
            await client.post("/api/login/precheck", json={"email": EMAIL})
        limited = await client.post("/api/login/precheck", json={"email": EMAIL})
    assert limited.status_code == 429
    assert limited.json()["type"] == "throttled_error"
    assert int(limited.headers["retry-after"]) <= 60


async def test_an_unsafe_request_of_a_session_needs_the_token(web: Web) -> None:
    async with web.signed_in() as client:
        token = client.headers.pop("X-CSRFToken")
        path, body = f"/api/projects/{web.project_id}/", {"name": "New name"}
        bare = await client.patch(path, json=body)
        assert (bare.status_code, bare.json()["code"]) == (403, "permission_denied")
        assert bare.json()["detail"].startswith("CSRF Failed")
        wrong = await client.patch(path, json=body, headers={"X-CSRFToken": "0" * 64})
        assert wrong.status_code == 403
        foreign = await client.patch(path, json=body, headers={"X-CSRFToken": token, "Origin": "https://evil.example"})
        assert foreign.status_code == 403
        ours = await client.patch(path, json=body, headers={"X-CSRFToken": token, "Origin": "http://localhost:8000"})
        assert (ours.status_code, ours.json()["name"]) == (200, "New name")


async def test_another_sites_page_cannot_sign_a_browser_in(web: Web) -> None:
    async with web.client(Origin="https://evil.example") as client:
        assert (await login(client)).status_code == 403


async def test_sign_out_ends_the_session_but_not_for_another_site(web: Web) -> None:
    async with web.signed_in() as client:
        session = client.cookies["sessionid"]
        assert (await client.post("/logout", headers={"X-CSRFToken": "x"})).status_code == 403
        answer = await client.post("/logout/")
        assert (answer.status_code, answer.headers["location"]) == (302, "/login")
        client.cookies.set("sessionid", session)
        assert (await client.get("/api/users/@me")).status_code == 401


async def test_a_new_password_ends_every_session(web: Web) -> None:
    async with web.signed_in() as client:
        await web.runtime.postgres.execute("UPDATE posthog_user SET password = 'another'")
        assert (await client.get("/api/users/@me")).status_code == 401


async def test_who_is_switched_off_is_out(web: Web) -> None:
    async with web.signed_in() as client, web.with_key() as program:
        await web.runtime.postgres.execute("UPDATE posthog_user SET is_active = false")
        assert (await client.get("/api/users/@me")).status_code == 401
        assert (await program.get("/api/users/@me")).status_code == 401
        assert (await login(client)).json()["code"] == "invalid_credentials"


async def test_cookies_are_secure_on_https(web: Web) -> None:
    web.app.state.access.secure_cookies = True
    async with web.client() as client:
        cookies = (await login(client)).headers.get_list("set-cookie")
    assert cookies
    assert all("Secure" in cookie for cookie in cookies)
