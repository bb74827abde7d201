"""Persons end to end: what SDKs send comes out as PostgreSQL's and ClickHouse's persons, the same in both."""

import asyncio
import json
import signal
from typing import Any

import pytest

from libs.kit.contracts import topics
from libs.kit.eventlog import NewRecord
from libs.kit.runtime import Runtime
from services.cdp.ingestion import worker as ingestion
from services.cdp.ingestion.persons import person_uuid
from tests.support.captured import captured_new
from tests.support.cdp_process import Forks
from tests.support.pipeline import QUICK_INGESTION, Workers, drained, lag, prepare, stored, until

U, AN = str(person_uuid(1, "u")), str(person_uuid(1, "an"))

PERSONS = """
    SELECT toString(id), version, is_deleted, is_identified, properties_raw FROM person FINAL
    WHERE team_id = 1 ORDER BY id
"""
LINKS = "SELECT distinct_id, toString(person_id), version FROM person_distinct_id2 FINAL ORDER BY distinct_id"
OVERRIDES = (
    "SELECT distinct_id, toString(person_id), version FROM person_distinct_id_overrides FINAL ORDER BY distinct_id"
)
# how a query finds an event's person
OWNERS = """
    SELECT e.event, toString(if(empty(o.distinct_id), e.person_id, o.person_id)) FROM events AS e
    LEFT JOIN (SELECT * FROM person_distinct_id_overrides FINAL) AS o
      ON o.team_id = e.team_id AND o.distinct_id = e.distinct_id
    ORDER BY e.event
"""


async def rows(runtime: Runtime, sql: str) -> list[list[Any]]:
    return [list(row) for row in (await runtime.clickhouse.query(sql)).rows]


async def say(runtime: Runtime, event: str, distinct_id: str, **properties: Any) -> None:
    record = captured_new(event=event, distinct_id=distinct_id, properties=properties)
    await runtime.log.produce(topics.EVENTS.name, [record])


async def _same_in_both(runtime: Runtime) -> None:
    persons = await runtime.postgres.fetch(
        "SELECT uuid::text AS uuid, version, is_deleted, is_identified, properties::text AS properties "
        "FROM posthog_person"
    )
    told = {row[0]: (int(row[1]), row[2], row[3], json.loads(row[4])) for row in await rows(runtime, PERSONS)}
    assert told == {
        row["uuid"]: (row["version"], row["is_deleted"], row["is_identified"], json.loads(row["properties"]))
        for row in persons
    }
    links = await runtime.postgres.fetch(
        "SELECT distinct_id, person_uuid::text AS person, version FROM posthog_persondistinctid ORDER BY distinct_id"
    )
    expected = [[row["distinct_id"], row["person"], row["version"]] for row in links]
    assert [[name, person, int(version)] for name, person, version in await rows(runtime, LINKS)] == expected
    above = [row for row in expected if row[2]]
    assert [[name, person, int(version)] for name, person, version in await rows(runtime, OVERRIDES)] == above


async def test_anonymous_identified_reset_identified(runtime: Runtime) -> None:
    """posthog-js: a visitor signs in, signs out (a new anonymous id) and signs in again."""
    await prepare(runtime)
    async with Workers(runtime):
        for event, distinct_id, properties in (
            ("1 looked", "an", {"$process_person_profile": False}),
            ("$identify", "u", {"$anon_distinct_id": "an", "$set": {"email": "u@example.com"}}),
            ("2 bought", "u", {}),
            ("3 looked again", "an2", {}),
            ("$identify", "u", {"$anon_distinct_id": "an2"}),
            ("4 bought again", "u", {}),
        ):
            await say(runtime, event, distinct_id, **properties)
            await drained(runtime)
        await _same_in_both(runtime)
    # nobody had a person when `an` was identified: the made-up one of its events became the real one
    assert {tuple(row)[1] for row in await rows(runtime, OWNERS)} == {AN}
    assert [row[:2] for row in await rows(runtime, LINKS)] == [["an", AN], ["an2", AN], ["u", AN]]
    living = [row for row in await rows(runtime, PERSONS) if not row[2]]
    assert [(row[0], row[3], json.loads(row[4])["email"]) for row in living] == [(AN, 1, "u@example.com")]


async def test_merge_of_two_persons(runtime: Runtime) -> None:
    await prepare(runtime)
    async with Workers(runtime):
        await say(runtime, "a", "an", **{"$set": {"from": "an", "both": 1}})
        await say(runtime, "b", "u", **{"$set": {"both": 2}})
        await drained(runtime)
        await say(runtime, "$identify", "u", **{"$anon_distinct_id": "an"})
        await drained(runtime)
        await _same_in_both(runtime)
        persons = {row[0]: row for row in await rows(runtime, PERSONS)}
        assert (int(persons[AN][1]), persons[AN][2]) == (100, 1)
        assert (int(persons[U][1]), persons[U][2:4]) == (1, [0, 1])
        properties = json.loads(persons[U][4])
        assert (properties["from"], properties["both"]) == ("an", 2)
        assert [[*row[:2], int(row[2])] for row in await rows(runtime, OVERRIDES)] == [["an", U, 1]]
        await say(runtime, "$identify", "other", **{"$anon_distinct_id": "u"})
        await say(runtime, "$identify", "other", **{"$anon_distinct_id": "null"})
        await drained(runtime)
        warnings = await rows(runtime, "SELECT type, details FROM ingestion_warnings")
    assert [row[0] for row in warnings] == ["cannot_merge_with_illegal_distinct_id"]
    assert json.loads(warnings[0][1])["illegalDistinctId"] == "null"


async def test_groups(runtime: Runtime) -> None:
    await prepare(runtime)
    async with Workers(runtime):
        for said in ({"n": 1}, {"m": 2}):
            properties = {"$group_type": "company", "$group_key": "acme", "$group_set": said}
            await say(runtime, "$groupidentify", "u", **properties)
            await drained(runtime)
        await say(
            runtime, "bought", "u", **{"$groups": {f"type {n}": f"key {n}" for n in range(5)} | {"company": "acme"}}
        )
        await drained(runtime)
    [group] = await rows(runtime, "SELECT group_type_index, group_key, group_properties_raw, version FROM groups FINAL")
    assert (group[:2], json.loads(group[2]), int(group[3])) == ([0, "acme"], {"n": 1, "m": 2}, 2)
    [[raw]] = await rows(runtime, "SELECT properties_raw FROM events WHERE event = 'bought'")
    named = {name: value for name, value in json.loads(raw).items() if name.startswith("$group_")}
    assert named == {"$group_0": "acme", **{f"$group_{n + 1}": f"key {n}" for n in range(4)}}


@pytest.mark.parametrize("point", ["ingestion.after_commit", "ingestion.before_position", "ingestion.inside_commit"])
async def test_what_tells_of_a_merge_survives_a_kill(runtime: Runtime, point: str) -> None:
    await prepare(runtime)
    async with Workers(runtime):
        await say(runtime, "1", "an", **{"$set": {"from": "an"}})
        await say(runtime, "2", "u")
        await say(runtime, "$create_alias", "an", alias="third")
        await drained(runtime)
    merge = captured_new(event="$merge_dangerously", distinct_id="u", properties={"alias": "an"})
    await runtime.log.produce(topics.EVENTS.name, [merge])
    async with Forks(runtime.settings.model_copy(update={"log_lease_seconds": 1.1})) as forks:
        await forks.start("ingestion", crash_at=point)
        assert (await forks.ended())[1] == -signal.SIGKILL
    async with Workers(runtime):
        await drained(runtime)
        await asyncio.sleep(0)
        await _same_in_both(runtime)
    assert await stored(runtime) == (4, 4)
    assert {row[1] for row in await rows(runtime, LINKS)} == {U}


async def test_unusable_updates_do_not_stop_their_neighbours(runtime: Runtime) -> None:
    await prepare(runtime)
    bad = [NewRecord(b"k", value) for value in (b"{", b"[]", b'{"id":"x"}')]
    await runtime.log.produce(topics.PERSONS.name, bad)
    async with Workers(runtime):
        old = captured_new(event="old", distinct_id="u", timestamp="0033-01-01T00:00:00+00:00")
        await runtime.log.produce(topics.EVENTS.name, [old])
        await drained(runtime)
        assert [row[0] for row in await rows(runtime, PERSONS)] == [U]


async def test_names_are_defined(runtime: Runtime) -> None:
    await prepare(runtime)
    async with Workers(runtime):
        for _ in range(2):
            await say(runtime, "bought", "u", price=1.5, at_date="2026-11-05", **{"$set": {"vip": True}})
            await drained(runtime)
    found = await runtime.postgres.fetch("SELECT name, type, property_type FROM posthog_propertydefinition ORDER BY 1")
    assert [tuple(row) for row in found] == [
        ("$ip", 1, "String"),
        ("at_date", 1, "DateTime"),
        ("price", 1, "Numeric"),
        ("vip", 2, "Boolean"),
    ]
    assert [row["name"] for row in await runtime.postgres.fetch("SELECT name FROM posthog_eventdefinition")] == [
        "bought"
    ]


@pytest.mark.parametrize("point", ["tables.before_insert", "tables.after_insert", "tables.after_position"])
async def test_updates_survive_a_kill_of_their_writer(runtime: Runtime, point: str) -> None:
    await prepare(runtime)
    stop = asyncio.Event()
    ingesting = asyncio.create_task(ingestion.run(runtime, QUICK_INGESTION, stop))
    for event in ("1", "2"):
        await say(runtime, event, "an", **{"$set": {"n": event}})
    await say(runtime, "$identify", "u", **{"$anon_distinct_id": "an"})
    await until(lambda: _ingested(runtime))
    stop.set()
    await ingesting
    async with Forks(runtime.settings.model_copy(update={"log_lease_seconds": 1.1})) as forks:
        await forks.start("writer", crash_at=point)
        assert (await forks.ended())[1] == -signal.SIGKILL
    async with Workers(runtime):
        await drained(runtime)
        await _same_in_both(runtime)
    assert await stored(runtime) == (3, 3)


async def _ingested(runtime: Runtime) -> bool:
    return not await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP)
