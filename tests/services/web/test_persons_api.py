"""Persons over the API: found, exported, deleted, and never another project's."""

import asyncio
import json
from uuid import UUID, uuid4

import httpx
import pytest

from libs.kit.contracts import topics
from libs.kit.runtime import Runtime
from libs.kit.schema.migrate import migrate
from services.web.jobs.deletions import delete
from services.web.jobs.settings import JobsSettings
from tests.support.captured import captured_new
from tests.support.pipeline import Workers, drained
from tests.support.web import Web, made


@pytest.fixture
async def web(runtime: Runtime) -> Web:
    """A web app over both databases, with events of two persons; ada was `anon` first."""
    await migrate(runtime.postgres, runtime.clickhouse, runtime.settings, runtime.clock)
    await runtime.log.ensure(topics.ALL)
    web = await made(runtime)
    said = [("anon", "a", {}), ("ada", "$identify", {"$anon_distinct_id": "anon", "$set": {"email": "ada@x.org"}})]
    records = [
        captured_new(event=event, distinct_id=name, token=web.token, properties=properties)
        for name, event, properties in (*said, ("bob", "b", {}))
    ]
    async with Workers(runtime):
        await runtime.log.produce(topics.EVENTS.name, records)
        await drained(runtime)
    return web


async def found(client: httpx.AsyncClient, web: Web, distinct_id: str) -> list[dict[str, object]]:
    answer = await client.get(f"/api/projects/{web.project_id}/persons/", params={"distinct_id": distinct_id})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, object]] = answer.json()["results"]
    return results


async def test_find_export_delete(web: Web) -> None:
    base = f"/api/projects/{web.project_id}/persons"
    async with web.with_key() as client:
        [ada] = await found(client, web, "anon")
        assert (ada["name"], ada["distinct_ids"], ada["is_identified"]) == ("ada@x.org", ["ada", "anon"], True)
        assert (await client.get(f"{base}/{ada['uuid']}")).json() == ada

        exported = await client.get(f"{base}/{ada['uuid']}/export")
        assert "attachment" in exported.headers["content-disposition"]
        lines = [json.loads(line) for line in exported.text.splitlines()]
        assert lines[0] == {"type": "person", **ada}
        assert {(line["event"], line["distinct_id"]) for line in lines[1:]} == {("a", "anon"), ("$identify", "ada")}
        assert json.loads(lines[-1]["properties"])

        assert (await client.delete(f"{base}/{ada['uuid']}/?delete_events=true")).status_code == 202
        assert (await client.get(f"{base}/{ada['uuid']}")).status_code == 404
        assert await found(client, web, "ada") == []
        assert len(await found(client, web, "bob")) == 1
    await delete(web.runtime, JobsSettings())
    left = await web.runtime.clickhouse.query("SELECT distinct_id FROM events")
    assert [list(row) for row in left.rows] == [["bob"]]


async def test_bulk(web: Web) -> None:
    path = f"/api/projects/{web.project_id}/persons/bulk_delete/"
    async with web.with_key() as client:
        for body, says in (
            ({}, "either distinct_ids or ids"),
            ({"ids": [], "distinct_ids": []}, "not both"),
            ({"ids": [str(uuid4())] * 1001}, "1000"),
            ({"ids": ["x"]}, "UUID"),
            ({"distinct_ids": "ada"}, "list"),
            ({"distinct_ids": [None]}, "null"),
        ):
            answer = await client.post(path, json=body)
            assert (answer.status_code, says in answer.text) == (400, True), answer.text
        answer = await client.post(path, json={"distinct_ids": ["ada", "bob", "nobody"]})
        assert answer.status_code == 202
        assert [await found(client, web, name) for name in ("ada", "anon", "bob")] == [[], [], []]


async def test_who_may(web: Web) -> None:
    [bob] = await found(web.with_key(), web, "bob")
    path = f"/api/projects/{web.project_id}/persons/{bob['uuid']}"
    reader = await web.add_key(scopes=["person:read"])
    async with web.with_key(reader) as client:
        assert (await client.get(path)).status_code == 200
        assert (await client.delete(path)).status_code == 403
    async with web.with_key(await web.add_key(scopes=["query:read"])) as client:
        assert (await client.get(path)).status_code == 403
        assert (await client.get(f"{path}/export")).status_code == 403
    async with web.client() as client:
        assert (await client.get(path)).status_code == 401
    async with web.with_key() as client:
        other = (await client.post("/api/organizations/@current/projects/", json={"name": "Other"})).json()
        assert (await client.get(f"/api/projects/{other['id']}/persons/{bob['uuid']}")).status_code == 404
        assert (await client.get(path.replace(str(bob["uuid"]), "x"))).status_code == 400
        assert (await client.get(f"/api/projects/{web.project_id}/persons")).status_code == 400


async def test_two_that_delete_and_one_that_sends_at_once(web: Web) -> None:
    path = f"/api/projects/{web.project_id}/persons"
    async with web.with_key() as client, Workers(web.runtime):
        [bob] = await found(client, web, "bob")
        sending = web.runtime.log.produce(
            topics.EVENTS.name, [captured_new(distinct_id="bob", token=web.token) for _ in range(20)]
        )
        answers = await asyncio.gather(
            client.delete(f"{path}/{bob['uuid']}"), client.delete(f"{path}/{bob['uuid']}"), sending
        )
        assert {answer.status_code for answer in answers[:2] if answer is not None} <= {202, 404}
        await drained(web.runtime)
    rows = await web.runtime.postgres.fetch("SELECT key FROM posthog_asyncdeletion")
    assert {UUID(row["key"]) for row in rows} == {UUID(str(bob["uuid"]))}


async def test_retention(web: Web) -> None:
    path = f"/api/projects/{web.project_id}/retention"
    async with web.with_key() as client:
        assert (await client.get(path)).json() == {"days": None, "events": {}, "applied": []}
        answer = await client.put(path, json={"days": 90, "events": {"$pageview": 30}})
        assert answer.status_code == 200, answer.text
        assert (await client.get(path)).json()["events"] == {"$pageview": 30}
        assert (await client.put(path, json={"days": -1})).status_code == 400
        assert (await client.get(path)).json()["days"] == 90
        assert (await client.put(path, json={})).json()["days"] is None
    async with web.with_key(await web.add_key(scopes=["project:read"])) as client:
        assert (await client.put(path, json={})).status_code == 403
