"""Restrictions on events that are in the log already, without engines."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from libs.kit.contracts.arrival import arrival_header
from libs.kit.restrictions import restrictions_in
from libs.kit.teams import Team
from services.cdp.ingestion.parse import Incoming, Rejected
from services.cdp.ingestion.plan import parsed
from services.cdp.ingestion.restrictions import Rules, overflowing, ruled
from tests.support.captured import ARRIVED_MS, captured_record, raw_record

TEAMS = {"phc_one": Team(1, "phc_one")}
EVENTS = parsed(
    [
        captured_record(0, event="a", distinct_id="u", uuid_="01900000-0000-7000-8000-0000000000AA"),
        captured_record(1, event="b", distinct_id="u", headers={"session_id": b"s"}),
        captured_record(2, event="$exception", distinct_id="v"),
        captured_record(3, event="a", token="phc_other"),
        raw_record(b"{", offset=4),
    ]
)


def rules(*kinds: str, **filters: Any) -> Rules:
    found = {kind: restrictions_in(kind, json.dumps([{"token": "phc_one", **filters}]).encode()) for kind in kinds}
    assert not any(wrong for _, wrong in found.values())
    return {"phc_one": [rule for by_token, _ in found.values() for rule in by_token[b"phc_one"]]}


def offsets(events: Iterable[Incoming | Rejected]) -> list[int]:
    return [event.record.offset for event in events]


def test_without_rules_the_batch_is_what_it_was() -> None:
    assert ruled(EVENTS, TEAMS, {}, frozenset()).events is EVENTS
    assert overflowing(EVENTS, {}) == {}


@pytest.mark.parametrize(
    ("filters", "gone"),
    [
        ({}, [0, 1, 2]),
        ({"distinct_ids": ["u"]}, [0, 1]),
        ({"event_names": ["a"]}, [0]),
        ({"event_uuids": ["01900000-0000-7000-8000-0000000000aa"]}, [0]),
        ({"session_ids": ["s"]}, [1]),
        ({"pipelines": ["errortracking"]}, [2]),
        ({"distinct_ids": ["u"], "event_names": ["$exception"]}, []),
    ],
)
def test_what_is_dropped(filters: dict[str, Any], gone: list[int]) -> None:
    done = ruled(EVENTS, TEAMS, rules("drop_event_from_ingestion", "redirect_to_dlq", **filters), frozenset())
    assert offsets(done.events) == [offset for offset in range(5) if offset not in gone]
    assert done.outcomes["dropped", "event_restriction_drop"] == len(gone)
    uuids = [event.uuid for event in EVENTS[:3] if isinstance(event, Incoming)]
    assert done.dropped == [(1, uuids[offset], "event_restriction_drop") for offset in gone]


def test_dead_letters_keep_their_place() -> None:
    done = ruled(EVENTS, TEAMS, rules("redirect_to_dlq", event_names=["b"]), frozenset())
    assert offsets(done.events) == [0, 1, 2, 3, 4]
    assert done.events[1] == Rejected(EVENTS[1].record, "redirect_to_dlq", "restrictions")
    assert not done.dropped


def test_an_event_without_a_person_has_no_person() -> None:
    done = ruled(EVENTS[:1], TEAMS, rules("skip_person_processing"), frozenset())
    [event] = done.events
    assert isinstance(event, Incoming)
    assert event.properties.raw("$process_person_profile") == b"false"
    original = EVENTS[0]
    assert isinstance(original, Incoming)
    assert "$process_person_profile" not in original.properties


def test_what_overflows() -> None:
    found = overflowing(EVENTS, rules("force_overflow_from_ingestion", event_names=["a", "b"]))
    assert [*found] == [(0, 0), (0, 1)]
    moved = found[0, 1]
    original = EVENTS[1].record
    assert (moved.key, moved.value) == (original.key, original.value)
    assert moved.headers == (*original.headers, arrival_header(ARRIVED_MS))
    done = ruled(EVENTS, TEAMS, {}, found.keys())
    assert offsets(done.events) == [2, 3, 4]
    assert done.outcomes == {("overflowed", "overflow_restriction"): 2}


def test_what_has_no_person_is_spread() -> None:
    found = overflowing(EVENTS, rules("force_overflow_from_ingestion", "skip_person_processing"))
    assert [record.key for record in found.values()] == [None, None, None]


@pytest.mark.parametrize("stronger", ["drop_event_from_ingestion", "redirect_to_dlq"])
def test_what_goes_no_further_does_not_overflow(stronger: str) -> None:
    assert overflowing(EVENTS, rules("force_overflow_from_ingestion", stronger)) == {}
