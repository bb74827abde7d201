"""The fast way to a line of the events table: what it accepts is what the slow way makes."""

import json
from unittest import mock

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from libs.fastpath import CHOSEN
from libs.kit.eventlog import Record
from services.cdp.writer import rows
from tests.support.captured import ARRIVED_MS
from tests.support.json_texts import BLANKS, HALVES, INVALID, NUMBERS, OTHERS, STRINGS, object_of
from tests.support.scale import scaled

TIMES = [
    b'"2026-11-05 10:11:12.345"', b'"2026-11-05 10:11:12"', b'"2026-02-30 10:11:12.345"', b'"2026-12-31 23:59:59.999"',
    b'"1999-12-31 10:11:12.345"', b'"2300-01-01 00:00:00.000"', b'"2026-09-22 15:33:20.000"', b'"0000-01-01 00:00:00"',
    b'"2026-09-21 15:33:19.999"', b'"2026-09-21 00:00:00.000"', b'"2026-11-05T10:11:12.345"', b'"2026-11-05 24:00:00"',
    b'"2026-11-31 10:11:12.345"', b'"2028-02-29 10:11:12.345"', b'"2026-11-05 10:11:12.1"', b"null",
]  # fmt: skip
UUIDS = [b'"0190a0a0-0000-7000-8000-00000000000a"', b'"0190A0A0-0000-7000-8000-00000000000A"', b'"nope"']
VALUES = st.sampled_from([*STRINGS, *NUMBERS, *OTHERS, *HALVES, b"1e300", b'{"deep":{"er":[{}]}}', b"-0", *INVALID[:4]])
NAMES = st.sampled_from([b"a", b"$set", b"b", rb"\u0061", rb"q\"", "é".encode(), b""])
USUAL: dict[str, list[bytes]] = {
    "uuid": UUIDS, "event": STRINGS, "timestamp": TIMES, "team_id": [b"1", b"-5", b"01", b"1.0", b"9" * 20],
    "project_id": [b"1", b"0"], "distinct_id": STRINGS, "elements_chain": STRINGS, "created_at": TIMES,
    "captured_at": TIMES, "person_id": UUIDS, "person_created_at": TIMES,
    "person_mode": [b'"full"', b'"propertyless"', b'"force_upgrade"', b'"none"', rb'"fu\u006cl"'],
    "historical_migration": [b"true", b"false", b"null"], "other": OTHERS,
}  # fmt: skip


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    return draw(object_of(draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))))


@st.composite
def stored(draw: st.DrawFn) -> bytes:
    """Stored events, most of them good."""
    names = [name for name in USUAL if name not in ("historical_migration", "other")]
    names += draw(st.lists(st.sampled_from(sorted(USUAL)), max_size=1))
    members = [
        (name.encode(), draw(st.one_of(*[st.just(USUAL[name][0])] * 5, st.sampled_from(USUAL[name])))) for name in names
    ]
    held = st.one_of(*[objects()] * 9, VALUES)
    members += [(name, draw(held)) for name in (b"properties", b"person_properties")]
    return draw(BLANKS) + draw(object_of(draw(st.permutations(members)))) + draw(BLANKS)


def good(**more: object) -> bytes:
    row = {
        name: json.loads(values[0]) for name, values in USUAL.items() if name not in ("historical_migration", "other")
    }
    return json.dumps({**row, "properties": {"a": 1}, "person_properties": {}} | more).encode()


@settings(max_examples=scaled(10_000), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(stored())
@example(good(properties={"line": 'a\n"b"\\', "o": {"x": 1.5}}, distinct_id="\u2028é\0"))
def test_what_is_accepted_is_what_the_slow_way_makes(value: bytes) -> None:
    record = Record("clickhouse_events_json", 3, 17, b"k", value, (), ARRIVED_MS)
    made = rows._ordinary(record, 'log "1"', ARRIVED_MS)
    if made is not None:
        with mock.patch.object(rows, "_ordinary", return_value=None):
            slow = rows.row(record, 'log "1"')
        assert isinstance(slow, rows.Row)
        assert made == msgspec.structs.replace(slow, made=None)
        assert made.line == slow.line


def test_what_ingestion_writes_is_accepted() -> None:
    record = Record("clickhouse_events_json", 3, 17, b"k", good(), (), ARRIVED_MS)
    assert (rows._ordinary(record, "log", ARRIVED_MS) is not None) is (CHOSEN["_members"] == "cython")
