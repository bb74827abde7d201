"""The JSON API of users, keys, organizations and projects; its errors."""

from dataclasses import replace

import pytest

from services.web.app import create_app
from services.web.settings import WebSettings
from tests.support.web import EMAIL, Web

pytestmark = pytest.mark.embedded

NOT_FOUND = {"type": "invalid_request", "code": "not_found", "detail": "Endpoint not found.", "attr": None}


async def test_me(web: Web) -> None:
    async with web.with_key() as client:
        me = (await client.get("/api/users/@me/")).json()
    assert me["email"] == EMAIL
    assert me["team"]["api_token"] == web.token
    assert me["organization"]["teams"][0]["id"] == web.project_id
    assert me["organizations"][0]["membership_level"] == 15
    assert "password" not in me
    assert me["date_joined"].endswith("Z")


async def test_change_me(web: Web) -> None:
    async with web.signed_in() as client:
        second = (await client.post("/api/projects/", json={"name": "Second"})).json()["id"]
        answer = await client.patch(
            "/api/users/@me/", json={"first_name": " Ada ", "set_current_team": second, "is_staff": False, "id": 99}
        )
        assert answer.status_code == 200
        assert (answer.json()["first_name"], answer.json()["team"]["id"]) == ("Ada", second)
        assert answer.json()["is_staff"] is True
        assert (await client.get("/api/projects/@current/")).json()["id"] == second
        foreign, organization = await web.add_foreign_project()
        for body in ({"set_current_team": foreign}, {"set_current_organization": str(organization)}):
            refused = await client.patch("/api/users/@me/", json=body)
            assert (refused.status_code, refused.json()["code"]) == (400, "does_not_exist")


async def test_a_keys_life(web: Web) -> None:
    async with web.signed_in() as client:
        made = await client.post(
            "/api/personal_api_keys/",
            json={"label": "Report", "scopes": ["query:read"], "scoped_teams": [web.project_id]},
        )
        assert made.status_code == 201
        key = made.json()
        assert key["value"].startswith("phx_")
        assert len(key["value"]) >= 39
        assert key["mask_value"] == f"phx_...{key['value'][-4:]}"
        listed = (await client.get("/api/personal_api_keys")).json()
        assert isinstance(listed, list)
        assert {item["value"] for item in listed} == {None}
        rows = await web.runtime.postgres.fetch("SELECT secure_value FROM posthog_personalapikey")
        assert all(key["value"] not in row["secure_value"] for row in rows)
        async with web.with_key(key["value"]) as program:
            current = (await program.get("/api/personal_api_keys/@current/")).json()
            assert (current["scopes"], current["scoped_teams"]) == (["query:read"], [web.project_id])
            assert current["last_used_at"] is not None
            assert (await client.delete(f"/api/personal_api_keys/{key['id']}/")).status_code == 204
            assert (await program.get("/api/personal_api_keys/@current")).status_code == 401
        assert (await client.delete(f"/api/personal_api_keys/{key['id']}/")).status_code == 404


@pytest.mark.parametrize(
    ("body", "code", "attr"),
    [
        ({"scopes": ["*"]}, "required", "label"),
        ({"label": "", "scopes": ["*"]}, "blank", "label"),
        ({"label": "x" * 41, "scopes": ["*"]}, "max_length", "label"),
        ({"label": None, "scopes": ["*"]}, "null", "label"),
        ({"label": "x"}, "required", "scopes"),
        ({"label": "x", "scopes": "query:read"}, "not_a_list", "scopes"),
        ({"label": "x", "scopes": []}, "empty", "scopes"),
        ({"label": "x", "scopes": ["everything"]}, "invalid_input", "scopes"),
        ({"label": "x", "scopes": ["*"], "scoped_teams": [0]}, "invalid_input", "scoped_teams"),
        ({"label": "x", "scopes": ["*"], "scoped_teams": ["a"]}, "invalid_input", "scoped_teams__0"),
        ({"label": "x", "scopes": ["*"], "scoped_organizations": ["a"]}, "invalid_input", "scoped_organizations__0"),
    ],
)
async def test_a_key_refused(web: Web, body: dict[str, object], code: str, attr: str) -> None:
    async with web.signed_in() as client:
        answer = await client.post("/api/personal_api_keys/", json=body)
    assert answer.status_code == 400
    assert (answer.json()["type"], answer.json()["code"], answer.json()["attr"]) == ("validation_error", code, attr)


async def test_ten_keys_and_no_more(web: Web) -> None:
    async with web.signed_in() as client:
        made = [
            (await client.post("/api/personal_api_keys/", json={"label": str(n), "scopes": ["*"]})).status_code
            for n in range(10)
        ]
    assert made == [201] * 9 + [400]  # bootstrap made the first


async def test_make_a_project(web: Web) -> None:
    async with web.with_key() as client:
        answer = await client.post(
            "/api/organizations/@current/projects/",
            json={"name": "Shop", "timezone": "Europe/Berlin", "week_start_day": 1, "id": 4, "unknown": True},
        )
        assert answer.status_code == 201
        project = answer.json()
        assert project["id"] not in (4, web.project_id)
        assert project["api_token"].startswith("phc_")
        assert len(project["api_token"]) == 47
        assert (project["timezone"], project["week_start_day"]) == ("Europe/Berlin", 1)
        listed = (await client.get("/api/organizations/@current/projects/?limit=1")).json()
        assert (listed["count"], len(listed["results"])) == (2, 1)
        following = (await client.get(listed["next"])).json()
        assert following["results"][0]["id"] == project["id"]
        assert following["next"] is None
        assert (await client.get("/api/projects?limit=100")).json()["count"] == 2
        assert (await client.get(f"/api/environments/{project['id']}/")).json() == project


async def test_change_a_project(web: Web) -> None:
    filters = [{"key": "email", "value": "@example.com", "operator": "not_icontains", "type": "person"}]
    async with web.with_key() as client:
        path = f"/api/projects/{web.project_id}/"
        before = (await client.get(path)).json()
        body = {
            "name": "Renamed",
            "timezone": "America/New_York",
            "week_start_day": 1,
            "test_account_filters": filters,
            "anonymize_ips": True,
            "cookieless_server_hash_mode": 2,
            "person_processing_opt_out": True,
            "drop_events_older_than_seconds": 86400,
            "heatmaps_opt_in": False,
            "autocapture_opt_out": True,
            "autocapture_exceptions_opt_in": True,
            "autocapture_web_vitals_opt_in": True,
            "autocapture_web_vitals_allowed_metrics": ["LCP"],
            "capture_performance_opt_in": False,
            "capture_dead_clicks": True,
            "api_token": "phc_mine",
        }
        answer = await client.patch(path, json=body)
        assert answer.status_code == 200
        after = answer.json()
        assert {name: after[name] for name in body if name != "api_token"} == {
            name: value for name, value in body.items() if name != "api_token"
        }
        assert after["api_token"] == before["api_token"]
        cleared = (await client.patch(path, json={"test_account_filters": []})).json()
        assert (cleared["test_account_filters"], cleared["name"]) == ([], "Renamed")
        nothing = dict.fromkeys(("heatmaps_opt_in", "drop_events_older_than_seconds", "autocapture_opt_out"))
        assert (await client.patch(path, json={**nothing, "cookieless_server_hash_mode": None})).status_code == 200
        unsaid = (await client.get(path)).json()
        assert {name: unsaid[name] for name in nothing} == nothing
        assert unsaid["cookieless_server_hash_mode"] == 0


@pytest.mark.parametrize(
    ("body", "code", "attr"),
    [
        ({"name": ""}, "blank", "name"),
        ({"name": None}, "null", "name"),
        ({"name": "x" * 201}, "max_length", "name"),
        ({"name": {}}, "invalid_input", "name"),
        ({"name": "a\x00b"}, "null_characters_not_allowed", "name"),
        ({"timezone": "Mars/Phobos"}, "invalid_choice", "timezone"),
        ({"timezone": "../etc/passwd"}, "invalid_choice", "timezone"),
        ({"timezone": ["UTC"]}, "invalid_choice", "timezone"),
        ({"week_start_day": 2}, "invalid_choice", "week_start_day"),
        ({"week_start_day": True}, "invalid_choice", "week_start_day"),
        ({"test_account_filters": {}}, "not_a_list", "test_account_filters"),
        ({"test_account_filters": [1]}, "invalid_input", "test_account_filters__0"),
        ({"test_account_filters": [{"key": "\x00"}]}, "null_characters_not_allowed", "test_account_filters"),
        ({"anonymize_ips": "perhaps"}, "invalid_input", "anonymize_ips"),
        ({"cookieless_server_hash_mode": 3}, "invalid_choice", "cookieless_server_hash_mode"),
        ({"person_processing_opt_out": None}, "null", "person_processing_opt_out"),
        ({"drop_events_older_than_seconds": -1}, "invalid_input", "drop_events_older_than_seconds"),
        ({"drop_events_older_than_seconds": 1.5}, "invalid_input", "drop_events_older_than_seconds"),
        ({"drop_events_older_than_seconds": 2**62}, "invalid_input", "drop_events_older_than_seconds"),
        ({"heatmaps_opt_in": "x"}, "invalid_input", "heatmaps_opt_in"),
        (
            {"autocapture_web_vitals_allowed_metrics": ["FID"]},
            "invalid_choice",
            "autocapture_web_vitals_allowed_metrics",
        ),
        ({"autocapture_web_vitals_allowed_metrics": "LCP"}, "not_a_list", "autocapture_web_vitals_allowed_metrics"),
        ({"week_start_day": 9, "name": ""}, "blank", "name"),
        ([], "invalid_input", None),
    ],
)
async def test_a_setting_refused(web: Web, body: object, code: str, attr: str | None) -> None:
    async with web.with_key() as client:
        answer = await client.patch(f"/api/projects/{web.project_id}/", json=body)
        assert answer.status_code == 400, answer.text
        assert set(answer.json()) == {"type", "code", "detail", "attr"}
        assert (answer.json()["type"], answer.json()["code"], answer.json()["attr"]) == ("validation_error", code, attr)
        assert (await client.get(f"/api/projects/{web.project_id}/")).json()["name"] == "Default project"


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"name": "\\ud800"}', b"nonsense", b"[" * 100_000])
async def test_a_broken_body(web: Web, body: bytes) -> None:
    async with web.with_key() as client:
        answer = await client.patch(f"/api/projects/{web.project_id}/", content=body)
    assert answer.status_code == 400
    assert (answer.json()["type"], answer.json()["code"]) == ("invalid_request", "parse_error")


async def test_a_body_over_the_limit(web: Web) -> None:
    small = replace(web, app=create_app(web.runtime, WebSettings(max_body_bytes=1000)))

    async def chunks():
        for _ in range(20):
            yield b"x" * 100

    async with small.client(Authorization=f"Bearer {web.key}") as client:
        path = f"/api/projects/{web.project_id}/"
        said = await client.patch(path, content=b"x" * 1001)
        unsaid = await client.patch(path, content=chunks())
    for answer in (said, unsaid):
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("path", ["/api/x", "/api/", "/api", "/api/projects/1/nothing", "/api/login/x/"])
async def test_no_such_endpoint(web: Web, path: str) -> None:
    async with web.client() as client:
        for method in ("GET", "POST"):
            answer = await client.request(method, path)
            assert (answer.status_code, answer.json()) == (404, NOT_FOUND)


async def test_another_method(web: Web) -> None:
    async with web.with_key() as client:
        answer = await client.delete(f"/api/projects/{web.project_id}/")
    assert answer.status_code == 405
    assert answer.json() == {
        "type": "invalid_request",
        "code": "method_not_allowed",
        "detail": 'Method "DELETE" not allowed.',
        "attr": None,
    }


async def test_no_route_redirects_and_slashes_are_optional(web: Web) -> None:
    async with web.with_key() as client:
        for route in web.app.routes:
            path = getattr(route, "path", "")
            if not path.startswith("/api/") or "GET" not in getattr(route, "methods", ()) or path.endswith("stream"):
                continue
            named = path.format(project_id=web.project_id, organization_id="@current", key_id="@current")
            bare, slashed = await client.get(named), await client.get(f"{named}/")
            assert bare.status_code == slashed.status_code < 300 or bare.status_code == slashed.status_code == 403, (
                named
            )
            assert bare.text == slashed.text


async def test_forms_are_bodies_too(web: Web) -> None:
    async with web.with_key() as client:
        answer = await client.patch(f"/api/projects/{web.project_id}/", data={"name": "By form", "week_start_day": "1"})
    assert (answer.status_code, answer.json()["name"], answer.json()["week_start_day"]) == (200, "By form", 1)


async def test_with_the_database_away_the_answer_says_so(web: Web) -> None:
    await web.runtime.postgres.close()
    async with web.with_key() as client:
        answer = await client.get("/api/users/@me")
    assert answer.status_code in (500, 503)
    assert answer.json()["type"] == "server_error"


async def test_preflight(web: Web) -> None:
    async with web.client() as client:
        answer = await client.get("/_preflight/")
        assert answer.status_code == 200
        assert (answer.json()["initiated"], answer.json()["db"], answer.json()["redis"]) == (True, True, True)
        assert (await client.get("/_livez")).text == "ok"
