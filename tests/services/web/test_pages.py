"""Pages: who sees them, what a stranger's text may do on them, and that forms work without scripts."""

import re
from html.parser import HTMLParser

import pytest

from services.web.middleware import CONTENT_SECURITY_POLICY
from services.web.pages import safe_next
from services.web.projects.form import TICKS
from tests.support.forms import untouched
from tests.support.web import EMAIL, PASSWORD, Web

pytestmark = pytest.mark.embedded

XSS = "</script><img src=x onerror=alert(1)>\"'"


class Elements(HTMLParser):
    """The tags and attributes of a page, as a browser reads them."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.scripts: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))


def field(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, name
    return found[1]


async def pages(web: Web, client) -> list[str]:
    project = f"/project/{web.project_id}"
    return [
        f"{project}/start",
        f"{project}/activity/live",
        f"{project}/sql",
        f"{project}/settings/project",
        f"{project}/data-management/persons?q=ada@example.com",
        f"{project}/data-management/retention",
        "/settings/user",
    ]


async def test_a_stranger_is_led_to_the_sign_in(web: Web) -> None:
    async with web.client() as client:
        for path in [*await pages(web, client), "/nothing/here", "/"]:
            answer = await client.get(path)
            assert answer.status_code == 302, path
            assert answer.headers["location"].startswith("/login")
        fragment = await client.get("/settings/user", headers={"HX-Request": "true"})
        assert (fragment.status_code, fragment.headers["hx-redirect"]) == (401, "/login?next=%2Fsettings%2Fuser")


async def test_sign_in_as_a_plain_form(web: Web) -> None:
    async with web.client() as client:
        form = await client.get("/login?next=/settings/user")
        sent = {
            "email": EMAIL,
            "csrfmiddlewaretoken": field(form.text, "csrfmiddlewaretoken"),
            "next": "/settings/user",
        }
        wrong = await client.post("/login", data={**sent, "password": "wrong"})
        assert wrong.status_code == 400
        assert "Invalid email or password." in wrong.text
        forged = await client.post("/login", data={**sent, "password": PASSWORD, "csrfmiddlewaretoken": "x" * 64})
        assert forged.status_code == 403
        assert "sessionid" not in client.cookies
        right = await client.post("/login", data={**sent, "password": PASSWORD})
        assert (right.status_code, right.headers["location"]) == (303, "/settings/user")
        page = await client.get("/settings/user")
        assert EMAIL in page.text


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\r\nb", "\\\\x"],
)
def test_after_sign_in_nobody_leaves_for_another_site(target: str) -> None:
    assert safe_next(target) == "/"


async def test_every_page_is_strict_about_scripts(web: Web) -> None:
    async with web.signed_in() as client:
        await client.patch(f"/api/projects/{web.project_id}/", json={"name": XSS})
        await client.patch("/api/users/@me/", json={"first_name": XSS})
        await client.post("/api/personal_api_keys/", json={"label": XSS[:40], "scopes": ["*"]})
        await client.post("/api/projects/", json={"name": XSS})
        for path in [*await pages(web, client), "/nothing"]:
            answer = await client.get(path)
            assert answer.status_code == (404 if path == "/nothing" else 200), path
            assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
            assert "unsafe" not in CONTENT_SECURITY_POLICY
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            found = Elements(answer.text)
            assert not found.tags & {"img", "style", "iframe", "object", "base"}, path
            assert all(src and src.startswith("/static/") for src in found.scripts), path
            assert not [name for name in found.attributes if name.startswith("on") or name == "style"], path


async def test_home_is_the_first_event_and_then_the_live_view(web: Web) -> None:
    async with web.signed_in() as client:
        assert (await client.get("/")).headers["location"].endswith("/start")
        await web.runtime.postgres.execute("UPDATE posthog_team SET ingested_event = true")
        assert (await client.get("/")).headers["location"].endswith("/activity/live")


async def test_settings_as_a_plain_form_and_with_htmx(web: Web) -> None:
    path = f"/project/{web.project_id}/settings/project"
    async with web.signed_in() as client:
        del client.headers["X-CSRFToken"]
        token = field((await client.get(path)).text, "csrfmiddlewaretoken")
        sent = {"csrfmiddlewaretoken": token, "name": "Shop", "timezone": "Asia/Tokyo", "week_start_day": "1"}
        assert (await client.post(path, data={**sent, "csrfmiddlewaretoken": "0"})).status_code == 403
        saved = await client.post(path, data=sent)
        assert (saved.status_code, saved.headers["location"]) == (303, f"{path}?saved=true")
        page = await client.get(saved.headers["location"])
        assert 'value="Asia/Tokyo"' in page.text
        assert "Saved" in page.text
        refused = await client.post(path, data={**sent, "timezone": "Mars/Phobos", "name": "Kept"})
        assert refused.status_code == 400
        assert "not a valid choice" in refused.text
        assert 'value="Kept"' in refused.text
        fragment = await client.post(path, data=sent, headers={"HX-Request": "true", "X-CSRFToken": token})
        assert fragment.status_code == 200
        assert fragment.text.lstrip().startswith("<form")


async def test_the_settings_form_says_what_is_stored_and_stores_what_it_says(web: Web) -> None:
    path, api = f"/project/{web.project_id}/settings/project", f"/api/projects/{web.project_id}"
    changes = {
        "cookieless_server_hash_mode": 2,
        "anonymize_ips": True,
        "person_processing_opt_out": True,
        "heatmaps_opt_in": False,
        "autocapture_opt_out": True,
        "autocapture_web_vitals_opt_in": True,
        "autocapture_web_vitals_allowed_metrics": ["LCP", "CLS"],
        "drop_events_older_than_seconds": 5400,
    }
    async with web.signed_in() as client:
        assert (await client.patch(api, json=changes)).status_code == 200
        before = (await client.get(api)).json()
        sent = untouched((await client.get(path)).text, "settings-form")
        assert sent["drop_events_older_than_hours"] == "1.5"
        assert (await client.post(path, data=sent)).status_code == 303
        after = (await client.get(api)).json()
        assert after["autocapture_web_vitals_allowed_metrics"] == ["CLS", "LCP"]
        for name in ("updated_at", "autocapture_web_vitals_allowed_metrics"):
            del before[name], after[name]
        # a box knows no "not said": that has become "no"
        assert after == {name: False if value is None and name in TICKS else value for name, value in before.items()}

        sent |= {"autocapture": "on", "heatmaps": "asked", "drop_events_older_than_hours": ""}
        del sent["anonymize_ips"]
        assert (await client.post(path, data=sent)).status_code == 303
        changed = (await client.get(api)).json()
        assert (changed["autocapture_opt_out"], changed["anonymize_ips"]) == (False, False)
        assert (changed["heatmaps_opt_in"], changed["drop_events_older_than_seconds"]) == (None, None)
        for name, wrong in (("drop_events_older_than_hours", "soon"), ("heatmaps", "x"), ("name", "")):
            refused = await client.post(path, data={**sent, name: wrong})
            assert refused.status_code == 400, name
            assert 'aria-invalid="true"' in refused.text, name


async def test_a_key_is_shown_once(web: Web) -> None:
    async with web.signed_in() as client:
        token = field((await client.get("/settings/user")).text, "csrfmiddlewaretoken")
        sent = {"csrfmiddlewaretoken": token, "label": "Report", "reach": "read"}
        made = await client.post("/settings/user/keys", data=sent)
        found = re.search(r"phx_\w{43}", made.text)
        assert found
        page = (await client.get("/settings/user")).text
        assert found[0] not in page
        delete = re.search(r"/settings/user/keys/\w+/delete", page)
        assert delete
        gone = await client.post(delete[0], data={"csrfmiddlewaretoken": token})
        assert gone.status_code == 303
        async with web.with_key(found[0]) as program:
            assert (await program.get("/api/users/@me")).status_code == 401


async def test_the_theme_is_remembered(web: Web) -> None:
    async with web.client() as client:
        answer = await client.post("/theme", data={"theme": "dark", "next": "/login"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert 'data-theme="dark"' in (await client.get("/login")).text
        await client.post("/theme", data={"theme": '"><script>'})
        assert 'data-theme="dark"' in (await client.get("/login")).text


async def test_our_own_files_are_kept_by_browsers_until_they_change(web: Web) -> None:
    async with web.client() as client:
        page = (await client.get("/login")).text
        linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
        assert len(linked) >= 3
        for path in linked:
            if "htmx" in path:
                continue
            answer = await client.get(path)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
