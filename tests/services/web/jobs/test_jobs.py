"""Jobs against real engines: what is asked to go is gone from both databases, and nothing else is."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from libs.kit.contracts import topics
from libs.kit.runtime import Runtime
from services.web.jobs.deletions import delete
from services.web.jobs.reports import newest
from services.web.jobs.retention import retain
from services.web.jobs.settings import JobsSettings
from services.web.jobs.squash import squash
from services.web.jobs.worker import run
from services.web.persons.repository import PersonRepository
from services.web.persons.service import PersonService
from services.web.retention.repository import RetentionRepository
from tests.support.captured import captured_new
from tests.support.pipeline import QUICK_INGESTION, Workers, drained, prepare, stored, until

AT_ONCE = JobsSettings(deletion_seconds=0.2, deletion_grace_seconds=0, squash_min_age_hours=0, poll_seconds=0.1)


def said(distinct_id: str, event: str = "a", timestamp: str = "2026-11-01T10:00:00Z", **properties: Any) -> Any:
    return captured_new(event=event, distinct_id=distinct_id, timestamp=timestamp, properties=properties)


async def send(runtime: Runtime, *records: Any) -> None:
    await runtime.log.produce(topics.EVENTS.name, records)
    await drained(runtime)


async def rows(runtime: Runtime, sql: str, **params: Any) -> list[list[Any]]:
    return [list(row) for row in (await runtime.clickhouse.query(sql, params)).rows]


async def person_of(runtime: Runtime, distinct_id: str) -> UUID:
    [person] = await PersonRepository(runtime.postgres).find(1, distinct_ids=[distinct_id])
    return person.uuid


async def test_a_deleted_person_is_gone_with_all_events_and_only_these(runtime: Runtime) -> None:
    await prepare(runtime)
    repository = PersonRepository(runtime.postgres)
    async with Workers(runtime):
        await send(runtime, said("anon"), said("ada", "$identify", **{"$anon_distinct_id": "anon"}))
        await send(runtime, *(said("ada") for _ in range(5)), *(said("bob") for _ in range(3)))
        ada = await person_of(runtime, "ada")
        assert await repository.request_deletion(1, [ada], events=True, keep_person=False) == [ada]
        assert await repository.find(1, uuids=[ada]) == []
        assert await delete(runtime, JobsSettings()) == 0  # told and deleted, but some may still be under way
        await drained(runtime)
        assert await rows(runtime, "SELECT distinct_id, count() FROM events GROUP BY 1") == [["bob", 3]]
        assert await delete(runtime, AT_ONCE) == 1
        await drained(runtime)
        assert await delete(runtime, AT_ONCE) == 0
        for table in ("person_distinct_id2", "person_distinct_id_overrides"):
            found = await rows(runtime, f"SELECT DISTINCT distinct_id FROM {table}")
            assert found in ([["bob"]], []), table
        assert await rows(runtime, "SELECT count() FROM person WHERE id = {id:UUID}", id=str(ada)) == [[0]]
        left = await runtime.postgres.fetch("SELECT distinct_id FROM posthog_persondistinctid")
        assert [row["distinct_id"] for row in left] == ["bob"]
        asked = await runtime.postgres.fetch("SELECT distinct_ids, delete_verified_at FROM posthog_asyncdeletion")
        assert [(row["distinct_ids"], row["delete_verified_at"] is None) for row in asked] == [([], False)]
        assert [said for _, said in await newest(runtime.postgres, "deletions", 1)] == [{"persons": 1}]
        # somebody new, who happens to have the same distinct id
        await send(runtime, said("ada", **{"$set": {"new": True}}))
        [back] = await repository.find(1, distinct_ids=["ada"])
        assert back.properties["new"] is True
        assert "anon" not in back.distinct_ids
    alive = "SELECT argMax(is_deleted, version) FROM person WHERE id = {id:UUID}"
    assert await rows(runtime, alive, id=str(back.uuid)) == [[0]]


async def test_who_comes_back_before_the_deletion_is_done_stays(runtime: Runtime) -> None:
    await prepare(runtime)
    repository = PersonRepository(runtime.postgres)
    async with Workers(runtime):
        await send(runtime, said("ada", **{"$set": {"old": 1}}))
        ada = await person_of(runtime, "ada")
        await repository.request_deletion(1, [ada], events=True, keep_person=False)
        await asyncio.sleep(1.1)  # arrival is known to the second
        await send(runtime, said("ada", "again", **{"$set": {"new": 1}}))
        await delete(runtime, AT_ONCE)
        await drained(runtime)
        assert await delete(runtime, AT_ONCE) == 1
    assert await rows(runtime, "SELECT event FROM events") == [["again"]]
    [back] = await repository.find(1, distinct_ids=["ada"])
    assert set(back.properties) >= {"new"}
    assert "old" not in back.properties
    newest_row = await rows(runtime, "SELECT argMax(is_deleted, version) FROM person WHERE id = {id:UUID}", id=str(ada))
    assert newest_row == [[0]]


async def test_what_was_made_of_events_goes_with_them(runtime: Runtime) -> None:
    await prepare(runtime)
    point = {"https://example.com": [{"x": 10, "y": 20, "target_fixed": False, "type": "click"}]}
    async with Workers(runtime):
        for number, name in enumerate(("ada", "bob")):
            about = {"$session_id": f"0190a1b2-0000-7000-8000-00000000000{number}", "$viewport_width": 100}
            await send(runtime, said(name, "$pageview", **about))
            await send(runtime, said(name, "$$heatmap", **about, **{"$viewport_height": 100, "$heatmap_data": point}))
        heatmaps = "SELECT distinct_id FROM heatmaps ORDER BY 1"
        sessions = "SELECT argMaxMerge(distinct_id) AS whose FROM raw_sessions GROUP BY session_id_v7 ORDER BY whose"
        assert await rows(runtime, heatmaps) == await rows(runtime, sessions) == [["ada"], ["bob"]]
        ada = await person_of(runtime, "ada")
        await PersonRepository(runtime.postgres).request_deletion(1, [ada], events=True, keep_person=False)
        await delete(runtime, AT_ONCE)
        assert await delete(runtime, AT_ONCE) == 1
        assert await rows(runtime, heatmaps) == await rows(runtime, sessions) == [["bob"]]


@pytest.mark.parametrize("stripped", ["*", ""])
async def test_ai_events_go_with_the_person_and_are_exported_before(runtime: Runtime, stripped: str) -> None:
    await prepare(runtime)
    now = datetime.now(UTC).isoformat()
    settings = QUICK_INGESTION.model_copy(update={"ai_stripped_teams": stripped})
    async with Workers(runtime, ingestion_settings=settings):
        for name in ("ada", "bob"):
            large = {"$ai_input": f"said by {name}", "$ai_output": None, "$ai_tools": ["t"]}
            await send(runtime, said(name, "$ai_generation", now, **large), said(name, "$ai_metric", now))
        assert await rows(runtime, "SELECT count() FROM ai_events") == [[4]]
        repository = PersonRepository(runtime.postgres)
        ada = await person_of(runtime, "ada")
        [person] = await repository.find(1, uuids=[ada])
        export = b"".join([part async for part in PersonService(repository, runtime.clickhouse).everything(1, person)])
        lines = [json.loads(line) for line in export.splitlines()]
        # once, from where all of it is
        whole = ("ai_event" if stripped else "event", "$ai_generation")
        assert lines[0]["type"] == "person"
        assert sorted((line["type"], line["event"]) for line in lines[1:]) == sorted([("event", "$ai_metric"), whole])
        assert export.count(b"said by ada") == 1
        assert b"bob" not in export
        await repository.request_deletion(1, [ada], events=True, keep_person=False)
        await delete(runtime, AT_ONCE)
        assert await delete(runtime, AT_ONCE) == 1
        assert await rows(runtime, "SELECT input FROM ai_events ORDER BY event") == [['"said by bob"'], [None]]


async def test_a_session_that_others_are_in_keeps_what_is_theirs(runtime: Runtime) -> None:
    """Shared with bob, who came before and after; gone on with by whoever comes back; and one of ada's alone."""
    await prepare(runtime)
    shared, gone_on, alone = (f"0190a1b2-0000-7000-8000-00000000000{number}" for number in range(3))

    def seen(name: str, session: str, minute: int, path: str) -> Any:
        about = {"$session_id": session, "$current_url": f"https://x.org/{path}"}
        return said(name, "$pageview", timestamp=f"2026-11-01T10:{minute:02}:00Z", **about)

    async with Workers(runtime):
        await send(runtime, seen("bob", shared, 1, "bob"), seen("ada", shared, 2, "ada"), seen("bob", shared, 3, "end"))
        await send(runtime, seen("ada", gone_on, 4, "ada"), seen("ada", alone, 5, "ada"))
        ada = await person_of(runtime, "ada")
        await PersonRepository(runtime.postgres).request_deletion(1, [ada], events=True, keep_person=False)
        await asyncio.sleep(1.1)  # arrival is known to the second
        await send(runtime, seen("ada", gone_on, 9, "again"))
        expected = [
            [shared.replace("-", ""), "bob", 1, 3, ["https://x.org/bob", "https://x.org/end"], "https://x.org/bob", 2],
            [gone_on.replace("-", ""), "ada", 9, 9, ["https://x.org/again"], "https://x.org/again", 1],
        ]
        sessions = """
            SELECT lower(hex(session_id_v7)), argMaxMerge(distinct_id), toMinute(min(min_timestamp)),
                   toMinute(max(max_timestamp)), arraySort(groupUniqArrayArray(urls)), argMinMerge(entry_url),
                   uniqMerge(pageview_uniq)
            FROM raw_sessions GROUP BY session_id_v7 ORDER BY session_id_v7"""
        assert len(await rows(runtime, sessions)) == 3
        for _ in range(2):
            await delete(runtime, AT_ONCE)
            assert await rows(runtime, sessions) == expected
    assert await PersonRepository(runtime.postgres).pending(0, 10) == []


async def test_a_session_that_has_outlived_its_events_goes(runtime: Runtime) -> None:
    await prepare(runtime)
    async with Workers(runtime):
        for number, name in enumerate(("ada", "bob")):
            await send(runtime, said(name, **{"$session_id": f"0190a1b2-0000-7000-8000-00000000000{number}"}))
        ada = await person_of(runtime, "ada")
        await runtime.clickhouse.query("ALTER TABLE events DELETE WHERE 1 SETTINGS mutations_sync = 2", readonly=False)
        await PersonRepository(runtime.postgres).request_deletion(1, [ada], events=True, keep_person=False)
        await delete(runtime, AT_ONCE)
    whose = "SELECT argMaxMerge(distinct_id) FROM raw_sessions GROUP BY session_id_v7"
    assert await rows(runtime, whose) == [["bob"]]


async def test_events_may_go_while_the_person_stays(runtime: Runtime) -> None:
    await prepare(runtime)
    async with Workers(runtime):
        await send(runtime, said("ada"), said("ada"), said("bob"))
        ada = await person_of(runtime, "ada")
        await PersonRepository(runtime.postgres).request_deletion(1, [ada], events=True, keep_person=True)
        await delete(runtime, AT_ONCE)
        assert await delete(runtime, AT_ONCE) == 1
        assert await person_of(runtime, "ada") == ada
    assert await rows(runtime, "SELECT distinct_id FROM events") == [["bob"]]


async def test_another_teams_person_of_the_same_name_stays(runtime: Runtime) -> None:
    await prepare(runtime)
    await runtime.postgres.execute(
        "INSERT INTO posthog_team (id, organization_id, name, api_token) "
        "SELECT 2, organization_id, 'Other', 'phc_two' FROM posthog_team"
    )
    async with Workers(runtime):
        other = captured_new(event="a", distinct_id="ada", timestamp="2026-11-01T10:00:00Z", token="phc_two")
        await send(runtime, said("ada"), other)
        ada = await person_of(runtime, "ada")
        repository = PersonRepository(runtime.postgres)
        assert await repository.request_deletion(2, [ada], events=True, keep_person=False) == []
        await repository.request_deletion(1, [ada], events=True, keep_person=False)
        await delete(runtime, AT_ONCE)
        assert await delete(runtime, AT_ONCE) == 1
    assert await rows(runtime, "SELECT team_id FROM events") == [[2]]


async def test_a_squash_says_in_the_event_whose_it_is(runtime: Runtime) -> None:
    await prepare(runtime)
    async with Workers(runtime):
        now = datetime.now(UTC).isoformat()
        await send(runtime, said("anon"), said("anon", "$ai_trace", now), said("bob"), said("ada"))
        await send(runtime, said("ada", "$identify", **{"$anon_distinct_id": "anon"}))
        ada, bob = await person_of(runtime, "ada"), await person_of(runtime, "bob")
        assert await squash(runtime, JobsSettings()) == 0  # too young
        assert len(await rows(runtime, "SELECT distinct_id FROM person_distinct_id_overrides")) == 1
        assert await squash(runtime, AT_ONCE) == 1
        assert await squash(runtime, AT_ONCE) == 0
    found = await rows(runtime, "SELECT distinct_id, toString(person_id), count() FROM events GROUP BY 1, 2 ORDER BY 1")
    assert found == [["ada", str(ada), 2], ["anon", str(ada), 2], ["bob", str(bob), 1]]
    assert await rows(runtime, "SELECT DISTINCT toString(person_id) FROM ai_events") == [[str(ada)]]
    assert await rows(runtime, "SELECT distinct_id FROM person_distinct_id_overrides") == []


async def test_events_go_when_they_are_older_than_the_project_keeps_them(runtime: Runtime) -> None:
    await prepare(runtime)
    now = datetime.now(UTC)

    def ago(days: float, event: str) -> Any:
        return said("ada", event, timestamp=(now - timedelta(days=days)).isoformat())

    async with Workers(runtime):
        await send(runtime, ago(100, "a"), ago(20, "a"), ago(100, "kept"), ago(20, "noise"), ago(0.5, "noise"))
    await retain(runtime, AT_ONCE)
    assert await stored(runtime) == (5, 5)  # nothing was chosen
    await RetentionRepository(runtime.postgres).replace(1, {"": 30, "kept": 365, "noise": 7})
    await retain(runtime, AT_ONCE)
    left = await rows(runtime, "SELECT event, intDiv(dateDiff('hour', timestamp, now()), 24) FROM events ORDER BY 1, 2")
    assert left == [["a", 20], ["kept", 100], ["noise", 0]]
    told = [report for _, report in await newest(runtime.postgres, "retention", 1)]
    assert [report["deleted"] for report in told if "deleted" in report] == [{"all other events": 1, "noise": 1}]
    await retain(runtime, AT_ONCE)
    [now, *before] = [report for _, report in await newest(runtime.postgres, "retention", 1)]
    assert before == told  # nothing to do: only that it was done is said
    assert (now["dropped_months"], now["disk_budget_bytes"], now["events_bytes"] > 0) == ({}, 0, True)


async def test_what_was_made_of_events_grows_no_older_than_they_do(runtime: Runtime) -> None:
    await prepare(runtime)
    now = datetime.now(UTC)
    point = {"https://example.com": [{"x": 10, "y": 20, "target_fixed": False, "type": "click"}]}

    def ago(days: int, event: str, session: int, **more: Any) -> Any:
        about = {"$session_id": f"0190a1b2-0000-7000-8000-00000000000{session}", "$viewport_width": 100, **more}
        return said("ada", event, timestamp=(now - timedelta(days=days)).isoformat(), **about)

    heatmap = {"$viewport_height": 100, "$heatmap_data": point}
    async with Workers(runtime):
        await send(runtime, ago(50, "a", 0), ago(50, "a", 1), ago(1, "a", 1), ago(50, "kept", 2))
        await send(runtime, ago(50, "$$heatmap", 0, **heatmap), ago(1, "$$heatmap", 1, **heatmap))
    sessions = "SELECT toUInt8(session_id_v7 % 16) FROM raw_sessions GROUP BY session_id_v7 ORDER BY session_id_v7"
    points = "SELECT intDiv(dateDiff('hour', timestamp, now()), 24) FROM heatmaps FINAL ORDER BY 1"
    await RetentionRepository(runtime.postgres).replace(1, {"a": 30})
    await retain(runtime, AT_ONCE)
    assert (await rows(runtime, sessions), await rows(runtime, points)) == ([[0], [1], [2]], [[1], [50]])
    await RetentionRepository(runtime.postgres).replace(1, {"": 30, "kept": 365, "$$heatmap": 60})
    await retain(runtime, AT_ONCE)
    # by the days of all events without days of their own; the points by those of the event that brought them
    assert (await rows(runtime, sessions), await rows(runtime, points)) == ([[1]], [[1], [50]])
    assert await rows(runtime, "SELECT event FROM events ORDER BY 1") == [["a"], ["kept"]]
    await RetentionRepository(runtime.postgres).replace(1, {"": 30, "kept": 365})
    await retain(runtime, AT_ONCE)
    assert await rows(runtime, points) == [[1]]
    told = [report for _, report in await newest(runtime.postgres, "retention", 1)]
    assert [each["deleted"] for each in told if "deleted" in each] == [
        {"heatmap points": 1},
        {"sessions": 2},
        {"a": 2},
    ]


async def test_ai_events_grow_no_older_than_their_events(runtime: Runtime) -> None:
    await prepare(runtime)
    now = datetime.now(UTC)

    def ago(days: int, event: str) -> Any:
        return said("ada", event, timestamp=(now - timedelta(days=days)).isoformat())

    async with Workers(runtime):
        await send(runtime, *(ago(days, name) for days in (3, 20) for name in ("$ai_trace", "$ai_span", "a")))
    left = "SELECT event, dateDiff('day', timestamp, now()) FROM {} ORDER BY 1, 2"
    await RetentionRepository(runtime.postgres).replace(1, {"$ai_trace": 7, "a": 1})
    await retain(runtime, AT_ONCE)
    assert await rows(runtime, left.format("ai_events")) == [["$ai_span", 3], ["$ai_span", 20], ["$ai_trace", 3]]
    await RetentionRepository(runtime.postgres).replace(1, {"": 7})
    await retain(runtime, AT_ONCE)
    for table in ("ai_events", "events"):
        assert await rows(runtime, left.format(table)) == [["$ai_span", 3], ["$ai_trace", 3]]
    told = [report for _, report in await newest(runtime.postgres, "retention", 1)]
    assert [each["deleted"] for each in told if "deleted" in each] == [
        {"all events": 1, "all events, ai_events": 1},
        {"$ai_trace": 1, "$ai_trace, ai_events": 1, "a": 2},
    ]


async def test_the_disk_budget_drops_whole_months(runtime: Runtime) -> None:
    await prepare(runtime)
    soon = datetime.now(UTC) + timedelta(hours=1)  # of this month also when it ends while we look
    async with Workers(runtime):
        for number, at in enumerate(("2020-01-05T00:00:00Z", soon.isoformat())):
            session = f"0190a1b2-0000-7000-8000-00000000000{number}"
            await send(runtime, said("ada", timestamp=at, **{"$session_id": session}))
    await retain(runtime, JobsSettings(events_disk_budget_bytes=1))
    assert await rows(runtime, "SELECT toYear(max(max_timestamp)) FROM raw_sessions GROUP BY session_id_v7") == [
        [soon.year]
    ]
    assert await rows(runtime, "SELECT toYear(timestamp) FROM events") == [[soon.year]]
    [(_, told)] = await newest(runtime.postgres, "retention", 1)
    assert list(told["dropped_months"]) == ["202001"]


@pytest.mark.timeout(600)
async def test_the_worker_runs_what_is_due_again_and_again_and_stops(runtime: Runtime) -> None:
    await prepare(runtime)
    stop = asyncio.Event()
    working = asyncio.create_task(run(runtime, AT_ONCE, stop))
    repository = PersonRepository(runtime.postgres)
    async with Workers(runtime):
        for name in ("ada", "bob"):  # the second one is not kept waiting because there was a first
            await send(runtime, said(name))
            await repository.request_deletion(1, [await person_of(runtime, name)], events=True, keep_person=False)

            async def verified() -> bool:
                return not await repository.pending(0, 10)

            await until(verified)
            assert await stored(runtime) == (0, 0)
    stop.set()
    await asyncio.wait_for(working, 60)
