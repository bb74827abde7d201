"""An event and its person -> the record of clickhouse_events_json (StoredEvent)."""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from libs.kit.contracts.events import FORMAT_VERSION, PersonMode, StoredEvent
from libs.kit.eventlog import NewRecord
from services.cdp.arrival import arrival_header
from services.cdp.ingestion.elements import elements_chain
from services.cdp.ingestion.parse import Incoming
from services.cdp.raw_json import Properties, encode, text_of

_MAX_EVENT_UNITS = 200


def clickhouse_time(moment: datetime) -> str:
    """`YYYY-MM-DD HH:MM:SS.mmm`, UTC."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(" ", "milliseconds")[:23]


_remembered_time = lru_cache(1024)(clickhouse_time)  # for what many events share


def row(
    event: Incoming,
    properties: Properties,
    *,
    team_id: int,
    timestamp: datetime,
    person_id: str,
    person_created_at: datetime,
    person_properties: Properties,
    person_mode: PersonMode,
    now: datetime,
) -> NewRecord:
    """The record of one row; `properties` lose what becomes a column of its own. Keyed by uuid, so that one writer
    sees every copy."""
    chain = _take_elements(properties)
    stored = StoredEvent(
        uuid=event.uuid,
        event=cut(event.event),
        properties=encode(properties),
        timestamp=clickhouse_time(timestamp),
        team_id=team_id,
        project_id=team_id,
        distinct_id=event.distinct_id,
        elements_chain=chain,
        created_at=_remembered_time(now),
        captured_at=_remembered_time(event.now) if event.now else None,
        person_id=person_id,
        person_properties=encode(person_properties),
        person_created_at=clickhouse_time(person_created_at)[:19],
        person_mode=person_mode,
        historical_migration=event.historical_migration,
    )
    headers = (("v", FORMAT_VERSION), arrival_header(event.record))
    return NewRecord(event.uuid.encode(), msgspec.json.encode(stored), headers)


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
