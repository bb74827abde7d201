"""What is suggested at the cursor, written here as |."""

import pytest

from libs.hogql.autocomplete import Suggestions, suggested

PROPERTIES = ["$browser", "$os", "plan"]


def at(text: str) -> Suggestions:
    return suggested(text.replace("|", ""), text.index("|"), PROPERTIES, ["who"])


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("select | from events", ["uuid", "event", "properties"]),
        ("select event from |", ["events"]),
        ("select event from ev|", ["events"]),
        ("select e| from events", ["uuid", "event", "properties"]),
        ("select person.| from events", ["id", "created_at", "properties"]),
        ("select pdi.| from events", ["distinct_id", "person_id"]),
        ("select pdi.person.| from events", ["id", "created_at"]),
        ("select session.| from events", ["session_id", "session_id_v7"]),
        ("select group_0.properties.| from events", PROPERTIES),
        ("select | from persons", ["id", "created_at"]),
        ("select properties.| from events", PROPERTIES),
        ("select properties.$b| from events", ["$browser"]),
        ("select person.properties.pl| from events", ["plan"]),
        ("select event from events e where |", ["e"]),
        ("select e.| from events e", ["uuid", "event", "properties"]),
        ("select {v| from events", ["variables.who"]),
        ("select event from events where event = {| and 1 = 1", ["variables.who"]),
        ("select 1 from (select p| from events)", ["uuid", "event", "properties"]),
        ("select |", ["uuid", "event", "properties"]),
        ("select 'abc|", []),
    ],
)
def test_suggestions(text: str, first: list[str]) -> None:
    assert [item.label for item in at(text).items[: len(first) or None]] == first


def test_functions_come_after_fields() -> None:
    found = {item.label: item for item in at("select | from events").items}
    assert (found["count"].text, found["count"].kind) == ("count()", "Function")
    assert found["$session_id"].text == "`$session_id`"
    assert (found["timestamp"].detail, found["properties"].detail, found["person"].detail) == (
        "DateTime", "Object", "Table",
    )  # fmt: skip


def test_a_long_list_is_cut() -> None:
    found = suggested("select properties. from events", 18, [f"p{i}" for i in range(500)])
    assert (len(found.items), found.incomplete) == (220, True)
