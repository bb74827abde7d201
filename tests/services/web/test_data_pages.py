"""The pages about data: who is found, what is shown before it goes, who may, and what is refused."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from libs.kit.access.model import MEMBER
from libs.kit.contracts import topics
from libs.kit.runtime import Runtime
from libs.kit.schema.migrate import migrate
from services.web.jobs.deletions import delete
from services.web.jobs.retention import retain
from services.web.jobs.settings import JobsSettings
from services.web.persons.service import PersonService
from tests.support.captured import captured_new
from tests.support.forms import untouched
from tests.support.pipeline import Workers, drained
from tests.support.web import Web, made

AT_ONCE = JobsSettings(deletion_grace_seconds=0)


@pytest.fixture
async def web(runtime: Runtime) -> Web:
    """Ada, who was `anon` first, with an address, three events and a heatmap point; Bob, who has an old event."""
    await migrate(runtime.postgres, runtime.clickhouse, runtime.settings, runtime.clock)
    await runtime.log.ensure(topics.ALL)
    web = await made(runtime)
    point = {"https://example.com": [{"x": 10, "y": 20, "target_fixed": False, "type": "click"}]}
    heatmap = {"$viewport_width": 100, "$viewport_height": 100, "$heatmap_data": point}
    old = (datetime.now(UTC) - timedelta(days=50)).isoformat()
    said = [
        captured_new(event="a", distinct_id="anon", token=web.token),
        captured_new(
            event="$identify",
            distinct_id="ada",
            token=web.token,
            properties={"$anon_distinct_id": "anon", "$set": {"email": "Ada@Example.com"}},
        ),
        captured_new(event="a", distinct_id="ada", token=web.token),
        captured_new(event="$$heatmap", distinct_id="ada", token=web.token, properties=heatmap),
        captured_new(event="b", distinct_id="<b>bob</b>", token=web.token, timestamp=old),
    ]
    async with Workers(runtime):
        await runtime.log.produce(topics.EVENTS.name, said)
        await drained(runtime)
    return web


def persons(web: Web) -> str:
    return f"/project/{web.project_id}/data-management/persons"


async def test_from_the_search_to_the_end_of_a_deletion(web: Web) -> None:
    async with web.signed_in() as client:
        home = await client.get(f"/project/{web.project_id}/data-management")
        assert home.headers["location"] == persons(web)
        for known in ("anon", "ada", " ada ", "ada@example.com", "ADA@EXAMPLE.COM"):
            found = (await client.get(persons(web), params={"q": known})).text
            assert ">Ada@Example.com</a>" in found, known
        assert "Nobody here has" in (await client.get(persons(web), params={"q": "ad"})).text
        assert "Nobody here has" in (await client.get(persons(web), params={"q": "a\x00b@"})).text
        match = re.search(rf'href="({persons(web)}/[0-9a-f-]+)"', found)
        assert match
        page = (await client.get(match[1])).text
        assert "<dd>3, " in page
        assert "<dt>Heatmap points</dt><dd>1</dd>" in page
        exported = re.search(r'href="(/api/[^"]+/export)"', page)
        assert exported
        lines = (await client.get(exported[1])).text.splitlines()
        assert [line[9:20].split('"')[0] for line in lines] == ["person", "event", "event", "event", "heatmap_poi"]

        sent = untouched(page, "delete-form")
        assert sent["what"] == "everything"
        for wrong in (sent, {**sent, "sure": "on", "what": "all"}):
            refused = await client.post(match[1], data=wrong)
            assert (refused.status_code, 'role="alert"' in refused.text) == (400, True)
        forged = await client.post(
            match[1], data={**sent, "sure": "on", "csrfmiddlewaretoken": "0"}, headers={"X-CSRFToken": ""}
        )
        assert forged.status_code == 403
        asked = await client.post(match[1], data={**sent, "sure": "on"})
        assert (asked.status_code, asked.headers["location"]) == (303, f"{persons(web)}?asked=true")
        assert "4 events and heatmap points left" in (await client.get(asked.headers["location"])).text
        assert (await client.get(match[1])).status_code == 404
        assert (await client.post(match[1], data={**sent, "sure": "on"})).status_code == 404

        await delete(web.runtime, AT_ONCE)
        status = await client.get(persons(web).replace("persons", "deletions"))
        assert "hx-trigger" in status.text
        assert "Nothing is left." in status.text
        await delete(web.runtime, AT_ONCE)
        done = (await client.get(persons(web).replace("persons", "deletions"))).text
        assert "done" in done
        assert "hx-trigger" not in done
        assert "Ada" not in done
        assert "anon" not in done
        assert "ada@example.com" in done  # who is signed in has asked for it


async def test_text_of_strangers_and_paths_that_lead_nowhere(web: Web) -> None:
    async with web.signed_in() as client:
        found = (await client.get(persons(web), params={"q": "<b>bob</b>"})).text
        assert "<b>bob" not in found
        assert "&lt;b&gt;bob&lt;/b&gt;</a>" in found
        for path in ("x", "00000000-0000-0000-0000-000000000000"):
            assert (await client.get(f"{persons(web)}/{path}")).status_code == 404
        project, _ = await web.add_foreign_project()
        for page in ("persons", "retention", "deletions"):
            assert (await client.get(f"/project/{project}/data-management/{page}")).status_code == 403
    async with web.with_key() as program:  # a key opens no pages
        assert (await program.get(persons(web))).status_code == 302


async def test_the_api_finds_by_address_too(web: Web) -> None:
    path = f"/api/projects/{web.project_id}/persons/"
    async with web.with_key() as client:
        [ada] = (await client.get(path, params={"email": "ada@EXAMPLE.com"})).json()["results"]
        assert ada["distinct_ids"] == ["ada", "anon"]
        assert (await client.get(path, params={"email": "bob@example.com"})).json()["count"] == 0


async def test_an_address_that_somebody_once_had_finds_nobody(web: Web) -> None:
    change = {"$set": {"email": "new@example.com"}}
    async with Workers(web.runtime):
        await web.runtime.log.produce(
            topics.EVENTS.name, [captured_new(distinct_id="ada", token=web.token, properties=change)]
        )
        await drained(web.runtime)
    service: PersonService = web.app.state.persons
    assert await service.find(web.project_id, email="ada@example.com") == []
    [ada] = await service.find(web.project_id, email="new@example.com")
    assert await service.find(web.project_id + 1, email="new@example.com") == []
    assert "anon" in ada.distinct_ids


async def test_retention_says_what_would_go_before_it_is_saved(web: Web) -> None:
    path, api = f"/project/{web.project_id}/data-management/retention", f"/api/projects/{web.project_id}/retention"
    async with web.signed_in() as client:
        page = (await client.get(path)).text
        assert "Nothing has gone." in page
        sent = untouched(page, "retention-form")
        for wrong in ({"days": "soon"}, {"days": "0"}, {"event-0": "a", "days-0": ""}, {"days": "9" * 30}):
            refused = await client.post(path, data={**sent, **wrong})
            assert (refused.status_code, "whole number" in refused.text) == (400, True), wrong
        # nothing is older than that: saved at once, with room for another line
        saved = await client.post(path, data={**sent, "days": "365", "event-0": "a", "days-0": "30"})
        assert saved.status_code == 303
        assert (await client.get(api)).json()["events"] == {"a": 30}
        sent = untouched((await client.get(path)).text, "retention-form")
        assert (sent["event-0"], sent["days-0"], sent["event-1"]) == ("a", "30", "")

        asked = await client.post(path, data={**sent, "days": "40"})
        assert "<strong>1</strong> of all other events" in asked.text
        assert (await client.get(api)).json()["days"] == 365
        sure = await client.post(path, data={**sent, "days": "40", "sure": "on"})
        assert sure.status_code == 303
        assert (await client.get(api)).json()["days"] == 40
        fragment = await client.post(path, data={**sent, "days": "40"}, headers={"HX-Request": "true"})
        assert fragment.text.lstrip().startswith("<form")
        assert "With the next nightly run these go" in fragment.text

        await retain(web.runtime, JobsSettings(events_disk_budget_bytes=2**30))
        page = (await client.get(path)).text
        assert "Last run: " in page
        assert "<td>all other events</td>" in page
        assert "1.0 GiB; beyond it" in page
        cleared = {name: "" for name in sent if name.startswith(("days", "event"))}
        assert (await client.post(path, data={**sent, **cleared})).status_code == 303
        assert (await client.get(api)).json()["days"] is None


async def test_a_member_sees_the_rules_and_may_not_change_them(web: Web) -> None:
    await web.add_user("eve@example.com", level=MEMBER)
    path = f"/project/{web.project_id}/data-management/retention"
    async with web.signed_in("eve@example.com") as client:
        page = (await client.get(path)).text
        assert "Only admins" in page
        assert "<button" not in page[page.index("retention-form") : page.index("What went")]
        sent = untouched(page, "retention-form")
        assert (await client.post(path, data={**sent, "days": "1"})).status_code == 403
        answer = await client.put(f"/api/projects/{web.project_id}/retention", json={"days": 1})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
