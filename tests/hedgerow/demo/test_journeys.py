"""The demo's company behaves like one: counted over many generated events, not looked at."""

import itertools
import tracemalloc
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from hedgerow.demo.journeys import Event, stories
from services.capture.decision import Limits, Request
from services.capture.handle import decide
from services.capture.heatmaps import HEATMAP
from services.capture.times import microseconds

NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
START = NOW - timedelta(days=90)


def first_events(count: int, seed: int = 7, now: datetime = NOW) -> list[Event]:
    return list(itertools.islice(itertools.chain.from_iterable(stories(seed, now)), count))


def at(event: Event) -> datetime:
    return datetime.fromisoformat(event["timestamp"])


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return first_events(25_000)


@pytest.fixture(scope="module")
def by_story() -> list[list[Event]]:
    return list(itertools.islice(stories(7, NOW), 2000))


def test_the_same_seed_and_now_tell_the_same_stories() -> None:
    assert orjson.dumps(first_events(2000)) == orjson.dumps(first_events(2000))
    ids = {event["uuid"] for event in first_events(2000)}
    later = {event["uuid"] for event in first_events(2000, now=NOW + timedelta(minutes=20))}
    assert len(ids & later) > 1900  # the same stories, told a little further
    assert not ids & {event["uuid"] for event in first_events(2000, seed=8)}
    assert not ids & {event["uuid"] for event in first_events(2000, now=NOW + timedelta(days=1))}


def test_uuids_are_unique_and_carry_the_time(events: list[Event]) -> None:
    ids = [UUID(event["uuid"]) for event in events]
    assert len(set(ids)) == len(ids)
    for event, identity in zip(events[:200], ids[:200], strict=True):
        assert identity.version == 7
        assert identity.int >> 80 == int(at(event).timestamp() * 1000)


def test_ninety_days_and_nothing_later_than_now(events: list[Event]) -> None:
    times = [at(event) for event in events]
    assert START <= min(times) < START + timedelta(days=4)
    assert NOW - timedelta(hours=2) < max(times) < NOW


def test_a_story_is_in_order_and_joins_people_before_using_their_ids(by_story: list[list[Event]]) -> None:
    for story in by_story:
        assert [event["timestamp"] for event in story] == sorted(event["timestamp"] for event in story)
    grown = [story for story in by_story if any(event["event"] == "teammate joined" for event in story)]
    assert grown
    for event in itertools.chain.from_iterable(grown):
        if event["event"] == "$identify":
            assert event["properties"]["$anon_distinct_id"] == event["properties"]["$device_id"]
            assert event["$set"]["email"] == event["distinct_id"]


def test_the_funnel_leaks_at_every_step(by_story: list[list[Event]]) -> None:
    reached = Counter[str]()
    for story in by_story:
        names = {event["event"] for event in story}
        reached.update(names & {"$pageview", "signed up", "board created", "invite sent", "plan upgraded"})
    visited, joined, active, invited, paid = (
        reached[name] for name in ("$pageview", "signed up", "board created", "invite sent", "plan upgraded")
    )
    assert visited == len(by_story)
    assert 0.08 < joined / visited < 0.2
    assert 0.45 < active / joined < 0.8
    assert 0.25 < invited / active < 0.55
    assert 0.1 < paid / active < 0.4
    assert visited > joined > active > invited > paid > 0


def test_it_grows_and_rests_at_weekends(events: list[Event]) -> None:
    weeks = Counter((at(event) - START).days // 7 for event in events)
    assert sum(weeks[week] for week in range(8, 12)) > 1.8 * sum(weeks[week] for week in range(1, 5))
    days = Counter(at(event).date() for event in events)
    workdays = [count for day, count in days.items() if day.weekday() < 5]
    weekends = [count for day, count in days.items() if day.weekday() >= 5]
    assert sum(weekends) / len(weekends) < 0.6 * sum(workdays) / len(workdays)


def test_some_come_back_and_fewer_each_week(events: list[Event]) -> None:
    joined: dict[str, datetime] = {}
    active: defaultdict[str, set[int]] = defaultdict(set)
    for event in sorted(events, key=at):
        person = event["distinct_id"]
        if event["event"] == "signed up":
            joined[person] = at(event)
        elif person in joined:
            active[person].add((at(event) - joined[person]).days // 7)
    early = [person for person, moment in joined.items() if moment < NOW - timedelta(weeks=7)]
    kept = [sum(week in active[person] for person in early) / len(early) for week in range(7)]
    assert kept[1] > kept[3] > kept[6] > 0.02
    assert 0.15 < kept[1] < 0.6


def test_organisations_are_groups(by_story: list[list[Event]]) -> None:
    events = list(itertools.chain.from_iterable(by_story))
    described = {event["properties"]["$group_key"] for event in events if event["event"] == "$groupidentify"}
    used = {groups["organisation"] for event in events if (groups := event["properties"].get("$groups"))}
    assert len(described) > 100
    assert used == described
    assert len({event["properties"]["$geoip_country_code"] for event in events}) == 10


def test_memory_is_one_story_at_a_time() -> None:
    tracemalloc.start()
    for _ in itertools.islice(stories(7, NOW), 300):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


def test_capture_takes_every_event_with_its_own_uuid_and_time() -> None:
    sample: list[Any] = first_events(3000)
    body = orjson.dumps({"api_key": "phc_t", "batch": sample})
    decision = decide(Request("POST", "/batch/", b"", {}, body, None, microseconds(NOW)), Limits(10**8, 10**6, 10**5))
    assert decision.refused is None
    sent = [said for record in decision.records if (said := orjson.loads(record.value))["event"] != HEATMAP]
    for event, record in zip(sample, sent, strict=True):
        assert (record["uuid"], record["timestamp"]) == (event["uuid"], event["timestamp"])
        assert record["data"]["properties"] == event["properties"]
