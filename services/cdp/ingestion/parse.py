"""A record of events_plugin_ingestion -> an event, or the reason why it is none. No I/O, no clock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from libs.kit.contracts.events import CapturedEvent, raw_object
from libs.kit.eventlog import Record
from services.cdp.raw_json import Properties, merged, object_of, repaired

STEP = "parse"
MAX_DISTINCT_ID = 400
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_captured = msgspec.json.Decoder(CapturedEvent)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that goes to the dead letters, with PostHog's word for why."""

    record: Record
    reason: str
    step: str = STEP


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event as it was captured. `properties` already hold top-level `$set` and `$set_once`.

    timestamp: capture's; None when it cannot be read. now: when capture received it, likewise.
    arrived_ms: when the record came into the log, epoch milliseconds.
    """

    record: Record
    uuid: str
    event: str
    distinct_id: str
    token: str
    ip: str
    timestamp: datetime | None
    now: datetime | None
    sent_at: str | None
    properties: Properties
    force_personless: bool
    historical_migration: bool


def parse(record: Record) -> Incoming | Rejected:
    """Every record gives one of the two; nothing is raised."""
    try:
        return _parse(record, record.value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _parse(record, repaired(record.value))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Rejected(record, "failed_parse_message")


def changed(event: Incoming, *, distinct_id: str, properties: Properties, ip: str) -> Incoming:
    """The same event, but for these."""
    return replace(event, distinct_id=distinct_id, properties=properties, ip=ip)


def timestamp_of(text: str) -> datetime | None:
    """RFC 3339 -> UTC; a time without a zone is UTC. None when it is no time, or none that UTC can hold."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _parse(record: Record, value: bytes) -> Incoming | Rejected:
    if not value.isascii():
        value.decode()  # msgspec skips over broken UTF-8 inside raw values
    captured = _captured.decode(value)
    if not captured.uuid:
        return Rejected(record, "empty_uuid")
    if not _UUID.fullmatch(captured.uuid):
        return Rejected(record, "invalid_uuid")
    data = object_of(raw_object(captured.data))
    if data is None:
        return Rejected(record, "failed_parse_message")
    headers = dict(record.headers)
    return Incoming(
        record=record,
        uuid=captured.uuid.lower(),
        event=captured.event.replace("\0", "\ufffd"),
        distinct_id=captured.distinct_id.replace("\0", "\ufffd"),
        token=captured.token,
        ip=captured.ip,
        timestamp=timestamp_of(captured.timestamp),
        now=timestamp_of(captured.now),
        sent_at=captured.sent_at,
        properties=_with_top_level(data),
        force_personless=headers.get("force_disable_person_processing") == b"true",
        historical_migration=captured.historical_migration or headers.get("historical_migration") == b"true",
    )


def _with_top_level(data: Mapping[str, msgspec.Raw]) -> Properties:
    """`properties`, with `$set` and `$set_once` of the event itself over those inside; the top level wins.
    `$unset` has an effect inside only."""
    properties = object_of(data.get("properties")) or {}
    for name in ("$set", "$set_once"):
        if (outer := object_of(data.get(name))) is not None:
            inner = object_of(properties.get(name)) or {}
            properties[name] = msgspec.Raw(msgspec.json.encode(merged(inner, outer)))
    return properties
