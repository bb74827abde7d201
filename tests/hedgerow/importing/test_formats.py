"""Lines of exports, as their tools write them."""

from typing import Any

import orjson
import pytest

from hedgerow.importing.formats import Unusable, event_of

POSTHOG = {
    "uuid": "0190a1b2-0000-7000-8000-000000000001",
    "event": "$pageview",
    "distinct_id": "ada",
    "person_id": "7f2c0000-0000-4000-8000-000000000000",
    "properties": {"$current_url": "https://example.com", "n": 1},
    "person_properties": {"plan": "pro"},
    "elements_chain": 'a:text="Buy"',
    "timestamp": "2025-03-01T10:00:00.123000+00:00",
    "created_at": "2025-03-01T10:00:01+00:00",
    "_inserted_at": "2025-03-01T10:00:02+00:00",
}


def read(said: dict[str, Any], number: int = 1) -> dict[str, Any]:
    return event_of(orjson.dumps(said), number, None)


def test_a_posthog_batch_export() -> None:
    assert read(POSTHOG) == {
        "uuid": POSTHOG["uuid"],
        "event": "$pageview",
        "distinct_id": "ada",
        "timestamp": POSTHOG["timestamp"],
        "properties": {"$current_url": "https://example.com", "n": 1, "$elements_chain": 'a:text="Buy"'},
    }


def test_properties_as_text_are_the_same() -> None:
    assert read({**POSTHOG, "properties": '{"$current_url":"https://example.com","n":1}'}) == read(POSTHOG)


def test_an_sdks_event() -> None:
    event = read(
        {
            "event": "bought",
            "properties": {"distinct_id": "ada", "sum": 2},
            "timestamp": "2025-03-01T10:00:00Z",
            "$set": {"plan": "pro"},
        }
    )
    assert event["distinct_id"] == "ada"
    assert event["properties"]["$set"] == {"plan": "pro"}


def test_mixpanel() -> None:
    said = {
        "event": "Signed up",
        "properties": {"time": 1740823200, "distinct_id": "ada", "$insert_id": "i1", "$browser": "Firefox",
                       "mp_country_code": "GB"},
    }  # fmt: skip
    event = read(said)
    assert event["timestamp"] == "2025-03-01T10:00:00+00:00"
    assert event["distinct_id"] == "ada"
    assert event["properties"] == {"$browser": "Firefox", "$geoip_country_code": "GB"}
    assert event["uuid"] == read(said, number=9)["uuid"]  # one insert id is one event, wherever it stands


def test_mixpanels_milliseconds() -> None:
    said = {"event": "a", "properties": {"time": 1740823200123, "distinct_id": "ada"}}
    assert read(said)["timestamp"] == "2025-03-01T10:00:00.123000+00:00"


def test_amplitude() -> None:
    event = read(
        {
            "uuid": "0190a1b2-0000-7000-8000-000000000002",
            "event_type": "Bought",
            "user_id": None,
            "device_id": "d1",
            "event_time": "2025-03-01 10:00:00.123000",
            "event_properties": {"sum": 2},
            "user_properties": {"plan": "pro"},
            "ip_address": "1.2.3.4",
        }
    )
    assert event == {
        "uuid": "0190a1b2-0000-7000-8000-000000000002",
        "event": "Bought",
        "distinct_id": "d1",
        "timestamp": "2025-03-01T10:00:00.123000Z",
        "properties": {"sum": 2, "$set": {"plan": "pro"}, "$ip": "1.2.3.4"},
    }


def test_a_line_without_a_uuid_gets_one_that_stays() -> None:
    said = {key: value for key, value in POSTHOG.items() if key != "uuid"}
    assert read(said, 4)["uuid"] == read(said, 4)["uuid"]
    assert read(said, 4)["uuid"] != read(said, 5)["uuid"]  # two equal lines are two events


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "event is missing"),
        (b'{"event":"a","timestamp":"2025-01-01"}', "distinct_id is missing"),
        (b'{"event":"a","distinct_id":"x"}', "timestamp is missing"),
        (b'{"event":"a","distinct_id":"x","timestamp":"2025-01-01","properties":"{"}', "properties is text"),
        (b'{"event":"a","distinct_id":"x","timestamp":"2025-01-01","properties":[1]}', "not an object"),
        (b'{"event":"a","properties":{"time":1e300,"distinct_id":"x"}}', "out of range"),
        (b'{"event_type":"a","user_id":"x"}', "time is missing"),
    ],
)
def test_unusable(line: bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        event_of(line, 1, None)
