"""Events that their own project does not want: a filter of its own, and properties that an event must have."""

import json
from typing import Any

import pytest

from libs.kit.event_filters import EventFilter
from libs.kit.teams import Team
from services.cdp.ingestion.schemas import violations
from services.cdp.raw_json import encode, object_of
from tests.support.ingested import Ingested

TREE = {"type": "condition", "field": "event_name", "operator": "exact", "value": "noise"}
REQUIRED = {"bought": {"amount": ["Numeric"], "item": ["String", "Object"]}}


def ingested(**settings: Any) -> Ingested:
    return Ingested(Team(1, "phc_one", **settings))


def test_a_live_filter_drops_in_silence() -> None:
    all_of_it = ingested(event_filter=EventFilter(TREE, live=True))
    uuid = "0190a1b2-0000-7000-8000-000000000001"
    assert all_of_it.event("noise", uuid_=uuid) is None
    assert (all_of_it.dropped, all_of_it.warnings) == ([(1, uuid, "event_filter")], [])
    assert all_of_it.person() is None
    assert all_of_it.event("signal") is not None
    assert all_of_it.outcomes == [("dropped", "event_filter"), ("ok", "")]


def test_a_filter_on_trial_only_counts() -> None:
    all_of_it = ingested(event_filter=EventFilter(TREE, live=False))
    assert all_of_it.event("noise") is not None
    assert all_of_it.event("signal") is not None
    assert (all_of_it.would_go, all_of_it.dropped) == ({1: 1}, [])


def test_an_event_without_what_it_must_have_is_dropped_with_a_warning() -> None:
    all_of_it = ingested(required=REQUIRED)
    assert all_of_it.event("bought", properties={"amount": "much", "other": 1}) is None
    [(kind, details)] = all_of_it.warned
    assert kind == "schema_validation_failed"
    assert (details["eventName"], details["distinctId"]) == ("bought", "u")
    assert details["errors"] == [
        {"property": "amount", "reason": "type_mismatch", "expectedTypes": ["Numeric"], "actualValue": "much"},
        {"property": "item", "reason": "missing_required"},
    ]
    [(_, uuid, reason)] = all_of_it.dropped
    assert (uuid, reason) == (details["eventUuid"], "schema_validation_failed")


def test_others_are_stored() -> None:
    all_of_it = ingested(required=REQUIRED)
    assert all_of_it.event("bought", properties={"amount": "12.5", "item": ["a"]}) is not None
    assert all_of_it.event("looked") is not None
    assert all_of_it.warnings == []


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("String", ["", "x", 1, True, {}, []], [None]),
        ("Numeric", [0, -1.5, "12", " 1e3 "], ["", "x", True, {}, [1], "Infinity", "nan", "1_000"]),
        ("Boolean", [True, False, "true", "false"], ["TRUE", 1, 0, "yes", {}]),
        (
            "DateTime",
            [
                "2026-01-02",
                "2026-01-02T03:04:05.123Z",
                "2026-01-02 03:04",
                1_790_000_000,
                "1790000000000",
                1790000000.5,
            ],
            ["soon", "", 12, True, {}, "2026-13-01"],
        ),
        ("Object", [{}, {"a": 1}, []], ["{}", 1, True]),
        ("Duration", ["x", 1, {}], [None]),
    ],
)
def test_what_is_of_a_type(kind: str, good: list[Any], bad: list[Any]) -> None:
    for value, fits in [(value, True) for value in good] + [(value, False) for value in bad]:
        properties = object_of(json.dumps({"a": value}).encode())
        assert properties is not None
        assert (violations(properties, {"a": [kind]}) == []) is fits, value


def test_one_of_several_types_will_do_and_none_means_any() -> None:
    properties = object_of(b'{"a": true}')
    assert properties is not None
    assert violations(properties, {"a": ["Numeric", "Boolean"]}) == []
    assert violations(properties, {"a": []}) == []
    assert violations(properties, {"b": []})


def test_what_is_shown_of_a_value_is_short() -> None:
    properties = object_of(b'{"a": %b}' % bytes(encode("x" * 1000)))
    assert properties is not None
    [wrong] = violations(properties, {"a": ["Numeric"]})
    assert wrong["actualValue"] == "x" * 200
