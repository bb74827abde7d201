"""Each event's fate, and what its record becomes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from libs.kit.contracts.topics import DEAD_LETTERS, EVENTS, HISTORICAL, OVERFLOW
from libs.kit.eventlog import NewRecord
from libs.kit.restrictions import Kind, Restriction
from services.capture.policies.quotas import end_of_month, resource_of
from services.capture.policies.routing import Standing, imported, route
from tests.support.capturing import NOW, record


def rule(kind: Kind, **more: Any) -> Restriction:
    return Restriction(kind, kind, **more)


def topics(records: Sequence[NewRecord], historical: bool = False, **standing: Any) -> Mapping[str, list[bytes]]:
    routed = route(records, Standing(**standing), historical=historical, now=NOW)
    return {topic: [dict(one.headers)["event"] for one in some] for topic, some in routed.topics.items()}


def test_without_policies_records_go_through_untouched() -> None:
    records = [record(), record("b")]
    assert imported(records, historical=False) is None
    same = route(records, Standing(), historical=False)
    assert (same.fates, same.outcomes) == ({}, {("accepted", ""): 2})
    assert all(one is other for one, other in zip(same.topics[EVENTS.name], records, strict=True))


def test_imports_have_a_topic_but_for_events_with_a_lane_of_their_own() -> None:
    names = ["a", "$exception", "$$heatmap", "$$client_ingestion_warning"]
    routing = imported([record(name, historical=True) for name in names], historical=True)
    assert routing is not None
    assert [len(routing.topics[name]) for name in (HISTORICAL.name, EVENTS.name)] == [1, 3]
    assert routing.topics[HISTORICAL.name][0].key == b"phc_t:u"


def test_old_events_count_as_an_import_where_that_is_wanted() -> None:
    records = [record("old", at=999), record("new", at=1000)]
    assert topics(records, historical_before_ms=1000) == {HISTORICAL.name: [b"old"], EVENTS.name: [b"new"]}


def test_an_import_does_not_overflow() -> None:
    assert topics([record(historical=True)], True, restrictions=[rule("overflow")]) == {HISTORICAL.name: [b"a"]}


@pytest.mark.parametrize(
    ("kinds", "topic"),
    [
        (["overflow", "topic", "dlq"], DEAD_LETTERS.name),
        (["overflow", "topic"], HISTORICAL.name),
        (["overflow", "personless"], OVERFLOW.name),
        (["personless"], EVENTS.name),
    ],
)
def test_dead_letters_before_another_topic_before_overflow(kinds: list[Kind], topic: str) -> None:
    restrictions = [rule(kind, topic=HISTORICAL.name if kind == "topic" else "") for kind in kinds]
    assert topics([record()], restrictions=restrictions) == {topic: [b"a"]}


def test_a_drop_comes_before_all() -> None:
    routing = route([record()], Standing([rule("dlq"), rule("drop")]), historical=False, now=NOW)
    assert (routing.topics, routing.limited, routing.outcomes) == ({}, (), {("dropped", "drop"): 1})


def test_what_a_moved_record_looks_like() -> None:
    (overflow,) = route([record()], Standing([rule("overflow")]), historical=False).topics[OVERFLOW.name]
    assert overflow.key is None
    keeping = Standing([rule("overflow")], overflow_keeps_key=True)
    (overflow,) = route([record()], keeping, historical=False).topics[OVERFLOW.name]
    assert overflow.key == b"phc_t:u"
    (personless,) = route([record()], Standing([rule("personless")]), historical=False).topics[EVENTS.name]
    assert dict(personless.headers)["force_disable_person_processing"] == b"true"
    assert personless.key == b"phc_t:u"
    (dead,) = route([record()], Standing([rule("dlq")]), historical=False, now=NOW).topics[DEAD_LETTERS.name]
    assert (dead.key, dict(dead.headers)["dlq_reason"], dict(dead.headers)["dlq_step"]) == (
        b"phc_t:u",
        b"dlq",
        b"capture",
    )


def test_only_what_is_above_a_rate_moves_and_order_stays() -> None:
    records = [record(f"{who}{n}", who) for n in range(3) for who in "uv"]
    moved = topics(records, over_burst={b"phc_t:u": 2})
    assert moved == {EVENTS.name: [b"u0", b"v0", b"v1", b"v2"], OVERFLOW.name: [b"u1", b"u2"]}
    routed = route(records, Standing(over_rate={b"phc_t:v": 1}), historical=False)
    assert {index: fate.personless for index, fate in routed.fates.items()} == {5: True}
    assert routed.outcomes["accepted", "person_rate"] == 1


def test_a_dry_limit_counts_and_lets_pass() -> None:
    standing = Standing(limited={"events"}, over_burst={b"phc_t:u": 1}, dry={"quota", "overflow"})
    routing = route([record()], standing, historical=False)
    assert (list(routing.topics), routing.dry) == ([EVENTS.name], {"quota": 1, "overflow": 1})


@pytest.mark.parametrize(
    ("limited", "kept"),
    [
        ({"events"}, ["$exception", "survey sent", "$ai_generation"]),
        ({"surveys"}, ["a", "$exception", "$ai_generation"]),
        ({"exceptions", "llm_events"}, ["a", "survey sent"]),
        ({"events", "exceptions", "surveys", "llm_events"}, []),
    ],
)
def test_each_resource_drops_its_own_events(limited: set[str], kept: list[str]) -> None:
    records = [record(name) for name in ("a", "$exception", "survey sent", "$ai_generation")]
    routing = route(records, Standing(limited=limited), historical=False)
    found = [dict(one.headers)["event"].decode() for some in routing.topics.values() for one in some]
    assert found == kept
    assert routing.limited == (() if kept else tuple(sorted(limited)))


def test_a_survey_of_a_product_tour_is_an_event() -> None:
    value = b'{"uuid":"i","data":{"event":"survey sent","properties":{"x":%s}}}'
    assert resource_of(b"survey sent", value % b'1,"$product_tour_id":"t"') == "events"
    assert resource_of(b"survey sent", value % b'"$product_tour_id"') == "surveys"
    assert resource_of(b"survey seen", value) == "events"


def test_a_month_ends() -> None:
    assert end_of_month(NOW) == 1_796_083_200
    assert end_of_month(NOW.replace(month=12)) == 1_798_761_600
