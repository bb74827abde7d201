"""What a record holds: the sender's bytes inside, PostHog's fields around them, within the log's size."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import orjson
import pytest

from libs.kit.contracts.events import CapturedEvent, raw_object
from tests.support.capturing import Capturing, capturing


@pytest.fixture
async def capture() -> AsyncIterator[Capturing]:
    async with capturing(max_record_bytes=10_000) as running:
        yield running


def data_of(capture: Capturing) -> bytes:
    [record] = capture.log.records
    return raw_object(msgspec.json.decode(record.value, type=CapturedEvent).data)


PROPERTIES = [
    b'{"a":1.0,"b":1,"c":-0.0,"d":1e5,"e":1E+05}',
    b'{"big":1234567890123456789012345678901234567890,"small":1e-400,"huge":1e400}',
    b'{ "spaced" : [ 1 , 2 ] , "text" : "caf\\u00e9 \xc3\xa9 \\/ \\n" }',
    b'{"a.b":1,"a":{"b":2},"":null,"nul":"\\u0000","empty":{},"list":[]}',
    b'{"twice":1,"twice":2}',
    b"{}",
]


@pytest.mark.parametrize("properties", PROPERTIES)
async def test_properties_are_the_senders_bytes(capture: Capturing, properties: bytes) -> None:
    body = b'{"api_key":"phc_t","batch":[{"event":"a","distinct_id":"u","properties":' + properties + b"}]}"
    assert (await capture.post("/batch/", body)).status_code == 200
    data = data_of(capture)
    assert bytes(msgspec.json.decode(data, type=dict[str, msgspec.Raw])["properties"]) == properties


async def test_the_raw_event_keeps_known_fields_under_one_name(capture: Capturing) -> None:
    body = (
        b'{"api_key":"phc_t","$distinct_id":1.0,"event":"a","uuid":"0190a1b2-0000-7000-8000-000000000001",'
        b'"timestamp":"2026-11-21T11:00:00+03","offset":5,"$set":{"n":1.50},"$set_once":{"m":2.0},'
        b'"$unset":["x"],"sent_at":"x","other":1,"properties":{"p":1.0}}'
    )
    assert (await capture.post("/e/", body)).status_code == 200
    fields = msgspec.json.decode(data_of(capture), type=dict[str, msgspec.Raw])
    assert {name: bytes(raw) for name, raw in fields.items()} == {
        "token": b'"phc_t"',
        "distinct_id": b"1.0",
        "uuid": b'"0190a1b2-0000-7000-8000-000000000001"',
        "event": b'"a"',
        "properties": b'{"p":1.0}',
        "timestamp": b'"2026-11-21T11:00:00+03"',
        "offset": b"5",
        "$set": b'{"n":1.50}',
        "$set_once": b'{"m":2.0}',
    }


async def test_nulls_are_absent(capture: Capturing) -> None:
    nothing: dict[str, Any] = dict.fromkeys(("timestamp", "offset", "$set", "$set_once", "uuid", "token"))
    sent = {"event": "a", "distinct_id": "u", "properties": {"token": "phc_t"}, **nothing}
    assert (await capture.post("/e/", sent)).status_code == 200
    assert set(orjson.loads(data_of(capture))) == {"distinct_id", "event", "properties"}


async def test_headers_and_outer_fields(capture: Capturing) -> None:
    sent = {"event": "a", "distinct_id": "u", "properties": {"$session_id": "s1", "capture_internal": 0}}
    body = {"api_key": "phc_t", "batch": [sent], "historical_migration": True, "sent_at": "2026-11-21T12:00:00Z"}
    assert (await capture.post("/batch/", body, x_forwarded_for="198.51.100.7")).status_code == 200
    [record] = capture.log.records
    [outer] = capture.log.events()
    assert list(outer) == [
        "uuid", "distinct_id", "ip", "data", "now", "sent_at", "token", "event", "timestamp", "historical_migration"
    ]  # fmt: skip
    assert outer["ip"] == "127.0.0.1"
    assert dict(record.headers) == {
        "v": b"1",
        "token": b"phc_t",
        "distinct_id": b"u",
        "session_id": b"s1",
        "timestamp": b"1795262400000",
        "event": b"a",
        "uuid": outer["uuid"].encode(),
        "now": b"2026-11-21T12:00:00.000Z",
        "historical_migration": b"true",
    }


async def test_half_a_pair_becomes_a_replacement_character(capture: Capturing) -> None:
    body = (
        rb'{"api_key":"phc_t","event":"cut \ud83d","distinct_id":"u","properties":{"a":"\ude00 \\ud83d \ud83d\ude00",'
        rb'"\ud800":"\ud800\ud83d\ude00\\\ud800","n":1.0}}'
    )
    assert (await capture.post("/e/", body)).status_code == 200
    fields = msgspec.json.decode(data_of(capture), type=dict[str, msgspec.Raw])
    assert bytes(fields["properties"]) == (
        rb'{"a":"\ufffd \\ud83d \ud83d\ude00","\ufffd":"\ufffd\ud83d\ude00\\\ufffd","n":1.0}'
    )
    assert orjson.loads(bytes(fields["event"])) == "cut \ufffd"


async def test_a_record_too_large_for_the_log_refuses_the_request(capture: Capturing) -> None:
    fits = {"event": "a", "distinct_id": "u", "properties": {"x": "y" * 9000}}
    large = {"event": "a", "distinct_id": "u", "properties": {"x": "y" * 10_000}}
    assert (await capture.post("/batch/", {"api_key": "phc_t", "batch": [fits]})).status_code == 200
    answer = await capture.post("/batch/", {"api_key": "phc_t", "batch": [fits, large]})
    assert answer.status_code == 413
    assert answer.text.startswith("maximum event size exceeded: ")
    assert len(capture.log.records) == 1


@pytest.mark.parametrize("depth", [128, 500, 990, 4000])
async def test_nesting_deeper_than_readers_can_follow_is_refused(capture: Capturing, depth: int) -> None:
    body = b'{"api_key":"phc_t","event":"a","distinct_id":"u","properties":{"a":%s%s}}' % (b"[" * depth, b"]" * depth)
    answer = await capture.post("/e/", body)
    assert (answer.status_code, answer.text[:24]) == (400, "failed to parse request:")


async def test_many_brackets_side_by_side_are_not_deep(capture: Capturing) -> None:
    properties = {"flat": [[] for _ in range(600)], "text": "[" * 600, "escaped": '"' + "{" * 600}
    body = {"api_key": "phc_t", "event": "a", "distinct_id": "u", "properties": properties}
    assert (await capture.post("/e/", body)).status_code == 200
    nested = orjson.loads(b"[" * 120 + b"]" * 120)
    body["properties"] = {"a": nested, "b": [[] for _ in range(600)]}
    assert (await capture.post("/e/", body)).status_code == 200
