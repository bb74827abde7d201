from datetime import UTC, datetime

import pytest

from libs.kit.runtime import Runtime
from services.cdp.ingestion.definitions import Catalogue, Findings, property_type
from services.cdp.ingestion.plan import Known, parsed, plan
from services.cdp.ingestion.repository import PersonStore
from services.cdp.raw_json import encode
from tests.services.cdp.ingestion.test_plan import NOW, TEAMS
from tests.support.captured import captured_record
from tests.support.pipeline import prepare

RECENT = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("plan_date", "2024-01-02", "DateTime"),
        ("n", 1, "Numeric"),
        ("n", -1.5, "Numeric"),
        ("flag", "true", "Boolean"),
        ("flag", True, "Boolean"),
        ("flag", "True", "String"),
        ("$feature/x", True, "String"),
        ("utm_time", 5, "String"),
        ("$initial_utm_source", None, None),
        ("$survey_response_2", 5, "String"),
        ("createdAt", RECENT, "DateTime"),
        ("created_at", RECENT - 400 * 86_400, "Numeric"),
        ("amount", RECENT, "Numeric"),
        ("x", "2024-01-02T10:11:12.123Z", "DateTime"),
        ("x", "02/01/2024 10:11", "DateTime"),
        ("x", "Tue, 03 Nov 2026 10:11:12 GMT", "DateTime"),
        ("x", "2024-13-02", "String"),
        ("x", "", "String"),
        ("x", None, None),
        ("x", [1], None),
        ("x", {"a": 1}, None),
    ],
)
def test_types(name: str, value: object, expected: str | None) -> None:
    assert property_type(name, encode(value), NOW) == expected


def found(catalogue: Catalogue, now: datetime = NOW, **more: object) -> Findings:
    record = captured_record(**more)  # type: ignore[arg-type]
    findings = plan(parsed([record]), Known(TEAMS, catalogue=catalogue), {}, set(), now).findings
    catalogue.remember(findings)
    return findings


def test_each_shape_is_found_once_and_a_type_as_soon_as_one_can_be_told() -> None:
    catalogue = Catalogue()
    first = found(catalogue, event="e", properties={"a": None, "$feature/x": True, "$set": {"p": 1}})
    assert first.events == {(1, "e"): NOW}
    assert first.properties == {
        (1, "a", 1, -1): None,
        (1, "$feature/x", 1, -1): "String",
        (1, "$ip", 1, -1): "String",
        (1, "p", 2, -1): "Numeric",
    }
    assert first.event_properties == {(1, "e", "a"), (1, "e", "$ip")}
    again = found(catalogue, event="e", properties={"a": 5, "$feature/x": True, "$set": {"p": 1}})
    assert (again.events, again.properties, again.event_properties) == ({}, {(1, "a", 1, -1): "Numeric"}, set())
    assert not found(catalogue, event="e", properties={"a": 5, "$feature/x": True, "$set": {"p": 1}})
    later = found(catalogue, datetime(2026, 11, 5, 12, tzinfo=UTC), event="e", properties={"a": 5})
    assert list(later.events) == [(1, "e")]


def test_groups_define_what_is_set_of_them_only() -> None:
    said = {"$group_type": "company", "$group_key": "acme", "$group_set": {"n": 1}, "other": 1}
    findings = found(Catalogue(), event="$groupidentify", properties=said)
    assert findings.properties == {(1, "n", 3, 0): "Numeric"}


def test_long_names_are_not_defined() -> None:
    findings = found(Catalogue(), event="é" * 101, properties={"a": 1})
    assert not findings
    assert found(Catalogue(), properties={"a" * 201: 1, "n\0l": 1}).properties == {(1, "$ip", 1, -1): "String"}


async def test_written_once_and_a_type_that_is_set_stays(runtime: Runtime) -> None:
    await prepare(runtime)
    store = PersonStore(runtime.postgres)
    name = (1, "a", 1, -1)
    pair = {(1, "e", "a")}
    await store.define(Findings({(1, "e"): NOW}, {name: None, (1, "n", 3, 2): "Numeric"}, pair))
    await store.define(Findings({(1, "e"): NOW.replace(hour=13)}, {name: "Numeric"}, pair))
    await store.define(Findings({(1, "e"): NOW}, {name: "String"}, set()))
    [event] = await runtime.postgres.fetch("SELECT name, created_at, last_seen_at FROM posthog_eventdefinition")
    assert tuple(event) == ("e", NOW, NOW.replace(hour=13))
    rows = await runtime.postgres.fetch(
        "SELECT name, type, group_type_index, property_type, is_numerical FROM posthog_propertydefinition ORDER BY name"
    )
    assert [tuple(row) for row in rows] == [("a", 1, None, "Numeric", True), ("n", 3, 2, "Numeric", True)]
    assert len(await runtime.postgres.fetch("SELECT FROM posthog_eventproperty")) == 1
