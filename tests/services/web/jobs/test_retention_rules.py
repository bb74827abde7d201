"""Which events may go: plain decisions."""

from datetime import UTC, datetime

import pytest

from libs.kit.errors import InvalidRequest
from services.web.jobs.retention import Month, end_of, expired, made_of_expired, over_budget
from services.web.retention.routes import rules

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_an_event_with_days_of_its_own_is_not_among_the_others() -> None:
    others, named = expired(7, {"": 30, "$pageview": 90}, NOW)
    assert others.params["named"] == ["$pageview"]
    assert "NOT IN" in others.condition
    assert named.params["event"] == "$pageview"
    assert others.params["until"] - named.params["until"] == 60 * 86_400
    assert {each.params["team"] for each in (others, named)} == {7}


def test_days_for_one_event_alone_leave_the_others() -> None:
    [only] = expired(7, {"noise": 1}, NOW)
    assert only.what == "noise"


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ({}, {}),
        ({"noise": 1}, {}),
        ({"$$heatmap": 9}, {"heatmap points": 9}),
        ({"$ai_span": 9}, {"$ai_span, ai_events": 9}),
        ({"": 30, "kept": 365}, {"all other events, ai_events": 30, "sessions": 30, "heatmap points": 30}),
        ({"": 30, "$$heatmap": 60}, {"all other events, ai_events": 30, "sessions": 30, "heatmap points": 60}),
    ],
)
def test_what_is_made_of_events_has_the_days_of_events(days: dict[str, int], found: dict[str, int]) -> None:
    went = made_of_expired(7, days, NOW)
    assert {each.what: round((NOW.timestamp() - each.params["until"]) / 86_400) for each in went} == found


@pytest.mark.parametrize(("month", "after"), [("202611", (2026, 12)), ("202612", (2027, 1)), ("202701", (2027, 2))])
def test_the_end_of_a_month(month: str, after: tuple[int, int]) -> None:
    assert end_of(month) == datetime(*after, 1, tzinfo=UTC)


MONTHS = [Month("202609", 40), Month("202611", 30), Month("0", 5), Month("202610", 20), Month("202612", 1)]


@pytest.mark.parametrize(
    ("budget", "gone"),
    [(96, []), (95, ["202609"]), (56, ["202609"]), (55, ["202609", "202610"]), (1, ["202609", "202610"])],
)
def test_the_oldest_months_go_and_never_the_current_one(budget: int, gone: list[str]) -> None:
    assert [month.partition for month in over_budget(MONTHS, budget, "202611")] == gone


def test_rules() -> None:
    assert rules({"days": 30, "events": {"a": 1}}) == {"": 30, "a": 1}
    assert rules({"days": None}) == {}
    for body in (
        {"days": 0},
        {"days": True},
        {"days": "30"},
        {"days": 1e3},
        {"events": []},
        {"events": {"": 3}},
        {"events": {"a": None}},
        {"events": {"a\x00": 3}},
        {"events": {f"e{n}": 1 for n in range(1001)}},
    ):
        with pytest.raises(InvalidRequest):
            rules(body)
