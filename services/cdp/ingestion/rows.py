"""An event and its person -> the record of clickhouse_events_json (StoredEvent)."""

from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import msgspec

from libs.fastpath import RowBlock, stored
from libs.kit.contracts import ai_events
from libs.kit.contracts.arrival import arrival_header
from libs.kit.contracts.events import FORMAT_VERSION, PersonMode
from libs.kit.eventlog import Headers, NewRecord
from services.cdp.ingestion.elements import elements_chain
from services.cdp.ingestion.ordinary import Form
from services.cdp.ingestion.parse import Incoming
from services.cdp.ingestion.persons import Person
from services.cdp.raw_json import Properties, text_of

_MAX_EVENT_UNITS = 200
_AI = (ai_events.TRACK,)


def clickhouse_time(moment: datetime) -> str:
    """`YYYY-MM-DD HH:MM:SS.mmm`, UTC."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(" ", "milliseconds")[:23]


def row(
    event: Incoming,
    properties: Properties,
    *,
    team_id: int,
    timestamp: datetime,
    person_id: UUID,
    person_created_at: datetime,
    person_properties: Properties,
    person_set: Properties | None,
    person_mode: PersonMode,
    now: datetime,
) -> NewRecord:
    """The record of one row; `properties` lose what becomes a column of its own. Keyed by uuid, so that one writer
    sees every copy. person_set: laid over the person's properties. Times are UTC."""
    value = stored(
        uuid=event.uuid,
        event=cut(event.event),
        elements_chain=_take_elements(properties),
        properties=properties,
        timestamp=timestamp,
        team_id=team_id,
        distinct_id=event.distinct_id,
        created_at=now,
        captured_at=event.now,
        person_id=person_id,
        person_properties=person_properties,
        person_set=person_set,
        person_created_at=in_utc(person_created_at),
        person_mode=person_mode,
        historical_migration=event.historical_migration,
    )
    track = _AI if event.event in ai_events.NAMES else ()
    return NewRecord(event.uuid.encode(), value, _headers(event.arrived_ms, track))


def add_row(block: RowBlock, made: NewRecord) -> None:
    """Put the record of a row into a block."""
    assert made.key is not None  # noqa: S101
    block.add(made.key, made.value, _encoded(made.headers))


def add_ordinary_row(
    block: RowBlock, event: Incoming, form: Form, name: str, person: Person, now: datetime, headers: bytes
) -> bool:
    """Put the record of an ordinary event's row into a block; False when it says something of its person that is not
    known yet, or has values that want a closer look. name: the event's, as the row has it. headers: as
    `encoded_headers` makes them."""
    if event.timestamp is None:
        return False
    return block.add_laid_out(
        form.layout,
        event.properties,
        person.properties,
        event.ip,
        event.sent_at,
        event.uuid,
        name,
        event.timestamp,
        person.team_id,
        event.distinct_id,
        now,
        event.now,
        person.uuid,
        person.created_at,
        event.historical_migration,
        headers,
    )


def in_utc(moment: datetime) -> datetime:
    """The same moment."""
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


@lru_cache(1024)
def _headers(arrived_ms: int, track: Headers) -> Headers:
    return ("v", FORMAT_VERSION), *track, arrival_header(arrived_ms)


@lru_cache(1024)
def _encoded(headers: Headers) -> bytes:
    return msgspec.msgpack.encode(headers)


def encoded_headers(arrived_ms: int) -> bytes:
    """Those of an ordinary event's row, for a block."""
    return _encoded(_headers(arrived_ms, ()))


def _take_elements(properties: Properties) -> str:
    if "$elements_chain" not in properties and "$elements" not in properties:
        return ""
    chain = properties.pop("$elements_chain", None)
    elements = properties.pop("$elements", None)
    if text := text_of(chain):
        return text
    if elements is None:
        return ""
    try:
        decoded = msgspec.json.decode(elements)
    except (msgspec.MsgspecError, RecursionError):
        return ""
    return elements_chain(decoded) if isinstance(decoded, list) else ""


def cut(name: str) -> str:
    """An event's name, to 200 UTF-16 units, as JavaScript counts; half a character is not kept."""
    if len(name) <= _MAX_EVENT_UNITS // 2:
        return name
    return name.encode("utf-16-le")[: _MAX_EVENT_UNITS * 2].decode("utf-16-le", "ignore")
