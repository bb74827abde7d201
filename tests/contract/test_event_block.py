"""A block of columns and lines of text give the same rows: the engine's own reading of text is the reference."""

import json
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.fastpath import CHOSEN
from libs.kit.clickhouse import ClickHouse
from libs.kit.clock import SystemClock
from libs.kit.contracts.events import StoredEvent
from libs.kit.schema import event_block, event_row
from libs.kit.schema.clickhouse.runner import migrate_clickhouse
from libs.kit.settings import KitSettings
from tests.support.json_texts import BLANKS, NUMBERS, OTHERS, STRINGS, object_of
from tests.support.require import require
from tests.support.scale import scaled

ARRIVED = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECONDS = int(ARRIVED.timestamp())
LOG = 'log "1"'
AS_BLOCK, AS_LINES = 1, 2
EVERYTHING = (
    "SELECT * EXCEPT (_partition, inserted_at), mapSort(JSONAllPathsWithTypes(properties)), "
    "mapSort(JSONAllPathsWithTypes(person_properties)) FROM events "
    "WHERE _partition = {partition:UInt32} ORDER BY _offset"
)
NAMES = [b"a", b"$browser", b"$session_id", b"b.c", b"$set", "\u00e9".encode(), b"a%2Eb", rb"\u0061", b"", b"x y", b"d"]
LISTS = [b'["a"]', b'[ "a" , "\\n" ]', b'["a",null]', b"[1,2]", b"[1,1.5]", b'[{"a":1}]', b"[]", b'["",""]']
PLAIN = st.sampled_from([*STRINGS, *NUMBERS, *OTHERS, *LISTS, b"0.1", b"2.50", b"-1234.5678"])


@pytest.fixture(autouse=True)
def compiled() -> None:
    require(CHOSEN["_members"] == "cython", "only the compiled half makes blocks")


@pytest.fixture
async def clickhouse(fresh_settings: KitSettings) -> AsyncIterator[ClickHouse]:
    client = ClickHouse(fresh_settings, SystemClock())
    await client.open()
    await migrate_clickhouse(client, fresh_settings, SystemClock())
    yield client
    await client.execute(f"DROP DATABASE {fresh_settings.clickhouse_database}")
    await client.close()


def record(properties: bytes, person_properties: bytes = b"{}", **changes: object) -> bytes:
    fields: dict[str, object] = {
        "uuid": str(UUID(int=random.getrandbits(128))),
        "event": "$pageview",
        "properties": msgspec.Raw(properties),
        "timestamp": "2026-11-20 10:11:12.345",
        "team_id": 1,
        "project_id": 1,
        "distinct_id": "u1",
        "elements_chain": "",
        "created_at": "2026-11-21 12:00:00.000",
        "captured_at": None,
        "person_id": str(UUID(int=random.getrandbits(128))),
        "person_properties": msgspec.Raw(person_properties),
        "person_created_at": "2026-11-01 00:00:00",
        "person_mode": "full",
    }
    return msgspec.json.encode(fields | changes)


async def stored_both_ways(clickhouse: ClickHouse, values: Sequence[bytes]) -> tuple[list[object], list[object]]:
    """Store what goes into a block as one, and the same as lines; returns the rows of each, and their paths' types."""
    await clickhouse.execute("TRUNCATE TABLE events")
    data, left = event_block.block([(value, AS_BLOCK, at, SECONDS) for at, value in enumerate(values)], LOG)
    inside = [(at, value) for at, value in enumerate(values) if at not in set(left)]
    assert bool(data) is bool(inside)
    if not inside:
        return [], []
    await clickhouse.insert("events", data, columns=event_block.COLUMNS, native=True)
    lines = [
        event_row.line(
            msgspec.json.decode(value, type=StoredEvent),
            log_id=LOG, partition=AS_LINES, offset=at, arrived=ARRIVED,
        )
        for at, value in inside
    ]  # fmt: skip
    await clickhouse.insert("events", b"".join(lines))
    block = (await clickhouse.query(EVERYTHING, {"partition": AS_BLOCK})).rows
    text = (await clickhouse.query(EVERYTHING, {"partition": AS_LINES})).rows
    assert len(block) == len(inside)
    return list(block), list(text)


async def test_every_column_arrives(clickhouse: ClickHouse) -> None:
    everything = {
        "$browser": "Chrome", "$os": None, "a.b": 1,
        "x": {"y": ["q\n", "\u00fc"], "z": {}, "n": None, "deep": {"k": -3}},
        "f": 1.5, "true": True, "false": False, "empty": "", "escaped": 'a"b\\\u0001\u2028', "e": {},
    }  # fmt: skip
    values = [
        record(json.dumps(everything).encode(), b'{"email":"a@b","age":30}'),
        record(b'{"f":"text now","x":7}', event='q"\\\né', distinct_id="u\t1", elements_chain='a:href="/x"'),
        record(b"{}", captured_at="2026-11-21 11:59:59.999", person_mode="force_upgrade", historical_migration=True),
        record(b'{"f":2,"$session_id":""}', person_mode="propertyless", team_id=2**53, timestamp="1999-12-31 23:59:59"),
    ]
    block, text = await stored_both_ways(clickhouse, values)
    assert len(block) == len(values)
    assert block == text


@st.composite
def objects(draw: st.DrawFn, depth: int = 2) -> bytes:
    value = st.one_of(PLAIN, objects(depth - 1)) if depth else PLAIN
    return draw(object_of(draw(st.lists(st.tuples(st.sampled_from(NAMES), value), max_size=5)))) + draw(BLANKS)


@settings(max_examples=scaled(1_000), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(objects(), objects(1)), min_size=1, max_size=30))
async def test_any_objects_are_the_rows_that_text_makes(
    clickhouse: ClickHouse, given_objects: list[tuple[bytes, bytes]]
) -> None:
    values = [record(b"{}").replace(b'"properties":{}', b'"properties":' + own, 1) for own, _ in given_objects]
    values = [
        value.replace(b'"person_properties":{}', b'"person_properties":' + person)
        for value, (_, person) in zip(values, given_objects, strict=True)
    ]
    block, text = await stored_both_ways(clickhouse, values)
    assert block == text


async def test_what_has_no_plain_column_is_left_out() -> None:
    odd = [
        b'{"a":[]}', b'{"a":[1]}', b'{"a":[{"b":1}]}', b'{"a":1e5}', b'{"a":1234567890123456789}', b'{"$browser":1}',
        b'{"$browser":{"a":1}}', b'{"a":1,"a":2}', b'{"a":{"b":1},"a":3}', b'{"":1}', rb'{"\u0061":1}', b'{"a%2Eb":1}',
    ]  # fmt: skip
    values = [record(b'{"good":1}'), *(record(one) for one in odd), record(b'{"good":"too"}')]
    _, left = event_block.block([(value, 0, at, SECONDS) for at, value in enumerate(values)], LOG)
    assert left == list(range(1, len(odd) + 1))


async def test_ten_thousand_names_do_not_make_ten_thousand_columns(clickhouse: ClickHouse) -> None:
    values = [record(b'{"common":"c","name_%d":%d}' % (at, at)) for at in range(1_500)]
    _, left = event_block.block([(value, 0, at, SECONDS) for at, value in enumerate(values)], LOG)
    assert len(values) - len(left) == 1_024 - 6 - 1  # the typed paths and `common` are columns as well
    block, text = await stored_both_ways(clickhouse, values)
    assert block == text
