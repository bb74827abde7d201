"""Which quota an event counts against, by PostHog's resources."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

EVENTS = "events"
# A resource, and the sets of limited tokens that are its own: PostHog has renamed one.
SETS: Mapping[str, tuple[str, ...]] = {
    EVENTS: ("events",),
    "exceptions": ("exceptions",),
    "surveys": ("surveys", "survey_responses"),
    "llm_events": ("llm_events",),
}
KEY_PREFIX = "@posthog/quota-limits/"
_SURVEYS = frozenset({b"survey sent", b"survey shown", b"survey dismissed"})


class _Properties(msgspec.Struct):
    tour: msgspec.Raw | msgspec.UnsetType = msgspec.field(name="$product_tour_id", default=msgspec.UNSET)


class _Data(msgspec.Struct):
    properties: _Properties = msgspec.field(default_factory=_Properties)


class _Captured(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_decode = msgspec.json.Decoder(_Captured).decode


def counts(event: bytes) -> bool:
    """Whether it uses up a quota: a heatmap is no event that is stored, but mostly part of one that is."""
    return event != b"$$heatmap"


def resource_of(event: bytes, value: bytes) -> str:
    """The resource of an event by its name; `value` is its record, looked into for surveys only."""
    if event == b"$exception":
        return "exceptions"
    if event.startswith(b"$ai_"):
        return "llm_events"
    if event in _SURVEYS and not _of_product_tour(value):
        return "surveys"
    return EVENTS


def end_of_month(now: datetime) -> int:
    """Epoch seconds: until when a monthly quota that is used up stays so."""
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())


def _of_product_tour(value: bytes) -> bool:
    if b"$product_tour_id" not in value:
        return False
    try:
        return _decode(value).data.properties.tour is not msgspec.UNSET
    except msgspec.MsgspecError:
        return False
