"""Events -> records for the log (kit.contracts.events.CapturedEvent), in the order they came."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET

from libs.kit.contracts.events import FORMAT_VERSION, CapturedEvent
from libs.kit.eventlog import NewRecord
from services.capture.answers import Refused, too_large, unparsable
from services.capture.identity import distinct_id, is_cookieless, new_uuid
from services.capture.shapes import MAX_DEPTH, Event, Known, json_bytes, json_string, known_properties, too_deep
from services.capture.times import EPOCH, event_time, rfc3339

MILLISECOND = timedelta(milliseconds=1)
INTERNAL_IP = "127.0.0.1"
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What all events of one request share. `now` is the moment of receipt."""

    token: str
    ip: str
    now: datetime
    sent_at: datetime | None
    historical_migration: bool
    max_record_bytes: int


def record_of(event: Event, known: Known, request: Circumstances) -> NewRecord:
    """The record of one event. Raises Refused for an event that cannot be taken, or is too large for the log."""
    if not event.event:
        raise Refused(400, "event submitted with an empty event name", "no_event_name")
    cookieless = is_cookieless(json_bytes(known.cookieless_mode))
    person = distinct_id(json_bytes(event.distinct_id), json_bytes(known.distinct_id))
    data = _encoder.encode(event)
    if too_deep(data):
        raise unparsable(f"event is nested deeper than {MAX_DEPTH} levels")
    sent_at = None if json_bytes(known.ignore_sent_at) == b"true" else request.sent_at
    moment = event_time(
        event.timestamp if isinstance(event.timestamp, str) else None,
        event.offset if isinstance(event.offset, int) else None,
        sent_at=sent_at,
        now=request.now,
    )
    captured = CapturedEvent(
        uuid=event.uuid if isinstance(event.uuid, str) else new_uuid(request.now),
        distinct_id=person,
        ip=request.ip if known.capture_internal is UNSET else INTERNAL_IP,
        data=msgspec.Raw(data),
        now=rfc3339(request.now),
        sent_at=rfc3339(request.sent_at) if request.sent_at else None,
        token=request.token,
        event=event.event,
        timestamp=rfc3339(moment),
        is_cookieless_mode=cookieless,
        historical_migration=request.historical_migration,
    )
    record = NewRecord(
        key=f"{request.token}:{captured.ip if cookieless else person}".encode(),
        value=_encoder.encode(captured),
        headers=_headers(captured, moment, json_string(known.session_id)),
    )
    if (size := _size(record)) > request.max_record_bytes:
        raise too_large(f"event takes {size} bytes of {request.max_record_bytes}", "event_too_large")
    return record


def records_of(events: list[Event], request: Circumstances) -> list[NewRecord]:
    """One record an event; the first event that cannot be taken refuses them all."""
    try:
        return [record_of(event, known_properties(event.properties), request) for event in events]
    except Refused as refused:
        refused.events = len(events)
        raise


def _headers(captured: CapturedEvent, moment: datetime, session_id: str | None) -> tuple[tuple[str, bytes], ...]:
    headers = [
        ("v", FORMAT_VERSION),
        ("token", captured.token.encode()),
        ("distinct_id", captured.distinct_id.encode()),
        ("timestamp", b"%d" % ((moment - EPOCH) // MILLISECOND)),
        ("event", captured.event.encode()),
        ("uuid", captured.uuid.encode()),
        ("now", captured.now.encode()),
    ]
    if session_id is not None:
        headers.append(("session_id", session_id.encode()))
    if captured.historical_migration:
        headers.append(("historical_migration", b"true"))
    return tuple(headers)


def _size(record: NewRecord) -> int:
    headers = sum(len(name) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value) + headers
