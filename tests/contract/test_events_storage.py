"""The events table: what ADR 0005 says about it, on a real engine."""

import base64
import json
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.kit.clickhouse import ClickHouse
from libs.kit.clock import SystemClock
from libs.kit.contracts.events import StoredEvent
from libs.kit.schema import event_row
from libs.kit.schema.clickhouse.runner import migrate_clickhouse
from libs.kit.settings import KitSettings
from tests.support.scale import scaled

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LOG = "log-1"
# Reads of one key, as ADR 0005 tells the query compiler to do them.
IS_SET = "(properties.`{key}` IS NOT NULL OR has(properties_objects, '{key}'))"


@pytest.fixture
async def clickhouse(fresh_settings: KitSettings) -> AsyncIterator[ClickHouse]:
    client = ClickHouse(fresh_settings, SystemClock())
    await client.open()
    await migrate_clickhouse(client, fresh_settings, SystemClock())
    yield client
    await client.execute(f"DROP DATABASE {fresh_settings.clickhouse_database}")
    await client.close()


def event(properties: bytes = b"{}", **changes: Any) -> StoredEvent:
    fields: dict[str, Any] = {
        "uuid": str(UUID(int=random.getrandbits(128))),
        "event": "$pageview",
        "properties": msgspec.Raw(properties),
        "timestamp": "2026-11-20 10:11:12.345",
        "team_id": 1,
        "project_id": 1,
        "distinct_id": "u1",
        "created_at": "2026-11-21 12:00:00.000",
        "captured_at": None,
        "person_id": str(UUID(int=1)),
        "person_properties": msgspec.Raw(b"{}"),
        "person_created_at": "2026-11-01 00:00:00",
        "person_mode": "full",
        "elements_chain": "",
    }
    return StoredEvent(**(fields | changes))


def line(stored: StoredEvent, offset: int = 0, partition: int = 0) -> bytes:
    return event_row.line(stored, log_id=LOG, partition=partition, offset=offset, arrived=NOW)


async def store(clickhouse: ClickHouse, *properties: bytes) -> None:
    """One insert; the offset of each is its place."""
    await clickhouse.insert("events", b"".join(line(event(raw), place) for place, raw in enumerate(properties)))


async def raws(clickhouse: ClickHouse) -> list[bytes]:
    rows = await clickhouse.fetch("SELECT base64Encode(properties_raw) FROM events ORDER BY _offset")
    return [base64.b64decode(row[0]) for row in rows]


async def column(clickhouse: ClickHouse, expression: str) -> list[Any]:
    result = await clickhouse.query(f"SELECT {expression} FROM events ORDER BY _offset")
    return [row[0] for row in result.rows]


async def test_every_field_arrives(clickhouse: ClickHouse) -> None:
    stored = event(
        b'{"a":1}',
        event='q"\\\n\0é',
        distinct_id="u\t1",
        elements_chain='a:href="/x"',
        captured_at="2026-11-21 11:59:59.999",
        person_properties=msgspec.Raw(b'{"email": "a@b"}'),
        person_mode="force_upgrade",
        historical_migration=True,
    )
    await clickhouse.insert("events", line(stored, offset=2**64 - 1, partition=7))
    result = await clickhouse.query("SELECT * EXCEPT (properties, person_properties, inserted_at) FROM events")
    assert dict(zip(result.columns, result.rows[0], strict=True)) == {
        "uuid": stored.uuid,
        "event": 'q"\\\n\0é',
        "properties_raw": '{"a":1}',
        "properties_objects": [],
        "timestamp": "2026-11-20 10:11:12.345000",
        "team_id": 1,
        "project_id": 1,
        "distinct_id": "u\t1",
        "elements_chain": 'a:href="/x"',
        "created_at": "2026-11-21 12:00:00.000000",
        "captured_at": "2026-11-21 11:59:59.999000",
        "person_id": str(UUID(int=1)),
        "person_created_at": "2026-11-01 00:00:00.000",
        "person_properties_raw": '{"email": "a@b"}',
        "person_mode": "force_upgrade",
        "historical_migration": True,
        "_log_id": LOG,
        "_partition": 7,
        "_offset": 2**64 - 1,
        "_timestamp": "2026-11-21 12:00:00",
    }


async def test_every_insert_is_on_disk_before_it_is_answered(clickhouse: ClickHouse) -> None:
    """The fsync settings belong to the table; no insert can set or forget them."""
    tables = await clickhouse.fetch(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%Tree'"
    )
    assert {name for name, _ in tables} >= {"events", "person", "raw_sessions", "schema_migrations"}
    for name, query in tables:
        assert "fsync_after_insert = 1" in query, name
        assert "fsync_part_directory = 1" in query, name


async def test_missing_null_empty_and_objects_are_told_apart(clickhouse: ClickHouse) -> None:
    values = {
        b"{}": False,  # missing
        b'{"k":null}': False,
        b'{"k":""}': True,
        b'{"k":"null"}': True,
        b'{"k":0}': True,
        b'{"k":false}': True,
        b'{"k":[]}': True,
        b'{"k":[null]}': True,
        b'{"k":{}}': True,
        b'{"k":{"a":null}}': True,
        b'{"k":{"a":{"b":1}}}': True,
    }
    # a typed path and one of the rest behave the same
    for key in (b"k", b"$browser"):
        await clickhouse.execute("TRUNCATE TABLE events")
        await store(clickhouse, *(raw.replace(b'"k"', b'"%s"' % key) for raw in values))
        assert await column(clickhouse, IS_SET.format(key=key.decode())) == [int(is_set) for is_set in values.values()]
        # null and missing differ only in the raw column
        assert (await column(clickhouse, f"JSONHas(properties_raw, '{key.decode()}')"))[:3] == [0, 1, 1]


async def test_an_empty_string_is_an_empty_string(clickhouse: ClickHouse) -> None:
    await store(clickhouse, b'{"$browser":"","k":""}', b"{}")
    assert await column(clickhouse, "properties.`$browser`") == ["", None]
    assert await column(clickhouse, "properties.k") == ["", None]


async def test_numbers_are_exact_as_given_and_comparable(clickhouse: ClickHouse) -> None:
    numbers = [b"1.0", b"1e3", b"0.1", b"-0.0", b"18446744073709551615", b"1234567890123456789012345678901234567890"]
    numbers += [b"1e400", b"-1e400", b"1" + b"0" * 400, b"123456789.123456789123"]
    sent = [b'{"n":%s,"$os":%s}' % (number, number) for number in numbers]
    await store(clickhouse, *sent)
    assert await raws(clickhouse) == sent
    # what a query compares: a double, or, beyond it, an infinity, which JSON gives as null
    floats = await column(clickhouse, "toFloat64OrNull(toString(properties.n))")
    assert [None if number is None else float(number) for number in floats] == [
        *(1.0, 1000.0, 0.1, -0.0, 1.8446744073709552e19, 1.2345678901234568e39),
        *(None, None, None, 123456789.12345679),
    ]
    assert await column(clickhouse, "isInfinite(toFloat64OrNull(toString(properties.n)))") == [0] * 6 + [1, 1, 1, 0]
    assert await column(clickhouse, "toString(properties.n) = '1234567890123456789012345678901234567890'") == [
        *([0] * 5),
        1,
        *([0] * 4),
    ]


async def test_a_dotted_key_is_not_a_path(clickhouse: ClickHouse) -> None:
    sent = [
        b'{"a.b":1}',
        b'{"a":{"b":2}}',
        b'{"a.b":1,"a":{"b":2}}',
        b'{"a":{"b":2},"a.b":1}',
        b'{"$os":"x","$os.v":"y"}',
    ]
    await store(clickhouse, *sent)
    assert await column(clickhouse, "properties.`a%2Eb`") == [1, None, 1, 1, None]
    assert await column(clickhouse, "properties.a.b") == [None, 2, 2, 2, None]
    assert await column(clickhouse, "properties.`$os`") == [None] * 4 + ["x"]
    assert await column(clickhouse, "properties.`$os%2Ev`") == [None] * 4 + ["y"]
    assert await raws(clickhouse) == sent


async def test_arrays_and_nested_objects(clickhouse: ClickHouse) -> None:
    await store(clickhouse, b'{"l":[1,"x",null,{"b":[2]}],"o":{"p":{"q":[true]}},"$os":["a"]}')
    assert await column(clickhouse, "JSONExtractRaw(properties_raw, 'l')") == ['[1,"x",null,{"b":[2]}]']
    assert await column(clickhouse, "properties.l IS NOT NULL") == [1]
    assert await column(clickhouse, "properties.o.p.q") == [[True]]
    assert await column(clickhouse, "properties.^o") == [{"p": {"q": [True]}}]
    assert await column(clickhouse, "properties.`$os`") == ['["a"]']
    assert await column(clickhouse, "properties_objects") == [["o"]]


async def test_a_date_stays_the_text_that_was_sent(clickhouse: ClickHouse) -> None:
    await store(clickhouse, b'{"at":"2026-11-05T10:11:12.345Z","day":"2026-11-05"}')
    assert await column(clickhouse, "[toString(properties.at), toString(properties.day)]") == [
        ["2026-11-05T10:11:12.345Z", "2026-11-05"]
    ]


POISON = {
    "lone surrogate in a value": b'{"a":"x\\ud800y","b":1}',
    "lone surrogate in a key": b'{"\\udc00":1,"b":1}',
    "lone surrogate, deep": b'{"a":[{"c":"\\ud83d"}],"b":1}',
    "duplicate keys": b'{"a":1,"a":2,"b":1}',
    "duplicate, one an object": b'{"a":1,"a":{"c":2},"b":1}',
    "duplicate in an array": b'{"a":[{"c":1,"c":2}],"b":1}',
    "dotted beside nested": b'{"c.d":1,"c":{"d":2},"b":1}',
    "1e400": b'{"a":1e400,"b":1}',
    "1e400 in a typed path": b'{"$os":[-1e400],"b":1}',
    "401 digits and a point": b'{"a":1' + b"0" * 400 + b'.5,"b":1}',
    "objects 1,500 deep": b'{"b":1,"a":' + b'{"c":' * 1500 + b"1" + b"}" * 1500 + b"}",
    "arrays 100,000 deep": b'{"b":1,"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "arrays 1,500 deep in a typed path": b'{"b":1,"$os":' + b"[" * 1500 + b"]" * 1500 + b"}",
    "NUL": b'{"a\\u0000":"\\u0000","b":1}',
    "a raw control character": b'{"a":"\x01\n\x00","b":1}',
    "invalid UTF-8": b'{"a":"\xff\xfe","b":1}',
    "an encoded surrogate": b'{"a":"\xed\xa0\x80","b":1}',
    "a literal that JSON lacks": b'{"a":NaN,"b":1}',
    "broken": b'{"a":',
    "unbalanced": b"}}]]{",
    "an array": b"[1]",
    "empty": b"",
    "white space": b' {\n\t"b" : 1\r} ',
    "a byte order mark": b'\xef\xbb\xbf{"b":1}',
    "a key of 100 kB": b'{"%s":1,"b":1}' % (b"k" * 100_000),
    "dots only": b'{".":1,"..":2,"":3,"b":1}',
    "escaped dot beside a dot": b'{"a%2Eb":1,"a.b":2,"b":1}',
}


# What is no JSON at all has nothing to read. Everything else keeps its other keys readable.
NO_JSON = {
    *("broken", "unbalanced", "an array", "empty", "a byte order mark"),
    *("a raw control character", "a literal that JSON lacks"),
}


async def test_poison_spoils_no_neighbour_and_comes_back_byte_for_byte(clickhouse: ClickHouse) -> None:
    good = b'{"b":1}'
    batch = [raw for poison in POISON.values() for raw in (good, poison)] + [good]
    await store(clickhouse, *batch)
    assert await raws(clickhouse) == batch
    readable = [place for name in POISON for place in (1, None if name in NO_JSON else 1)] + [1]
    assert await column(clickhouse, "properties.b") == readable


async def test_what_is_repaired_reads_sensibly(clickhouse: ClickHouse) -> None:
    deep = POISON["objects 1,500 deep"]
    await store(clickhouse, b'{"a":"x\\ud800y"}', b'{"a":1e400}', b'{"a":"\xff"}', deep, POISON["arrays 100,000 deep"])
    assert (await column(clickhouse, "toString(properties.a)"))[:3] == ["x\ufffdy", "1e400", "\ufffd"]
    assert (await column(clickhouse, "properties.b"))[3:] == [1, 1]
    assert (await column(clickhouse, "properties_objects"))[3:] == [["a"], []]


async def test_poison_in_every_other_field(clickhouse: ClickHouse) -> None:
    odd = event(b'{"b":1}', event="e\ud800\0", distinct_id="d\udfff", elements_chain="c\ud800")
    person = event(b'{"b":1}', person_properties=msgspec.Raw(b'{"a":1e400,"c":"\\ud800"}'))
    await clickhouse.insert("events", line(event(), 0) + line(odd, 1) + line(person, 2) + line(event(), 3))
    assert await column(clickhouse, "event") == ["$pageview", "e\ufffd\0", "$pageview", "$pageview"]
    assert (await column(clickhouse, "person_properties_raw"))[2] == '{"a":1e400,"c":"\\ud800"}'


@pytest.mark.parametrize(
    "changes",
    [
        {"uuid": "no"},
        {"person_id": ""},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-02-30 00:00:00.000"},
        {"timestamp": "2026-11-20T10:11:12Z"},
        {"created_at": ""},
        {"person_created_at": "2026-13-01 00:00:00"},
        {"captured_at": "x"},
        {"team_id": 2**63},
    ],
)
def test_what_no_column_holds_is_refused_alone(changes: dict[str, Any]) -> None:
    with pytest.raises(event_row.Unstorable) as refused:
        line(event(**changes))
    assert refused.value.attr == next(iter(changes))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(
    st.text(max_size=6) | st.sampled_from(["$browser", "$os", "a.b", "a", "$set", "a%2Eb"]), json_values, max_size=6
)
spellings = st.builds(
    lambda value, ascii_only, spaces: json.dumps(
        value, ensure_ascii=ascii_only, separators=(", ", " : ") if spaces else (",", ":")
    ).encode(errors="surrogatepass"),
    objects,
    st.booleans(),
    st.booleans(),
)


@settings(
    max_examples=scaled(200, least=5),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batch=st.lists(
        spellings
        | st.binary(max_size=30).filter(lambda raw: not raw.startswith(b'"'))
        | st.sampled_from(list(POISON.values())),
        min_size=20,
        max_size=50,
    )
)
async def test_any_batch_is_stored_whole_and_comes_back_byte_for_byte(
    clickhouse: ClickHouse, batch: list[bytes]
) -> None:
    """`suspicious` must never let through what ClickHouse refuses: then this insert would fail."""
    await clickhouse.execute("TRUNCATE TABLE events")
    await store(clickhouse, *batch)
    assert await raws(clickhouse) == batch


async def test_the_partition_of_a_row_is_the_one_foretold(clickhouse: ClickHouse) -> None:
    stamps = [
        "2026-11-20 10:11:12.345",
        "2000-01-01 00:00:00.000",
        "1999-12-31 23:59:59.999",
        "1970-01-01 00:00:00.000",
    ]
    stamps += [
        "0001-01-01 00:00:00.000",
        "2026-11-22 11:59:59.999",
        "2026-11-22 12:00:00.000",
        "2299-12-31 23:59:59.999",
    ]
    stamps += ["9999-12-31 23:59:59.999", "2026-12-01 00:00:00.000", "2024-02-29 00:00:00", "1900-01-01 00:00:00.000"]
    await clickhouse.insert("events", b"".join(line(event(timestamp=at), place) for place, at in enumerate(stamps)))
    assert await column(clickhouse, "_partition_id") == [event_row.partition_month(at, NOW) for at in stamps]


async def test_timestamps_over_three_hundred_months(clickhouse: ClickHouse) -> None:
    """A broken clock, or an import: split, it is inserted; nothing of it is lost."""
    stamps = [f"{1990 + month // 12}-{month % 12 + 1:02}-15 00:00:00.000" for month in range(12 * 42)]
    rows = [(event_row.partition_month(at, NOW), line(event(timestamp=at), place)) for place, at in enumerate(stamps)]
    inserts = list(event_row.split(rows))
    assert len(inserts) == 4  # 2000-01 to 2026-11 and the clamped one: 324 partitions
    for insert in inserts:
        await clickhouse.insert("events", b"".join(insert))
    assert await clickhouse.fetch("SELECT count(), uniqExact(_offset) FROM events") == [(504, 504)]
    assert await clickhouse.fetch("SELECT count() FROM events WHERE _partition_id = '0'") == [(504 - 323,)]


async def test_queries_over_a_time_read_only_its_partitions(clickhouse: ClickHouse) -> None:
    stamps = [f"2026-{month:02}-15 00:00:00.000" for month in range(1, 12)]
    await clickhouse.insert("events", b"".join(line(event(timestamp=at), place) for place, at in enumerate(stamps)))
    plan = await clickhouse.fetch(
        "EXPLAIN indexes = 1 SELECT count() FROM events WHERE timestamp >= '2026-06-01' AND timestamp < '2026-07-01'"
    )
    assert "Parts: 1/11" in "\n".join(row[0] for row in plan)


async def explained(clickhouse: ClickHouse, sql: str) -> str:
    return "\n".join(row[0] for row in await clickhouse.fetch("EXPLAIN indexes = 1 " + sql))


async def test_the_writers_look_ups_use_their_indexes(clickhouse: ClickHouse) -> None:
    count = 9_000
    known = event()
    rows = [line(event(), place) for place in range(count)] + [line(known, count)]
    await clickhouse.insert("events", b"".join(rows))
    copies = (
        f"SELECT uuid, event, distinct_id FROM events WHERE team_id = 1 AND uuid IN ('{known.uuid}') "
        "AND _timestamp >= '2026-11-20 12:00:00'"
    )
    assert await clickhouse.fetch(copies) == [(UUID(known.uuid), "$pageview", "u1")]
    assert "uuid_bloom" in await explained(clickhouse, copies)
    stored = f"SELECT _offset FROM events WHERE _log_id = '{LOG}' AND _partition = 0 AND _offset >= {count}"
    assert await clickhouse.fetch(stored) == [(count,)]
    assert "offset_minmax" in await explained(clickhouse, stored)
    beyond = f"SELECT _offset FROM events WHERE _log_id = '{LOG}' AND _partition = 0 AND _offset >= {count + 1}"
    assert await clickhouse.fetch(beyond) == []
    assert "Granules: 0/" in await explained(clickhouse, beyond)
    outside = copies.replace("2026-11-20 12", "2026-11-22 12")
    assert await clickhouse.fetch(outside) == []


async def test_ten_thousand_keys_in_one_project(clickhouse: ClickHouse) -> None:
    """Elsewhere 2,000 keys used up the file descriptors: here the files of a part do not grow with the keys."""
    keys, batches = 10_000, scaled(50, least=2)
    chosen = random.Random(5)
    offset = 0
    for _ in range(batches):
        rows = []
        for _ in range(keys // 10):
            values = {f"key_{chosen.randrange(keys)}": chosen.randrange(100) for _ in range(8)}
            rows.append(line(event(json.dumps(values | {"key_7": "here", "$os": "x"}).encode()), offset))
            offset += 1
        await clickhouse.insert("events", b"".join(rows))
    started = time.monotonic()
    await clickhouse.execute("OPTIMIZE TABLE events FINAL")
    assert time.monotonic() - started < 200
    parts = await clickhouse.fetch(
        "SELECT max(files) FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active"
    )
    assert parts[0][0] < 1000
    counts = "SELECT uniqExactArray(JSONAllPaths(properties)) > 1000, countIf(properties.key_7 = 'here') FROM events"
    assert await clickhouse.fetch(counts) == [(1, offset)]
