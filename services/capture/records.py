"""Events -> records for the log (kit.contracts.events.CapturedEvent), in the order they came."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET

from libs.kit.contracts.events import FORMAT_VERSION, CapturedEvent
from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.base import Headers
from services.capture.answers import Refused, too_large, unparsable
from services.capture.heatmaps import SKIP_HEATMAP, carries_heatmap, split
from services.capture.identity import distinct_id, is_cookieless, new_uuid
from services.capture.shapes import MAX_DEPTH, Event, Known, json_bytes, json_string, known_properties, too_deep
from services.capture.times import EPOCH, event_time, rfc3339

MILLISECOND = timedelta(milliseconds=1)
INTERNAL_IP = "127.0.0.1"
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What all events of one request share. `now` is the moment of receipt, `sent_at` the sender's clock then."""

    token: str
    ip: str
    now: datetime
    sent_at: datetime | None
    historical_migration: bool
    max_record_bytes: int
    now_text: str
    sent_at_text: str | None
    headers: Headers

    @classmethod
    def of(
        cls,
        token: str,
        ip: str,
        *,
        now: datetime,
        sent_at: datetime | None,
        historical_migration: bool,
        max_record_bytes: int,
    ) -> "Circumstances":
        """With what is printed once for all events."""
        now_text = rfc3339(now)
        sent_at_text = rfc3339(sent_at) if sent_at else None
        headers: Headers = (("v", FORMAT_VERSION), ("token", token.encode()), ("now", now_text.encode()))
        if historical_migration:
            headers += (("historical_migration", b"true"),)
        return cls(token, ip, now, sent_at, historical_migration, max_record_bytes, now_text, sent_at_text, headers)


def records_of(events: list[Event], request: Circumstances) -> list[NewRecord]:
    """One record an event, two for one that carries a heatmap; the first that cannot be taken refuses them all."""
    try:
        return [record for event in events for record in records_of_event(event, request)]
    except Refused as refused:
        refused.events = len(events)
        raise


def records_of_event(event: Event, request: Circumstances) -> list[NewRecord]:
    """The record of one event, and that of its heatmap. Raises Refused like `record_of`."""
    known = known_properties(event.properties)
    if not carries_heatmap(event, known):
        return [record_of(event, known, request)]
    carrier, heatmap = split(event, request.now)
    return [record_of(carrier, known, request, SKIP_HEATMAP), record_of(heatmap, known, request)]


def record_of(event: Event, known: Known, request: Circumstances, more: Headers = ()) -> NewRecord:
    """The record of one event. Raises Refused for an event that cannot be taken, or is too large for the log."""
    if not event.event:
        raise Refused(400, "event submitted with an empty event name", "no_event_name")
    data = _encoder.encode(event)
    check_data(data, request.max_record_bytes)  # first, so that what follows is bounded
    cookieless = is_cookieless(json_bytes(known.cookieless_mode))
    person = distinct_id(event.distinct_id or None, known.distinct_id or None)
    check_depth(data)
    return written(
        event=event.event,
        uuid=event.uuid or new_uuid(request.now),
        person=person,
        data=data,
        moment=_moment(event, known, request),
        cookieless=cookieless,
        known=known,
        request=request,
        more=more,
    )


def check_data(data: bytes, most: int) -> None:
    """Raises Refused (413) when the event alone is larger than a record may be."""
    if len(data) > most:
        raise too_large(f"event takes {len(data)} bytes of {most}", "event_too_large")


def check_depth(data: bytes) -> None:
    """Raises Refused (400) for an event nested too deep."""
    if too_deep(data):
        raise unparsable(f"event is nested deeper than {MAX_DEPTH} levels")


def written(
    *,
    event: str,
    uuid: str,
    person: str,
    data: bytes,
    moment: datetime,
    cookieless: bool,
    known: Known,
    request: Circumstances,
    more: Headers = (),
) -> NewRecord:
    """The record of an event that is decided: `person` did it at `moment`, `data` is the raw event as JSON, `more` are
    headers of its own. Raises Refused (413) when it is too large for the log."""
    ip = request.ip if known.capture_internal is UNSET else INTERNAL_IP
    captured = CapturedEvent(
        uuid=uuid,
        distinct_id=person,
        ip=ip,
        data=msgspec.Raw(data),
        now=request.now_text,
        sent_at=request.sent_at_text,
        token=request.token,
        event=event,
        timestamp=request.now_text if moment is request.now else rfc3339(moment),
        is_cookieless_mode=cookieless,
        historical_migration=request.historical_migration,
    )
    key = f"{request.token}:{ip if cookieless else person}".encode()
    record = NewRecord(key, _encoder.encode(captured), (*_headers(captured, moment, known, request), *more))
    if 3 * len(record.value) + 300 > request.max_record_bytes:  # key and headers repeat, at most, what is in the value
        _check_size(record, request.max_record_bytes)
    return record


def _moment(event: Event, known: Known, request: Circumstances) -> datetime:
    sent_at = request.sent_at
    if sent_at is not None and known.ignore_sent_at is not UNSET and bytes(known.ignore_sent_at) == b"true":
        sent_at = None
    offset = None if event.offset is UNSET else event.offset
    return event_time(event.timestamp or None, offset, sent_at=sent_at, now=request.now)


def _headers(captured: CapturedEvent, moment: datetime, known: Known, request: Circumstances) -> Headers:
    session_id = json_string(known.session_id)
    session: Headers = () if session_id is None else (("session_id", session_id.encode()),)
    return (
        *request.headers,
        ("distinct_id", captured.distinct_id.encode()),
        ("timestamp", b"%d" % ((moment - EPOCH) // MILLISECOND)),
        ("event", captured.event.encode()),
        ("uuid", captured.uuid.encode()),
        *session,
    )


def _check_size(record: NewRecord, limit: int) -> None:
    headers = sum(len(name) + len(value) for name, value in record.headers)
    size = len(record.key or b"") + len(record.value) + headers
    if size > limit:
        raise too_large(f"event takes {size} bytes of {limit}", "event_too_large")
