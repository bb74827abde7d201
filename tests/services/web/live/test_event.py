"""What a live view shows of an event, and what it leaves out."""

import msgspec
import pytest

from libs.kit.eventlog import Record
from services.web.live.event import MAX_PROPERTIES_BYTES, Filter, LiveEvent, live_event, message, trim
from services.web.live.fanout import Subscription, by_team
from services.web.live.stream import missed_since
from tests.support.web import stored_record


def event(name: str = "e", distinct_id: str = "u", properties: bytes = b"{}") -> LiveEvent:
    return LiveEvent(
        uuid="x", timestamp="t", distinct_id=distinct_id, person_id="p", event=name, properties=msgspec.Raw(properties)
    )


def record(offset: int, team_id: int = 1, *, partition: int = 0, timestamp_ms: int = 0, name: str = "e") -> Record:
    made = stored_record(name, team_id, "u", "{}")
    return Record("t", partition, offset, made.key, made.value, (), timestamp_ms)


def test_properties_under_the_limit_are_the_senders_bytes() -> None:
    raw = b'{"a": 1.0, "b":12345678901234567890123456789012345678901}'
    assert trim(raw) == (raw, [])


def test_the_largest_properties_go_first() -> None:
    small, large = '"keep"', f'"{"x" * MAX_PROPERTIES_BYTES}"'
    kept, left_out = trim(f'{{"small": {small}, "large": {large}}}'.encode())
    assert msgspec.json.decode(kept) == {"small": "keep"}
    assert left_out == ["large"]
    assert len(kept) <= MAX_PROPERTIES_BYTES


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"event": 1}', b"\xff"])
def test_what_is_not_an_event_is_left_out(value: bytes) -> None:
    assert live_event(Record("t", 0, 0, None, value, (), 0)) is None


def test_properties_sent_as_a_string_are_read_too() -> None:
    value = stored_record("e", 1, "u", '"{\\"a\\": 1}"').value
    found = live_event(Record("t", 0, 0, None, value, (), 0))
    assert found
    assert bytes(found[1].properties) == b'{"a": 1}'


def test_partitions_are_merged_by_time_and_keep_their_own_order() -> None:
    records = [
        record(0, timestamp_ms=5, name="a"),
        record(1, timestamp_ms=4, name="b"),  # a clock that went back
        record(0, partition=1, timestamp_ms=1, name="c"),
        record(1, 2, partition=1, timestamp_ms=9, name="other team"),
    ]
    found = by_team("log", records)
    assert [arrival.event.event for arrival in found[1]] == ["c", "a", "b"]
    assert [arrival.place for arrival in found[1]] == ["log:1", "log:0", "log:0"]
    assert len(found[2]) == 1


def test_filters() -> None:
    wanted = Filter(events=frozenset({"a", "b"}), distinct_id="u1", columns=frozenset({"$browser"}))
    assert wanted.passes(event("a", "u1"))
    assert not wanted.passes(event("c", "u1"))
    assert not wanted.passes(event("a", "u2"))
    shown = wanted.shown(event("a", "u1", b'{"$browser": "Chrome", "secret": 1}'))
    assert msgspec.json.decode(shown.properties) == {"$browser": "Chrome"}


def test_a_line_feed_in_a_name_stays_inside_its_message() -> None:
    sent = message("event", event("a\n\nevent: snapshot\ndata: []"), 7)
    assert sent.startswith(b"id: 7\nevent: event\ndata: {")
    assert sent.count(b"\n\n") == 1


async def test_a_slow_reader_loses_the_oldest_and_is_told() -> None:
    subscription = Subscription(3)
    for number in range(5):
        subscription.put((number, event()))
    dropped, events = await subscription.take(1)
    assert (dropped, [number for number, _ in events]) == (2, [2, 3, 4])
    assert await subscription.take(0.01) == (0, [])


@pytest.mark.parametrize(
    ("last_seen", "expected"),
    [(None, None), (11, [12, 13]), (13, []), (9, [10, 11, 12, 13]), (8, None), (14, None)],
)
def test_what_a_returning_browser_missed(last_seen: int | None, expected: list[int] | None) -> None:
    known = [(number, event()) for number in range(10, 14)]
    missed = missed_since(last_seen, known)
    assert (missed if missed is None else [number for number, _ in missed]) == expected
    assert missed_since(last_seen, []) is None
