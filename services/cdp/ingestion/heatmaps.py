"""Points of a heatmap, out of the events that carry them. No I/O."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from libs.kit.contracts.counts import HeatmapPoint
from services.cdp.ingestion.merging import is_illegal
from services.cdp.raw_json import Properties, text_of

EVENT = "$$heatmap"
DATA = "$heatmap_data"
#: An event with points has one of these.
WITH_POINTS = frozenset({DATA, "$prev_pageview_pathname"})
SCALE = 16
MAX_POINTS = 10_000
_SMALLEST, _LARGEST = -(2**15), 2**15 - 1


@dataclass(slots=True)
class Points:
    """What an event gives. warnings: PostHog's types. dropped: why the event itself is not stored either."""

    points: list[HeatmapPoint] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    dropped: str | None = None


def has_points(properties: Properties) -> bool:
    """Whether there is anything to take out."""
    return DATA in properties or ("$prev_pageview_pathname" in properties and "$current_url" in properties)


def points_of(properties: Properties, *, uuid: str, team_id: int, distinct_id: str, timestamp: str) -> Points:
    """The points of one event, at most `MAX_POINTS`: clicks and movements by page, and how far the page before was
    scrolled. A point that is none is left out."""
    made = Points()
    try:
        pages = _pages(properties)
        size = [_number(properties.get(f"$viewport_{side}")) for side in ("height", "width")]
    except (msgspec.MsgspecError, RecursionError, ValueError):
        made.warnings.append("invalid_heatmap_data")
        return made
    if not pages:
        return made
    height, width = size
    if height is None or width is None:
        made.dropped = "heatmap_invalid_viewport_dimensions"
        return made
    if is_illegal(distinct_id):
        made.dropped = "heatmap_invalid_distinct_id"
        return made
    session = text_of(properties.get("$session_id")) or ""
    for url, item in _items(pages, made):
        if len(made.points) == MAX_POINTS:
            break
        x, y = _number_in(item, "x"), _number_in(item, "y")
        if x is None or y is None or not isinstance(item.get("type"), str):
            continue
        made.points.append(
            HeatmapPoint(
                uuid=uuid,
                item=len(made.points),
                type=item["type"],
                x=_scaled(x),
                y=_scaled(y),
                pointer_target_fixed=bool(item.get("target_fixed")),
                viewport_width=_scaled(width),
                viewport_height=_scaled(height),
                scale_factor=SCALE,
                current_url=url,
                session_id=session,
                timestamp=timestamp,
                team_id=team_id,
                distinct_id=distinct_id,
            )
        )
    return made


def _pages(properties: Properties) -> dict[Any, Any]:
    """Items by page. Raises ValueError when what was sent is no such thing."""
    raw = properties.get(DATA)
    data = msgspec.json.decode(raw) if raw is not None else None
    if data is not None and not isinstance(data, dict):
        raise ValueError("no object")
    pages: dict[Any, Any] = dict(data or {})
    before, url = text_of(properties.get("$prev_pageview_pathname")), text_of(properties.get("$current_url"))
    if before and url:
        depth = _number(properties.get("$prev_pageview_max_scroll"))
        page = urlunsplit(urlsplit(url)._replace(path=before, query="", fragment=""))
        seen = {"x": 0, "y": depth or 0, "target_fixed": False, "type": "scrolldepth"}
        pages[page] = [*(pages[page] if isinstance(pages.get(page), list) else ()), seen]
    return pages


def _items(pages: dict[Any, Any], made: Points) -> Iterator[tuple[str, dict[str, Any]]]:
    for url, items in pages.items():
        if not isinstance(url, str) or not url.strip():
            made.warnings.append("rejecting_heatmap_data_with_invalid_url")
        elif not isinstance(items, list):
            made.warnings.append("rejecting_heatmap_data_with_invalid_items")
        else:
            yield from ((url, item) for item in items if isinstance(item, dict))


def _number(raw: msgspec.Raw | None) -> float | None:
    value = msgspec.json.decode(raw) if raw is not None else None
    return _finite(value)


def _number_in(item: dict[str, Any], name: str) -> float | None:
    return _finite(item.get(name))


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _scaled(pixels: float) -> int:
    """To the nearest, half up as JavaScript rounds; within what the table can hold."""
    return max(_SMALLEST, min(_LARGEST, math.floor(pixels / SCALE + 0.5)))
