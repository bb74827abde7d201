"""Both workers on the embedded engines: what was captured is in ClickHouse, once."""

import json

from libs.kit.contracts import topics
from libs.kit.runtime import Runtime
from tests.support.pipeline import Workers, drained, events, prepare, stored


async def test_events_arrive_with_their_persons(runtime: Runtime) -> None:
    await prepare(runtime)
    async with Workers(runtime):
        await runtime.log.produce(topics.EVENTS.name, events(50))
        await drained(runtime)
    assert await stored(runtime) == (50, 50)
    result = await runtime.clickhouse.query(
        "SELECT properties_raw, person_properties_raw, person_id, person_mode, toString(timestamp), team_id "
        "FROM events WHERE properties.index = 49"
    )
    [row] = result.rows
    assert json.loads(row[0]) == {"index": 49, "$set": {"last": 49}, "$ip": "203.0.113.7"}
    assert json.loads(row[1])["last"] == 49
    assert row[3:] == ["full", "2026-04-05 10:11:12.345000", 1]
    persons = await runtime.postgres.fetch(
        "SELECT d.distinct_id, p.uuid::text, p.version, p.properties ->> 'last' AS last FROM posthog_person p "
        "JOIN posthog_persondistinctid d ON d.team_id = p.team_id AND d.person_uuid = p.uuid ORDER BY 1"
    )
    assert {row["distinct_id"]: row["last"] for row in persons} == {
        f"user {i}": str(42 + i if i else 49) for i in range(7)
    }
    assert row[2] == persons[0]["uuid"]


async def test_a_team_is_marked_when_its_first_event_has_come(runtime: Runtime) -> None:
    await prepare(runtime)
    statements = "SELECT id, ingested_event FROM posthog_team"
    assert [tuple(row) for row in await runtime.postgres.fetch(statements)] == [(1, False)]
    async with Workers(runtime):
        await runtime.log.produce(topics.EVENTS.name, events(3))
        await drained(runtime)
    assert [tuple(row) for row in await runtime.postgres.fetch(statements)] == [(1, True)]
