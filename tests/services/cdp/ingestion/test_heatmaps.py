from typing import Any

import pytest

from libs.kit.teams import Team
from tests.support.captured import captured_record
from tests.support.ingested import Ingested

PAGE = "https://a.example/p?q#f"
SIZE = {"$viewport_width": 1600, "$viewport_height": 800}
CLICK = {"x": 8, "y": 24, "target_fixed": True, "type": "click"}


def heat(ingested: Ingested, event: str = "$$heatmap", **properties: Any) -> list[tuple[Any, ...]]:
    ingested.event(event, properties={**SIZE, **properties})
    return [
        (p["current_url"], p["x"], p["y"], p["type"], p["pointer_target_fixed"], p["item"]) for p in ingested.points
    ]


def test_points_of_several_pages_halves_rounded_up() -> None:
    data = {PAGE: [CLICK, {"x": 7, "y": 9, "type": "rageclick"}], "/other": [{"x": -40, "y": 1e9, "type": "mousemove"}]}
    assert heat(Ingested(), **{"$heatmap_data": data}) == [
        (PAGE, 1, 2, "click", True, 0),
        (PAGE, 0, 1, "rageclick", False, 1),
        ("/other", -2, 32767, "mousemove", False, 2),
    ]


def test_how_far_the_page_before_was_scrolled() -> None:
    said = {"$prev_pageview_pathname": "/before", "$current_url": PAGE, "$prev_pageview_max_scroll": 160}
    ingested = Ingested()
    assert heat(ingested, "$pageview", **said) == [("https://a.example/before", 0, 10, "scrolldepth", False, 0)]
    assert len(ingested.rows) == 1


def test_points_of_an_ordinary_event_leave_its_row() -> None:
    ingested = Ingested()
    assert len(heat(ingested, "$autocapture", **{"$heatmap_data": {PAGE: [CLICK]}})) == 1
    assert "$heatmap_data" not in ingested.rows[0]["properties"]
    assert ingested.rows[0]["uuid"] == ingested.points[0]["uuid"]


def test_what_capture_has_split_off_already_is_not_taken_again() -> None:
    ingested = Ingested()
    properties = {**SIZE, "$prev_pageview_pathname": "/before", "$current_url": PAGE}
    ingested.take(
        captured_record(event="$pageview", properties=properties, headers={"skip_heatmap_processing": b"true"})
    )
    assert (len(ingested.rows), ingested.points) == (1, [])


def test_projects_that_want_none() -> None:
    ingested = Ingested(Team(1, "phc_one", heatmaps_opt_in=False))
    assert heat(ingested, **{"$heatmap_data": {PAGE: [CLICK]}}) == []
    assert (ingested.outcomes, ingested.warnings) == ([("ok", "heatmap")], [])


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        ({" ": [CLICK]}, "rejecting_heatmap_data_with_invalid_url"),
        ({PAGE: {"no": "list"}}, "rejecting_heatmap_data_with_invalid_items"),
        ("text", "invalid_heatmap_data"),
        ([CLICK], "invalid_heatmap_data"),
    ],
)
def test_what_is_no_heatmap(data: Any, warning: str) -> None:
    ingested = Ingested()
    assert heat(ingested, **{"$heatmap_data": data}) == []
    assert ingested.warnings == [warning]


@pytest.mark.parametrize(
    "item", [None, 5, {}, {"x": "1", "y": 2, "type": "click"}, {"x": 1, "y": True, "type": "click"}]
)
def test_points_that_are_none_are_left_out(item: Any) -> None:
    ingested = Ingested()
    assert len(heat(ingested, **{"$heatmap_data": {PAGE: [item, CLICK]}})) == 1
    assert ingested.warnings == []


def test_events_that_cannot_be_placed_are_dropped() -> None:
    ingested = Ingested()
    ingested.event("$$heatmap", properties={"$heatmap_data": {PAGE: [CLICK]}, "$viewport_width": "wide"})
    ingested.event("$pageview", "anonymous", properties={**SIZE, "$heatmap_data": {PAGE: [CLICK]}})
    assert (ingested.rows, ingested.points) == ([], [])
    assert ingested.outcomes == [
        ("dropped", "heatmap_invalid_viewport_dimensions"),
        ("dropped", "heatmap_invalid_distinct_id"),
    ]
