"""Clicks and scrolls that ride on other events travel on as an event of their own, for heatmaps have a store of theirs.

PostHog's capture does this for the v0 dialect: the rider becomes `$$heatmap` under a new uuid, with the few properties
a heatmap needs, and the carrier goes on without `$heatmap_data`. Who, where and when are the carrier's.
"""

from copy import copy
from datetime import datetime
from hashlib import sha1

import msgspec
from msgspec import UNSET, Raw

from libs.kit.eventlog.base import Headers
from services.capture.identity import new_uuid
from services.capture.shapes import Event, Known

HEATMAP = "$$heatmap"
SKIP_HEATMAP: Headers = (("skip_heatmap_processing", b"true"),)
_DATA = "$heatmap_data"
_NAME = HEATMAP.encode()
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_TAKEN_ALONG = frozenset(
    (
        *(_DATA, "$viewport_height", "$viewport_width", "$session_id", "$prev_pageview_pathname"),
        *("$prev_pageview_max_scroll", "$current_url", "$cookieless_mode"),
    )
)
_properties = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


def carries_heatmap(event: Event, known: Known) -> bool:
    """Whether the event has clicks of its own page, or how far the one before was scrolled."""
    if event.event == HEATMAP:
        return False
    scrolled = known.previous_pathname is not UNSET and known.current_url is not UNSET
    return scrolled or known.heatmap_data is not UNSET


def split(event: Event, now: datetime) -> tuple[Event, Event]:
    """The event without its clicks, and the `$$heatmap` made of them."""
    properties = _properties.decode(event.properties)
    taken = {name: raw for name, raw in properties.items() if name in _TAKEN_ALONG}
    heatmap = copy(event)
    heatmap.event, heatmap.uuid, heatmap.properties = HEATMAP, _uuid(event, now), Raw(_encode(taken))
    heatmap.set_ = heatmap.set_once = UNSET
    if _DATA in properties:
        del properties[_DATA]
        event = copy(event)
        event.properties = Raw(_encode(properties))
    return event, heatmap


def _uuid(event: Event, now: datetime) -> str:
    return uuid_after(event.uuid) if isinstance(event.uuid, str) else new_uuid(now)


def uuid_after(carrier: str) -> str:
    """The uuid of the heatmap that rode on an event with this (canonical) uuid: sent again, they are the same two.

    A UUIDv7 of the carrier's time; the rest is what a UUIDv5 of `$$heatmap` in the carrier's namespace would have.
    """
    name = sha1(bytes.fromhex(carrier.replace("-", "")) + _NAME, usedforsecurity=False).hexdigest()
    return f"{carrier[:13]}-7{name[13:16]}-{_VARIANT[name[16]]}{name[17:20]}-{name[20:32]}"
