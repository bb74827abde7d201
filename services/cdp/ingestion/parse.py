"""A record of events_plugin_ingestion -> an event, or the reason why it is none. No I/O, no clock.

Compiled when there is a compiler (parse.pxd), as all that decides about each event is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from libs.fastpath import captured, utc_moment
from libs.kit.contracts.arrival import arrived_ms
from libs.kit.contracts.events import CapturedEvent, raw_object
from libs.kit.eventlog import Record
from services.cdp.ingestion.bots import AGENT
from services.cdp.raw_json import Properties, nothing, object_of, repaired

STEP = "parse"
MAX_DISTINCT_ID = 400
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_captured = msgspec.json.Decoder(CapturedEvent)
_FORCED, _HISTORICAL, _YES = "force_disable_person_processing", "historical_migration", b"true"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that goes to the dead letters, with PostHog's word for why."""

    record: Record
    reason: str
    step: str = STEP


class Incoming:
    """An event as it was captured. `properties` already hold top-level `$set` and `$set_once`.

    timestamp: capture's; None when it cannot be read. now: when capture received it, likewise. agent: the property
    `$raw_user_agent`; partition, offset, arrived_ms: the record's. These are read while they are at hand: a batch
    later, each look at them is one into cold memory.
    """

    __slots__ = (
        "agent",
        "arrived_ms",
        "distinct_id",
        "event",
        "force_personless",
        "historical_migration",
        "ip",
        "now",
        "offset",
        "partition",
        "properties",
        "record",
        "sent_at",
        "timestamp",
        "token",
        "uuid",
    )

    def __init__(
        self,
        record: Record,
        uuid: str,
        event: str,
        distinct_id: str,
        token: str,
        ip: str,
        timestamp: datetime | None,
        now: datetime | None,
        sent_at: str | None,
        properties: Properties,
        force_personless: bool,
        historical_migration: bool,
    ):
        self.uuid = uuid
        self.event = event
        self.distinct_id = distinct_id
        self.token = token
        self.ip = ip
        self.timestamp = timestamp
        self.now = now
        self.sent_at = sent_at
        self.properties = properties
        self.agent = properties.common(AGENT)
        self.historical_migration = historical_migration
        self.of(record)
        self.force_personless = force_personless

    def of(self, record: Record) -> None:
        """Take from the record what it says beside the event."""
        self.record = record
        self.partition = record.partition
        self.offset = record.offset
        self.arrived_ms = arrived_ms(record)
        self.force_personless = False
        for name, value in record.headers:
            if name == _FORCED:
                self.force_personless = self.force_personless or value == _YES
            elif name == _HISTORICAL:
                self.historical_migration = self.historical_migration or value == _YES


def parse(record: Record) -> Incoming | Rejected:
    """Every record gives one of the two; nothing is raised."""
    if (event := _ordinary(record)) is not None:
        return event
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
    return Incoming(
        event.record,
        event.uuid,
        event.event,
        distinct_id,
        event.token,
        ip,
        event.timestamp,
        event.now,
        event.sent_at,
        properties,
        event.force_personless,
        event.historical_migration,
    )


def _ordinary(record: Record) -> Incoming | None:
    """What the scanner accepts; it is what `_parse` would make of it."""
    if (found := captured(record.value)) is None:
        return None
    if found.latest is not None or found.first is not None:
        _lay_over(found.properties, "$set", found.latest)
        _lay_over(found.properties, "$set_once", found.first)
    event = Incoming.__new__(Incoming)  # not by a call: reading so many arguments takes longer than reading the event
    event.uuid = found.uuid
    event.event = found.event
    event.distinct_id = found.distinct_id
    event.token = found.token
    event.ip = found.ip
    event.timestamp = found.timestamp
    event.now = found.now
    event.sent_at = found.sent_at
    event.properties = found.properties
    event.agent = found.properties.common(AGENT)
    event.historical_migration = found.historical_migration
    event.of(record)
    return event


def _parse(record: Record, value: bytes) -> Incoming | Rejected:
    if not value.isascii():
        value.decode()  # msgspec skips over broken UTF-8 inside raw values
    event = _captured.decode(value)
    if not event.uuid:
        return Rejected(record, "empty_uuid")
    if not _UUID.fullmatch(event.uuid):
        return Rejected(record, "invalid_uuid")
    data = object_of(raw_object(event.data))
    if data is None:
        return Rejected(record, "failed_parse_message")
    return Incoming(
        record=record,
        uuid=event.uuid.lower(),
        event=event.event.replace("\0", "\ufffd"),
        distinct_id=event.distinct_id.replace("\0", "\ufffd"),
        token=event.token,
        ip=event.ip,
        timestamp=utc_moment(event.timestamp),
        now=utc_moment(event.now),
        sent_at=event.sent_at,
        properties=_with_top_level(data),
        force_personless=(_FORCED, _YES) in record.headers,
        historical_migration=event.historical_migration or (_HISTORICAL, _YES) in record.headers,
    )


def _with_top_level(data: Mapping[str, msgspec.Raw]) -> Properties:
    """`properties`, with `$set` and `$set_once` of the event itself over those inside; the top level wins.
    `$unset` has an effect inside only."""
    properties = object_of(data.get("properties")) or nothing()
    for name in ("$set", "$set_once"):
        _lay_over(properties, name, data.get(name))
    return properties


def _lay_over(properties: Properties, name: str, raw: bytes | msgspec.Raw | None) -> None:
    if (outer := object_of(raw)) is not None:
        inner = object_of(properties.raw(name))
        properties[name] = (inner.merged(outer) if inner else outer).encoded()
