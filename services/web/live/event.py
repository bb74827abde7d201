"""One event as a live view shows it: plain functions over a record of the log."""

from collections.abc import Sequence
from typing import Any

import msgspec

from libs.kit.contracts.events import StoredEvent, raw_object
from libs.kit.eventlog import Record

MAX_PROPERTIES_BYTES = 32 * 1024


class LiveEvent(msgspec.Struct, frozen=True, kw_only=True):
    """PostHog's live event. `trimmed` names the properties left out because all together were over 32 KB."""

    uuid: str
    timestamp: str
    distinct_id: str
    person_id: str
    event: str
    properties: msgspec.Raw
    trimmed: list[str] = []


_decode = msgspec.json.Decoder(StoredEvent).decode


def live_event(record: Record) -> tuple[int, LiveEvent] | None:
    """The team and its event; None for a record that is not a stored event (its writer dead-letters it)."""
    try:
        stored = _decode(record.value)
        properties, trimmed = trim(raw_object(stored.properties))
    except msgspec.MsgspecError:
        return None
    return stored.team_id, LiveEvent(
        uuid=stored.uuid,
        timestamp=iso(stored.timestamp),
        distinct_id=stored.distinct_id,
        person_id=stored.person_id,
        event=stored.event,
        properties=msgspec.Raw(properties),
        trimmed=trimmed,
    )


def iso(timestamp: str) -> str:
    """ClickHouse's `YYYY-MM-DD HH:MM:SS.mmm` as ISO 8601."""
    return timestamp if "T" in timestamp else f"{timestamp.replace(' ', 'T', 1)}Z"


def trim(properties: bytes, limit: int = MAX_PROPERTIES_BYTES) -> tuple[bytes, list[str]]:
    """Properties of at most `limit` bytes, and the names of those left out: the largest go first."""
    if len(properties) <= limit:
        return properties, []
    values = msgspec.json.decode(properties, type=dict[str, msgspec.Raw])
    size, left_out = len(properties), []
    for name in sorted(values, key=lambda name: len(values[name]), reverse=True):
        if size <= limit:
            break
        size -= len(values.pop(name)) + len(name)
        left_out.append(name[:200])
    return msgspec.json.encode(values), left_out[:100]


class Filter(msgspec.Struct, frozen=True):
    """What a stream asked for. Empty means all."""

    events: frozenset[str] = frozenset()
    distinct_id: str = ""
    columns: frozenset[str] = frozenset()

    def passes(self, event: LiveEvent) -> bool:
        """Whether the stream wants it."""
        return (not self.events or event.event in self.events) and self.distinct_id in ("", event.distinct_id)

    def shown(self, event: LiveEvent) -> LiveEvent:
        """The event with the asked properties only."""
        if not self.columns:
            return event
        values = msgspec.json.decode(event.properties, type=dict[str, msgspec.Raw])
        kept = {name: value for name, value in values.items() if name in self.columns}
        return msgspec.structs.replace(event, properties=msgspec.Raw(msgspec.json.encode(kept)))


def message(name: str, data: Any, event_id: int | None = None) -> bytes:
    """One server-sent event. JSON has no raw line feed, so it is one data line."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"


def snapshot(events: Sequence[tuple[int, LiveEvent]], newest: int) -> bytes:
    """The window, oldest first, as one message; `newest` is the number a returning browser names."""
    return message("snapshot", [event for _, event in events], newest)
