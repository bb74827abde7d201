"""Events followed through real engines, from capture's answer to the row, and where they end otherwise."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from libs.kit.contracts import topics
from libs.kit.eventlog import NewRecord
from libs.kit.runtime import Runtime
from libs.kit.schema.migrate import migrate
from services.capture.asgi import CaptureEndpoint
from services.capture.intake import Intake
from services.capture.policies.policies import Policies
from services.capture.settings import CaptureSettings
from services.cdp.ingestion import worker as ingestion
from services.cdp.writer import worker as writer
from tests.support import web as support
from tests.support.pipeline import QUICK_INGESTION, QUICK_WRITER, Workers, drained, lag, until
from tests.support.web import Web

pytestmark = pytest.mark.embedded
RESTRICTIONS = "event_ingestion_restriction_dynamic_config:"


@dataclass
class Following:
    """The web app and capture over the same engines."""

    web: Web
    policies: Policies
    capture: httpx.AsyncClient
    api: httpx.AsyncClient

    async def send(self, event: str = "a", *, token: str | None = None, **properties: Any) -> str:
        """An event, accepted; its uuid."""
        uuid = str(uuid4())
        body = {
            "api_key": token or self.web.token,
            "event": event,
            "distinct_id": "u",
            "uuid": uuid,
            "properties": properties,
        }
        assert (await self.capture.post("/e/", json=body)).status_code == 200
        return uuid

    async def trace(self, uuid: str) -> tuple[int, dict[str, Any]]:
        answer = await self.api.get(f"/api/projects/{self.web.project_id}/ingestion/trace", params={"uuid": uuid})
        return answer.status_code, answer.json()

    async def status(self, uuid: str) -> str:
        code, said = await self.trace(uuid)
        return str(said["status"]) if code == 200 else str(code)


@pytest.fixture
async def following(runtime: Runtime) -> AsyncIterator[Following]:
    await migrate(runtime.postgres, runtime.clickhouse, runtime.settings, runtime.clock)
    web = await support.made(runtime)
    settings = CaptureSettings()
    policies = Policies(runtime.state, runtime.clock, settings)
    intake = Intake(runtime.log, runtime.clock, settings, policies)
    endpoint = CaptureEndpoint(intake)
    transport = httpx.ASGITransport(endpoint)  # type: ignore[arg-type]  # httpx types scopes as dicts
    async with httpx.AsyncClient(transport=transport, base_url="http://capture") as capture, web.with_key() as api:
        yield Following(web, policies, capture, api)
    await intake.close()


@asynccontextmanager
async def working(run: Any, runtime: Runtime, settings: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(runtime, settings, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_an_event_is_followed_to_its_row(following: Following) -> None:
    runtime = following.web.runtime
    uuid = await following.send()
    code, said = await following.trace(uuid.upper())
    assert (code, said["status"], said["reason"]) == (200, "queued", None)
    assert [stage["stage"] for stage in said["stages"]] == ["accepted", "queued"]
    assert (said["stages"][0]["topic"], said["stages"][0]["offset"]) == (topics.EVENTS.name, 0)

    async with working(ingestion.run, runtime, QUICK_INGESTION):

        async def taken() -> bool:
            return not await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP)

        await until(taken)
    code, said = await following.trace(uuid)
    assert said["status"] == "processed"
    assert said["stages"][-1]["topic"] == topics.STORED_EVENTS.name

    async with working(writer.run, runtime, QUICK_WRITER):
        await drained(runtime)
    code, said = await following.trace(uuid)
    assert (code, said["uuid"], said["status"]) == (200, uuid, "written")
    assert [stage["stage"] for stage in said["stages"]] == ["accepted", "processed", "written"]
    times = [stage["at"] for stage in said["stages"]]
    assert times == sorted(times)
    assert said["looked_at"] == [{"place": "clickhouse.events"}]


async def test_drops_say_where_and_why(following: Following) -> None:
    runtime = following.web.runtime
    rule = [{"token": following.web.token, "event_names": ["unwanted"]}]
    await runtime.state.set(RESTRICTIONS + "drop_event_from_ingestion", json.dumps(rule))
    await following.policies.refresh()
    at_capture = await following.send("unwanted")
    await following.policies.refresh()
    code, said = await following.trace(at_capture)
    assert (code, said["status"], said["step"], said["reason"]) == (
        200,
        "dropped",
        "capture",
        "event_restriction_drop",
    )
    reason = "invalid_event_when_process_person_profile_is_false"
    at_ingestion = await following.send("$identify", **{"$process_person_profile": False})
    async with Workers(runtime):
        await drained(runtime)
    code, said = await following.trace(at_ingestion)
    assert (said["status"], said["step"], said["reason"], said["warnings"]) == (
        "dropped",
        "ingestion",
        reason,
        [reason],
    )
    await runtime.state.delete(f"dropped:team:{following.web.project_id}")
    code, said = await following.trace(at_ingestion)  # the warning alone tells it too
    assert (said["status"], said["step"], said["reason"]) == ("dropped", "ingestion", reason)

    await following.policies.refresh()
    answer = await following.api.get("/api/projects/@current/ingestion/outcomes?hours=2")
    counted = {(one["step"], one["result"], one["reason"]): one["events"] for one in answer.json()["results"]}
    assert counted == {
        ("capture", "accepted", ""): 1,
        ("capture", "dropped", "event_restriction_drop"): 1,
        ("ingestion", "dropped", reason): 1,
    }
    assert (await following.api.get("/api/projects/@current/ingestion/outcomes?hours=0")).status_code == 400


async def test_what_a_project_refuses_is_followed(following: Following) -> None:
    runtime, api = following.web.runtime, following.api
    path = f"/api/projects/{following.web.project_id}"
    noise = {"type": "condition", "field": "event_name", "operator": "exact", "value": "noise"}
    required = {"events": {"bought": {"amount": ["Numeric"]}}}
    assert (await api.put(f"{path}/required_properties", json=required)).status_code == 200
    sent: dict[str, str] = {}
    for mode in ("dry_run", "live"):
        saved = await api.post(f"{path}/event_filter/", json={"mode": mode, "filter_tree": noise})
        assert saved.status_code == 200
        sent[mode] = await following.send("noise")
        sent[f"bought {mode}"] = await following.send("bought", amount="2.5" if mode == "dry_run" else "much")
        async with Workers(runtime):
            await drained(runtime)
    assert [await following.status(sent[name]) for name in ("dry_run", "bought dry_run")] == ["written", "written"]
    _, said = await following.trace(sent["live"])
    assert (said["status"], said["step"], said["reason"]) == ("dropped", "ingestion", "event_filter")
    _, said = await following.trace(sent["bought live"])
    reason = "schema_validation_failed"
    assert (said["status"], said["reason"], said["warnings"]) == ("dropped", reason, [reason])
    answer = await api.get(f"{path}/ingestion/outcomes")
    counted = {(one["result"], one["reason"]): one["events"] for one in answer.json()["results"]}
    assert counted == {("would_drop", "event_filter"): 1, ("dropped", "event_filter"): 1, ("dropped", reason): 1}
    await runtime.state.delete(f"dropped:team:{following.web.project_id}")
    _, said = await following.trace(sent["bought live"])  # the warning alone tells it too
    assert (said["status"], said["step"], said["reason"]) == ("dropped", "ingestion", reason)


async def test_dead_letters_of_each_step(following: Following) -> None:
    runtime = following.web.runtime
    uuid, late = str(uuid4()), str(uuid4())
    headers = (("token", following.web.token.encode()), ("uuid", uuid.encode()))
    await runtime.log.produce(topics.EVENTS.name, [NewRecord(b"k", b"no event", headers)])
    stored = support.stored_record("a", following.web.project_id, "u", "{}")
    value = stored.value.replace(stored.key or b"-", late.encode())
    broken = NewRecord(late.encode(), value, (("dlq_reason", b"r"), ("dlq_step", b"insert")))
    await runtime.log.produce(topics.DEAD_LETTERS.name, [broken])
    async with Workers(runtime):
        await drained(runtime)
    code, said = await following.trace(uuid)
    assert (code, said["status"], said["step"], said["reason"]) == (
        200,
        "dead_letter",
        "parse",
        "failed_parse_message",
    )
    code, said = await following.trace(late)
    assert (code, said["status"], said["step"], said["reason"]) == (200, "dead_letter", "insert", "r")


async def test_overflow_and_imports_are_followed_too(following: Following) -> None:
    runtime = following.web.runtime
    rule = [{"token": following.web.token}]
    await runtime.state.set(RESTRICTIONS + "force_overflow_from_ingestion", json.dumps(rule))
    await following.policies.refresh()
    overflowed, imported = await following.send(), str(uuid4())
    event = {"event": "a", "distinct_id": "u", "uuid": imported}
    body = {"api_key": following.web.token, "historical_migration": True, "batch": [event]}
    await following.capture.post("/batch/", json=body)
    for uuid, topic in ((overflowed, topics.OVERFLOW.name), (imported, topics.HISTORICAL.name)):
        code, said = await following.trace(uuid)
        assert (code, said["status"], said["stages"][0]["topic"]) == (200, "queued", topic)
    async with Workers(runtime):
        await drained(runtime)
    assert [await following.status(uuid) for uuid in (overflowed, imported)] == ["written", "written"]
    result = await runtime.clickhouse.query("SELECT toString(uuid), historical_migration FROM events")
    assert dict(result.rows) == {overflowed: False, imported: True}


async def test_what_is_not_found_says_where_it_was_looked_for(following: Following) -> None:
    code, said = await following.trace(str(uuid4()))
    assert (code, said["code"]) == (404, "not_found")
    assert {look["place"] for look in said["looked_at"]} == {
        "state.dropped",
        *(topic.name for topic in topics.CAPTURED),
        topics.STORED_EVENTS.name,
        topics.DEAD_LETTERS.name,
        "clickhouse.ingestion_warnings",
        "clickhouse.events",
    }
    assert all(look.get("reached_end", True) for look in said["looked_at"])
    for wrong in ("", "nope"):
        code, said = await following.trace(wrong)
        assert (code, said["attr"]) == (400, "uuid")


async def test_a_place_that_cannot_be_looked_at_is_named(following: Following) -> None:
    await following.web.runtime.clickhouse.execute("DROP TABLE events")
    uuid = await following.send()
    code, said = await following.trace(uuid)
    assert (code, said["status"]) == (200, "queued")
    assert [look["place"] for look in said["looked_at"] if "error" in look] == ["clickhouse.events"]
    code, said = await following.trace(str(uuid4()))
    assert (code, said["code"]) == (503, "unavailable")


async def test_only_the_projects_own_events_and_only_with_the_scope(following: Following) -> None:
    web = following.web
    foreign, _ = await web.add_foreign_project()
    row = await web.runtime.postgres.fetch_one("SELECT api_token FROM posthog_team WHERE id = $1", foreign)
    assert row
    theirs = await following.send(token=row["api_token"])
    assert await following.status(theirs) == "404"
    async with Workers(web.runtime):
        await drained(web.runtime)
    assert await following.status(theirs) == "404"
    path = f"/api/projects/{web.project_id}/ingestion/trace?uuid={theirs}"
    assert (await following.api.get(path.replace(str(web.project_id), str(foreign), 1))).status_code == 403
    async with web.with_key(await web.add_key(scopes=["query:read"])) as other:
        assert (await other.get(path)).status_code == 403
    async with web.client() as stranger:
        assert (await stranger.get(path)).status_code == 401
