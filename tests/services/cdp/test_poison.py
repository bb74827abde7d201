"""A batch with each kind of poison in it: what can be kept is, and no neighbour is lost."""

import json
import uuid

import pytest

from libs.kit.contracts import topics
from libs.kit.eventlog import NewRecord
from libs.kit.runtime import Runtime
from services.cdp.ingestion import persons
from tests.support.captured import captured_new
from tests.support.pipeline import Workers, dead, drained, events, prepare, stored

KEPT = {
    "lone surrogate": r'{"a":"\ud800x"}',
    "duplicate keys": '{"a":1,"a":2}',
    "dotted beside nested": '{"a.b":1,"a":{"b":2}}',
    "number beyond a double": '{"a":1e400}',
    "number beyond numeric, for the person": '{"$set":{"a":1e99999}}',
    "nested deeper than ClickHouse": '{"a":' + "[" * 600 + "1" + "]" * 600 + "}",
    "huge integer": '{"a":' + "9" * 4000 + "}",
    "nul": r'{"a\u0000b":"\u0000","$set":{"a\u0000":"\u0000"}}',
    "empty key": '{"":1,"$set":{"":1}}',
    "mixed types": '{"a":[1,"x",{"b":null}]}',
}
TIMES = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2299-12-31T00:00:00Z", "9999-12-31T23:59:59Z", "never"]
DEAD = {
    b"{": "failed_parse_message",
    b"\xff\xfe": "failed_parse_message",
    captured_new(uuid_="x").value: "invalid_uuid",
    captured_new(properties='{"a":' + "[" * 5000 + "]" * 5000 + "}").value: "failed_parse_message",
}


async def test_a_batch_full_of_poison(runtime: Runtime) -> None:
    await prepare(runtime)
    good = events(20)
    poison = [captured_new(event=name, properties=raw, distinct_id=name) for name, raw in KEPT.items()]
    poison += [captured_new(event="time", timestamp=text, distinct_id="time") for text in TIMES]
    poison += [
        captured_new(event="month", timestamp=f"{2000 + n // 12}-{n % 12 + 1:02}-01T00:00:00Z") for n in range(130)
    ]
    poison += [NewRecord(b"k", value) for value in DEAD]
    batch = [*good[:10], *poison, *good[10:]]
    async with Workers(runtime):
        await runtime.log.produce(topics.EVENTS.name, batch)
        await drained(runtime)
    expected = len(batch) - len(DEAD)
    assert await stored(runtime) == (expected, expected)
    letters = await dead(runtime, len(DEAD))
    assert {one.value: dict(one.headers)["dlq_reason"].decode() for one in letters} == DEAD
    assert all(dict(one.headers)["dlq_step"] == b"parse" for one in letters)


async def test_row_that_clickhouse_refuses_goes_alone_and_its_copy_gets_a_turn(runtime: Runtime) -> None:
    await prepare(runtime)
    # nothing that our own check lets through is refused today; what a later release refuses, a constraint stands for
    await runtime.clickhouse.execute("ALTER TABLE events ADD CONSTRAINT poison CHECK elements_chain != 'poison'")

    def record(uuid_: str, elements_chain: str = "") -> NewRecord:
        event = {
            "uuid": uuid_, "event": "e", "properties": {"a": 1}, "timestamp": "2026-11-05 10:00:00.000", "team_id": 1,
            "project_id": 1, "distinct_id": "u", "elements_chain": elements_chain,
            "created_at": "2026-11-05 10:00:00.000",
            "captured_at": None, "person_id": uuid_, "person_properties": {}, "person_mode": "full",
            "person_created_at": "2026-11-05 10:00:00",
        }  # fmt: skip
        return NewRecord(uuid_.encode(), json.dumps(event).encode())

    bad = str(uuid.uuid4())
    refused = record(bad, "poison")
    batch = [record(str(uuid.uuid4())) for _ in range(9)]
    await runtime.log.produce(topics.STORED_EVENTS.name, [*batch[:5], refused, *batch[5:], record(bad)])
    async with Workers(runtime):
        await drained(runtime)
    assert await stored(runtime) == (10, 10)
    [letter] = await dead(runtime, 1)
    assert letter.value == refused.value
    assert dict(letter.headers)["dlq_reason"] == b"refused_by_clickhouse"


async def test_value_that_postgres_refuses_after_all_takes_nobody_with_it(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own check lets it pass here, as if PostgreSQL had a limit that we do not know of."""
    monkeypatch.setattr(persons, "for_postgres", lambda raw: raw)
    await prepare(runtime)
    bad = captured_new(distinct_id="bad", properties='{"$set":{"a":1e999999}}')
    batch = [*events(9), bad, *events(8)]
    async with Workers(runtime):
        await runtime.log.produce(topics.EVENTS.name, batch)
        await drained(runtime)
    assert await stored(runtime) == (17, 17)
    [letter] = await dead(runtime, 1)
    assert (letter.value, dict(letter.headers)["dlq_reason"]) == (bad.value, b"refused_by_store")
    names = await runtime.postgres.fetch("SELECT distinct_id FROM posthog_persondistinctid ORDER BY 1")
    assert [row["distinct_id"] for row in names] == [f"user {n}" for n in range(7)]
