"""An event and its person -> the record of clickhouse_events_json (StoredEvent)."""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from libs.fastpath import RowBlock
from libs.kit.contracts import ai_events
from libs.kit.contracts.arrival import arrival_header
from libs.kit.contracts.events import FORMAT_VERSION, PersonMode
from libs.kit.eventlog import Headers
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


def add_row(
    block: RowBlock,
    event: Incoming,
    properties: Properties,
    team_id: int,
    timestamp: datetime,
    person: Person,
    person_properties: Properties,
    person_set: Properties | None,
    person_mode: PersonMode,
    now: datetime,
) -> None:
    """Put the record of a row into a block; `properties` lose what becomes a column of its own. Keyed by uuid, so that
    one writer sees every copy. person_set: laid over the person's properties. Times are UTC."""
    block.add_stored(
        event.uuid,
        cut(event.event),
        properties,
        timestamp,
        team_id,
        event.distinct_id,
        _take_elements(properties),
        now,
        event.now,
        person.uuid,
        person_properties,
        person_set,
        in_utc(person.created_at),
        person_mode,
        event.historical_migration,
        encoded_headers(event.arrived_ms, event.event in ai_events.NAMES),
    )


def add_ordinary_row(
    block: RowBlock, event: Incoming, form: Form, name: str, person: Person, now: datetime, headers: bytes
) -> bool:
    """Put the record of an ordinary event's row into a block; False when it says something of its person that is not
    known yet, or has values that want a closer look. name: the event's, as the row has it. headers: as
    `encoded_headers` makes them."""
    if event.timestamp is None:
        return False
    return add_formed_row(block, event, form, name, event.timestamp, person, None, None, now, headers)


def add_formed_row(
    block: RowBlock,
    event: Incoming,
    form: Form,
    name: str,
    timestamp: datetime,
    person: Person,
    latest: Properties | None,
    first: Properties | None,
    now: datetime,
    headers: bytes,
) -> bool:
    """As `add_ordinary_row`, of any event with a form that suits it. latest, first: what it says of its person, who is
    as it has left them; None of both when that must be known already."""
    return block.add_laid_out(
        form.layout,
        event.properties,
        person.properties,
        latest,
        first,
        event.ip,
        event.sent_at,
        event.uuid,
        name,
        timestamp,
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
def encoded_headers(arrived_ms: int, of_ai: bool = False) -> bytes:
    """Those of a row, for a block. of_ai: it goes to another table too."""
    headers: Headers = ("v", FORMAT_VERSION), *(_AI if of_ai else ()), arrival_header(arrived_ms)
    return msgspec.msgpack.encode(headers)


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
