"""Trees of conditions: what they match, and which of them are trees."""

from typing import Any

import pytest

from libs.kit.errors import InvalidRequest
from libs.kit.event_filters import EventFilter, checked_cases, checked_tree


def condition(value: str, field: str = "event_name", operator: str = "exact") -> dict[str, Any]:
    return {"type": "condition", "field": field, "operator": operator, "value": value}


def both(*children: Any) -> dict[str, Any]:
    return {"type": "and", "children": [*children]}


def either(*children: Any) -> dict[str, Any]:
    return {"type": "or", "children": [*children]}


def no(child: Any) -> dict[str, Any]:
    return {"type": "not", "child": child}


BOT = condition("bot-", "distinct_id", "contains")


@pytest.mark.parametrize(
    ("tree", "event", "distinct_id", "goes"),
    [
        (condition("a"), "a", "u", True),
        (condition("a"), "ab", "u", False),
        (condition("A"), "a", "u", False),
        (condition("a", operator="contains"), "bab", "u", True),
        (BOT, "a", "x-bot-1", True),
        (both(condition("a"), BOT), "a", "bot-1", True),
        (both(condition("a"), BOT), "a", "u", False),
        (either(condition("a"), BOT), "b", "bot-1", True),
        (either(condition("a"), BOT), "b", "u", False),
        (no(condition("a")), "b", "u", True),
        (both(BOT, no(either(condition("a"), condition("b")))), "c", "bot-1", True),
        (both(BOT, no(either(condition("a"), condition("b")))), "b", "bot-1", False),
        # nothing is said, so nothing goes
        (both(), "a", "u", False),
        (either(), "a", "u", False),
        (no(either()), "a", "u", False),
        (no(no(both())), "a", "u", False),
        ({"type": "xor"}, "a", "u", False),
        ({}, "a", "u", False),
        (no(no(condition("$recording_observed"))), "$recording_observed", "u", False),
    ],
)
def test_what_goes(tree: dict[str, Any], event: str, distinct_id: str, goes: bool) -> None:
    assert EventFilter(tree, live=True).matches(event, distinct_id) is goes


@pytest.mark.parametrize(
    "tree",
    [
        None,
        [],
        "and",
        {},
        {"type": ["and"]},
        {"type": "and"},
        both(condition("")),
        both(condition("a", field="properties")),
        both(condition("a", operator="regex")),
        both({**condition("a"), "value": 5}),
        condition("x" * 401),
        condition("a\0"),
        no(None),
        {"type": "not"},
        either(*[condition("a")] * 21),
        both(either(*[condition("a")] * 11), either(*[condition("a")] * 11)),
        no(no(no(no(no(no(condition("a"))))))),
    ],
)
def test_what_is_no_tree(tree: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_tree(tree)
    assert refused.value.attr == "filter_tree"


def test_what_is_one() -> None:
    tree = both(either(*[condition("a")] * 20), no(no(no(either()))))
    assert checked_tree(tree) == tree
    assert checked_tree({**both({**condition("a"), "id": "\0"}), "key": {}}) == both(condition("a"))


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ("x", "Expected a list"),
        ([{}] * 101, "at most 100"),
        ([5], "Test case 0: expected_result"),
        ([{"expected_result": "gone"}], "Test case 0: expected_result"),
        ([{"expected_result": "drop", "event_name": 5}], "must be strings"),
        ([{"expected_result": "drop", "event_name": "a\0"}], "must be strings"),
        ([{"expected_result": "drop", "event_name": "a"}, {"expected_result": "drop", "event_name": "b"}], "case 1"),
        ([{"expected_result": "ingest", "event_name": "a"}], "filter says drop"),
    ],
)
def test_cases_that_do_not_hold(cases: object, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        checked_cases(cases, condition("a"))


def test_cases_that_hold() -> None:
    cases = [{"expected_result": "drop", "event_name": "a"}, {"expected_result": "ingest", "distinct_id": "a"}]
    assert checked_cases(cases, condition("a")) == cases
    assert checked_cases([{**cases[0], "more": "\0"}], condition("a")) == cases[:1]
    assert checked_cases([{"expected_result": "drop"}], None)
