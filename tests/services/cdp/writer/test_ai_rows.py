"""AI events -> columns, and what of these no column can hold."""

import json
from typing import Any

import msgspec
import pytest

from libs.kit.contracts.topics import AI_EVENTS
from libs.kit.eventlog import Record
from libs.kit.schema.clickhouse.migrations import m0009_ai_events
from services.cdp.writer.ai_rows import ai_columns
from services.cdp.writer.tables import lines
from tests.support.captured import ARRIVED_MS

UUID = "0190a1b2-0000-7000-8000-00000000000A"


def value(properties: Any, **more: Any) -> bytes:
    raw = properties if isinstance(properties, str) else json.dumps(properties)
    outer = {
        "uuid": UUID, "event": "$ai_generation", "timestamp": "2026-09-20 10:00:00.000", "team_id": 1, "project_id": 1,
        "distinct_id": "u", "elements_chain": "", "created_at": "2026-09-20 10:00:00.000", "captured_at": None,
        "person_id": UUID, "person_properties": {}, "person_created_at": "2026-09-20 10:00:00", "person_mode": "full",
        **more,
    }  # fmt: skip
    return (json.dumps(outer)[:-1] + f',"properties":{raw}}}').encode()


def columns(**said: Any) -> dict[str, Any]:
    return ai_columns(value({f"$ai_{name}": each for name, each in said.items()}))


def test_columns_are_those_of_the_table() -> None:
    [table] = m0009_ai_events.operations
    made = {column.split()[0] for column in table.columns}
    known = made - {"retention_days", "_timestamp", "_offset", "_partition"}
    assert {*columns(**dict.fromkeys(known, 1))} == known
    outer = {"uuid", "event", "timestamp", "team_id", "distinct_id", "person_id", "properties"}
    assert {*columns()} == outer  # of the others the table knows what they are when nothing is said


@pytest.mark.parametrize(
    ("name", "sent", "expected"),
    [
        ("trace_id", "t", "t"),
        ("trace_id", None, ""),
        ("session_id", None, None),
        ("model", "é\0", "é\0"),
        ("error", {"message": "no"}, '{"message": "no"}'),
        ("error", "", ""),
        ("span_name", 5, "5"),
        ("input_tokens", 12, 12),
        ("input_tokens", 12.0, 12),
        ("input_tokens", "12", 12),
        ("input_tokens", 1.5, None),
        ("input_tokens", True, None),
        ("input_tokens", 2**63, None),
        ("input_tokens", [1], None),
        ("input_tokens", None, None),
        ("latency", 1.5, 1.5),
        ("latency", "x", None),
        ("is_error", True, True),
        ("is_error", "true", True),
        ("is_error", 1, False),
        ("input", [{"role": "user", "n": 1.0}], '[{"role": "user", "n": 1.0}]'),
        ("output", "text", '"text"'),
        ("tools", None, None),
    ],
)
def test_what_a_column_holds(name: str, sent: Any, expected: Any) -> None:
    found = columns(**{name: sent})[name]
    assert (found, type(found)) == (expected, type(expected))


def test_large_properties_are_columns_and_the_others_stay() -> None:
    found = ai_columns(value('{"$ai_input": [1.0],"a":{"b":1e400},"$ai_model":"m","$ai_tools":{} }'))
    assert found["properties"] == '{"a":{"b":1e400},"$ai_model":"m"}'
    assert (found["input"], found["tools"], found["model"]) == ("[1.0]", "{}", "m")
    assert found["uuid"] == UUID.lower()


def test_what_a_column_cannot_hold_stays_in_the_properties() -> None:
    found = ai_columns(value(r'{"$ai_latency":1e400,"$ai_trace_id":"\ud83d\ude00"}'))
    assert (found["latency"], found["trace_id"]) == (None, "\U0001f600")
    assert "1e400" in str(found["properties"])
    assert msgspec.json.encode(found)


@pytest.mark.parametrize(
    "broken",
    [value("[]"), value("3"), value({}, uuid="x"), value({}, team_id="1"), value(r'{"a":"\ud800"}'), b"{", b"5"],
)
def test_what_is_no_ai_event(broken: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        ai_columns(broken)


def test_what_is_older_than_the_table_keeps_is_no_row() -> None:
    """ARRIVED_MS is 2026-09-21."""

    def made(timestamp: str, days: int, *, arrived: bytes = b"") -> list[dict[str, Any]]:
        headers = (("v", b"1"), ("arrived", arrived)) if arrived else ()
        record = Record(AI_EVENTS.name, 2, 7, b"k", value({}, timestamp=timestamp), headers, ARRIVED_MS)
        return [json.loads(line.text) for line in lines(record, days)]

    [row] = made("2026-08-23 00:00:00.000", 30)
    assert (row["retention_days"], row["_timestamp"], row["_offset"]) == (30, ARRIVED_MS // 1000, 7)
    assert made("2026-08-21 23:59:59.999", 30) == []
    assert len(made("2026-08-21 23:59:59.999", 31)) == 1
    assert made("1969-01-01 00:00:00.000", 30) == []
    assert made("2026-08-23 00:00:00.000", 30, arrived=b"%d" % (ARRIVED_MS + 86_400_000 * 3)) == []
    assert made("2026-09-20 00:00:00.000", 30, arrived=b"1789000000000")[0]["_timestamp"] == 1789000000
