"""Who may do what: keys, scopes, teams, organizations, with PostHog's words."""

import pytest

from libs.kit.access.model import ADMIN, MEMBER
from tests.support.web import Web

pytestmark = pytest.mark.embedded


def refused(answer, status: int, detail: str, code: str = "permission_denied") -> None:
    assert answer.json() == {"type": "authentication_error", "code": code, "detail": detail, "attr": None}
    assert answer.status_code == status


async def test_without_a_credential(web: Web) -> None:
    async with web.client() as client:
        for path in (f"/api/projects/{web.project_id}/", "/api/users/@me", "/api/personal_api_keys", "/api/projects/"):
            answer = await client.get(path)
            refused(answer, 401, "Authentication credentials were not provided.", "not_authenticated")
            assert "Bearer" in answer.headers["www-authenticate"]


async def test_a_key_is_found_in_three_places_and_only_the_first_counts(web: Web) -> None:
    path = f"/api/projects/{web.project_id}/"
    async with web.client() as client:
        good, bad = web.key, "phx_" + "0" * 40
        assert (await client.get(path, headers={"Authorization": f"Bearer {good}"})).status_code == 200
        assert (await client.get(path, params={"personal_api_key": good})).status_code == 200
        assert (await client.patch(path, json={"personal_api_key": good})).status_code == 200
        for place, answer in (
            ("Authorization header", await client.get(path, headers={"Authorization": f"Bearer {bad}"})),
            ("request body", await client.patch(path, json={"personal_api_key": bad})),
            ("query string", await client.get(path, params={"personal_api_key": bad})),
            (
                "Authorization header",
                await client.get(path, params={"personal_api_key": good}, headers={"Authorization": f"Bearer {bad}"}),
            ),
        ):
            refused(answer, 401, f"Personal API key found in request {place} is invalid.", "authentication_failed")


async def test_a_project_token_is_not_a_key(web: Web) -> None:
    async with web.with_key(web.token) as client:
        assert (await client.get(f"/api/projects/{web.project_id}")).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "read", "write"),
    [
        (["*"], 200, 200),
        ([], 200, 200),
        (["project:read"], 200, "project:write"),
        (["project:write"], 200, 200),
        (["query:read"], "project:read", "project:write"),
    ],
)
async def test_scopes(web: Web, scopes: list[str], read: int | str, write: int | str) -> None:
    async with web.with_key(await web.add_key(scopes=scopes)) as client:
        path = f"/api/projects/{web.project_id}/"
        for expected, answer in ((read, await client.get(path)), (write, await client.patch(path, json={"name": "N"}))):
            if isinstance(expected, str):
                refused(answer, 403, f"API key missing required scope '{expected}'")
            else:
                assert answer.status_code == expected


async def test_a_key_scoped_to_a_project(web: Web) -> None:
    async with web.with_key() as client:
        other = (await client.post("/api/projects/", json={"name": "Second"})).json()["id"]
    async with web.with_key(await web.add_key(scopes=["*"], teams=[other])) as client:
        assert (await client.get(f"/api/projects/{other}/")).status_code == 200
        refused(
            await client.get(f"/api/projects/{web.project_id}/"),
            403,
            f"API key does not have access to the requested project: ID {web.project_id}.",
        )
        refused(
            await client.get("/api/organizations/@current/"),
            403,
            "API keys with scoped projects are only supported on project-based endpoints.",
        )
        assert (await client.get("/api/users/@me/")).status_code == 200


async def test_a_key_scoped_to_an_organization(web: Web) -> None:
    _, organization = await web.add_foreign_project()
    async with web.with_key() as client:
        own = (await client.get("/api/organizations/@current")).json()["id"]
    async with web.with_key(await web.add_key(scopes=["*"], organizations=[organization])) as client:
        detail = f"API key does not have access to the requested organization: ID {own}."
        refused(await client.get(f"/api/projects/{web.project_id}/"), 403, detail)
        refused(await client.get(f"/api/organizations/{own}/"), 403, detail)
        assert (await client.get("/api/users/@me/")).status_code == 200


async def test_somebody_elses_project(web: Web) -> None:
    project, organization = await web.add_foreign_project()
    async with web.signed_in() as client:
        refused(await client.get(f"/api/projects/{project}/"), 403, "You don't have access to the project.")
        assert (await client.get(f"/api/organizations/{organization}/")).status_code == 403
        page = await client.get(f"/project/{project}/activity/live")
        assert page.status_code == 403
        assert "Theirs" not in page.text


@pytest.mark.parametrize(
    "project", ["999999", "0", "99999999999999999999", "abc", "phc_unknown", "@me", "-1", "1.5", "%00"]
)
async def test_no_such_project(web: Web, project: str) -> None:
    async with web.with_key() as client:
        answer = await client.get(f"/api/projects/{project}/")
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "invalid_request",
        "code": "not_found",
        "detail": "Project not found.",
        "attr": None,
    }


async def test_current_project_and_its_aliases(web: Web) -> None:
    async with web.with_key() as client:
        answers = [
            (await client.get(f"/api/{prefix}/{name}{slash}")).json()
            for prefix in ("projects", "environments")
            for name in ("@current", str(web.project_id), web.token)
            for slash in ("", "/")
        ]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["api_token"] == web.token


@pytest.mark.parametrize(("level", "status"), [(MEMBER, 403), (ADMIN, 201), (None, 404)])
async def test_only_admins_make_projects(web: Web, level: int | None, status: int) -> None:
    await web.add_user("eve@example.com", level=level)
    async with web.signed_in("eve@example.com") as client:
        answer = await client.post("/api/organizations/@current/projects/", json={"name": "Mine"})
        assert answer.status_code == status
        if level == MEMBER:
            refused(answer, 403, "Your organization access level is insufficient.")
            assert (await client.patch(f"/api/projects/{web.project_id}/", json={"name": "x"})).status_code == 200


async def test_keys_are_made_by_people_only(web: Web) -> None:
    async with web.with_key() as client:
        for answer in (
            await client.get("/api/personal_api_keys/"),
            await client.post("/api/personal_api_keys/", json={"label": "x", "scopes": ["*"]}),
            await client.delete("/api/personal_api_keys/whatever"),
        ):
            refused(answer, 403, "This action does not support personal API key access")


async def test_making_a_key_needs_a_fresh_sign_in(web: Web) -> None:
    async with web.signed_in() as client:
        (name,) = [key async for key in web.runtime.state.scan_iter("session:*")]
        stored = await web.runtime.state.get(name)
        assert stored
        year = stored.index(b'"authenticated_at":"') + len(b'"authenticated_at":"')
        await web.runtime.state.set(name, stored[:year] + b"2020" + stored[year + 4 :])
        answer = await client.post("/api/personal_api_keys/", json={"label": "x", "scopes": ["*"]})
        refused(
            answer,
            403,
            "This action requires you to be recently authenticated.",
            "sensitive_action_required_reauth",
        )


async def test_a_stale_cookie_does_not_stand_in_the_way_of_a_key(web: Web) -> None:
    async with web.with_key() as client:
        client.cookies.set("sessionid", "gone")
        assert (await client.get("/api/users/@me")).status_code == 200
