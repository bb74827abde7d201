"""Property filters as PostHog's API writes them, on the real engine."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.hogql.errors import InvalidPropertyFilter
from libs.hogql.filters import Filters, filters_of
from libs.hogql.resolver import Cohort
from tests.support.hogql import Engine

NOW = datetime(2024, 5, 5, tzinfo=UTC)
PERSON = "01890000-0000-0000-0000-000000000001"


def event(key: str, operator: str = "exact", value: Any = None, **more: Any) -> dict[str, Any]:
    return {"key": key, "operator": operator, "value": value, "type": "event", **more}


# Each with how many of the five events it leaves: of plan, two are pro, one free, two have none.
FILTERS: list[tuple[Any, int]] = [
    (event("plan", value="pro"), 2),
    (event("plan", value=["pro", "free"]), 3),
    (event("plan", "is_not", "pro"), 3),
    (event("plan", "is_not", ["pro"]), 3),
    (event("plan", "icontains", "PR"), 2),
    (event("plan", "not_icontains", "pr"), 3),
    (event("plan", "icontains", ["pr", "fr"]), 3),
    (event("plan", "regex", "^p"), 2),
    (event("plan", "not_regex", "^p"), 3),
    (event("plan", "is_set"), 3),
    (event("plan", "is_not_set"), 2),
    (event("price", "gt", 5), 2),
    (event("price", "lt", "5"), 1),
    (event("price", "between", [2, 20]), 2),
    (event("price", "not_between", [2, 20]), 1),
    (event("vip", value=["true"]), 1),
    (event("vip", value="true"), 1),
    (event("due", "is_date_after", "2024-05-01"), 1),
    (event("due", "is_date_before", "-1d"), 0),
    (event("plan", value=[]), 5),
    (event("", value="x"), 5),
    (event("plan", value=None), 5),
    (event("event", value="signup", type="event_metadata"), 2),
    (event("email", value="a@x.org", type="person"), 1),
    (event("name", value="Acme", type="group", group_type_index=0), 1),
    (event("$entry_current_url", "is_set", type="session"), 1),
    (event("tag_name", value="a", type="element"), 1),
    (event("tag_name", "is_not", "a", type="element"), 4),
    (event("text", "icontains", "G", type="element"), 1),
    (event("href", value="/x", type="element"), 1),
    ({"type": "cohort", "key": "id", "value": 5}, 4),
    ({"type": "cohort", "key": "id", "value": "5", "operator": "not_in"}, 1),
    ({"type": "cohort", "key": "id", "value": 5, "negation": True}, 1),
    ({"type": "hogql", "key": "event = 'signup' and properties.plan is null"}, 2),
    ({"type": "OR", "values": [event("plan", value="pro"), event("plan", value="free")]}, 3),
    ({"type": "AND", "values": [event("plan", value="pro"), event("price", "gt", 50)]}, 1),
]


@pytest.mark.parametrize(("given", "left"), FILTERS, ids=[str(case[0])[:70] for case in FILTERS])
def test_filters(engine: Engine, given: Any, left: int) -> None:
    rows = engine.hogql(
        "select count() from events where {filters}",
        filters=filters_of({"properties": given if "values" in given else [given]}, [], NOW, "UTC"),
        property_types={"event": {"vip": "Boolean", "price": "Numeric", "due": "DateTime"}},
        cohorts=(Cohort(5, "vip", version=2),),
    )
    assert rows == [[left]]


def test_a_teams_own_filters_are_added_when_asked_for(engine: Engine) -> None:
    text = "select count() from events where {filters}"
    own = [event("email", "not_icontains", "@x.org", type="person")]
    for sent, left in (({"filterTestAccounts": True}, 4), ({}, 5)):
        assert engine.hogql(text, filters=filters_of(sent, own, NOW, "UTC")) == [[left]]


def test_dates_are_those_of_the_zone(engine: Engine) -> None:
    sent = {"dateRange": {"date_from": "2024-05-02"}}
    for zone, left in (("UTC", 3), ("Asia/Tokyo", 4)):  # 22:30 of the first of May is the second in Tokyo
        found = filters_of(sent, [], NOW, zone)
        assert engine.hogql("select count() from events where {filters}", timezone=zone, filters=found) == [[left]]


def test_other_tables(engine: Engine) -> None:
    found = filters_of({"properties": [event("$pageview_count", "gte", 1, type="session")]}, [], NOW, "UTC")
    assert engine.hogql("select count() from sessions where {filters}", filters=found) == [[1]]
    found = filters_of({"properties": [event("name", value="Acme", type="group", group_type_index=0)]}, [], NOW, "UTC")
    assert engine.hogql("select count() from groups where {filters}", filters=found) == [[1]]
    assert engine.hogql("select count() from logs where {filters}", filters=Filters()) == [[1]]
    with pytest.raises(InvalidPropertyFilter, match="Can only use session properties"):
        filters_of({"properties": [event("plan", value="x")]}, [], NOW, "UTC").condition("sessions", ())


@pytest.mark.parametrize(
    "given",
    [
        event("plan", "nope", "x"), event("plan", value={"a": 1}), event("plan", value="x", type="nope"), 3,
        event("x", value="y", type="element"), event("plan", "gt", [1, 2]), event("due", "is_date_after", "soon"),
        event("name", value="x", type="group", group_type_index=9),
    ],
)  # fmt: skip
def test_filters_that_mean_nothing(given: Any) -> None:
    with pytest.raises(InvalidPropertyFilter):
        filters_of({"properties": [given]}, [], NOW, "UTC").condition("events", ())
