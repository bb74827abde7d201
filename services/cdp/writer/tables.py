"""A record that tells of a person, a distinct id or a group, a warning, a heatmap's point, a metric or an AI event ->
lines of its tables. No I/O, no clock."""

import re
from collections.abc import Callable, Mapping
from uuid import UUID

import msgspec

from libs.fastpath import members
from libs.kit.contracts.arrival import arrived_ms
from libs.kit.contracts.counts import AppMetric, HeatmapPoint
from libs.kit.contracts.persons import DistinctIdUpdate, GroupUpdate, IngestionWarning, PersonUpdate
from libs.kit.contracts.topics import AI_EVENTS, APP_METRICS, DISTINCT_IDS, GROUPS, HEATMAPS, PERSONS, WARNINGS
from libs.kit.eventlog import Record
from libs.kit.schema.event_row import readable
from services.cdp.writer.ai_rows import ai_columns, is_past

# Columns of a line, before its JSON object, and the object: what the JSON column is called, and its text.
Parts = tuple[dict[str, object], tuple[str, str] | None]

_person = msgspec.json.Decoder(PersonUpdate)
_distinct_id = msgspec.json.Decoder(DistinctIdUpdate)
_group = msgspec.json.Decoder(GroupUpdate)
_warning = msgspec.json.Decoder(IngestionWarning)
_point = msgspec.json.Decoder(HeatmapPoint)
_metric = msgspec.json.Decoder(AppMetric)
_is_canonical = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


class Line(msgspec.Struct, frozen=True, gc=False):
    """One row to insert, with the record it came from."""

    record: Record
    table: str
    text: bytes


def lines(record: Record, ai_days: int) -> list[Line]:
    """The rows that a record gives, of one table or two; none for an AI event older than `ai_days`, for which they are
    kept. Raises ValueError or msgspec's errors for an unusable one."""
    tables, decode = _TOPICS[record.topic]
    columns, nested = decode(record.value)
    if record.topic == AI_EVENTS.name:
        if is_past(columns, arrived_ms(record), ai_days):
            return []
        columns["retention_days"] = ai_days
    text = _line(record, columns, nested)
    return [Line(record, table, text) for table in tables(columns)]


def _people(value: bytes) -> Parts:
    person = _person.decode(value)
    columns = msgspec.structs.asdict(person)
    columns["id"] = _uuid(person.id)
    return columns, ("properties", columns.pop("properties"))


def _distinct_ids(value: bytes) -> Parts:
    update = _distinct_id.decode(value)
    return {**msgspec.structs.asdict(update), "person_id": _uuid(update.person_id)}, None


def _groups(value: bytes) -> Parts:
    columns = msgspec.structs.asdict(_group.decode(value))
    return columns, ("group_properties", columns.pop("group_properties"))


def _warnings(value: bytes) -> Parts:
    return msgspec.structs.asdict(_warning.decode(value)), None


def _points(value: bytes) -> Parts:
    point = _point.decode(value)
    return {**msgspec.structs.asdict(point), "uuid": _uuid(point.uuid)}, None


def _metrics(value: bytes) -> Parts:
    metric = _metric.decode(value)
    columns = msgspec.structs.asdict(metric)
    # without one the table makes it from the record's place in the log
    columns |= {"uuid": _uuid(metric.uuid)} if metric.uuid else {}
    return {name: value for name, value in columns.items() if name != "uuid" or value}, None


def _ai_events(value: bytes) -> Parts:
    return ai_columns(value), None


def _uuid(text: str) -> str:
    """As ClickHouse reads it; raises ValueError for what is none. Ours are written so, and reading one costs more than
    the rest of a row."""
    return text if _is_canonical(text) else str(UUID(text))


def _distinct_id_tables(columns: Mapping[str, object]) -> tuple[str, ...]:
    both = ("person_distinct_id2", "person_distinct_id_overrides")
    return both if columns["version"] else both[:1]


_TOPICS: Mapping[str, tuple[Callable[[Mapping[str, object]], tuple[str, ...]], Callable[[bytes], Parts]]] = {
    PERSONS.name: (lambda _: ("person",), _people),
    DISTINCT_IDS.name: (_distinct_id_tables, _distinct_ids),
    GROUPS.name: (lambda _: ("groups",), _groups),
    WARNINGS.name: (lambda _: ("ingestion_warnings",), _warnings),
    HEATMAPS.name: (lambda _: ("heatmaps",), _points),
    AI_EVENTS.name: (lambda _: ("ai_events",), _ai_events),
    APP_METRICS.name: (lambda _: ("app_metrics2",), _metrics),
}
TOPICS = tuple(_TOPICS)


def _line(record: Record, columns: dict[str, object], nested: tuple[str, str] | None) -> bytes:
    columns |= {
        "_timestamp": arrived_ms(record) // 1000,
        "_offset": record.offset,
        "_partition": record.partition,
    }
    if nested is None:
        return msgspec.json.encode(columns) + b"\n"
    name, raw = nested
    columns[f"{name}_raw"] = raw
    return b'%s,"%s":%s}\n' % (msgspec.json.encode(columns)[:-1], name.encode(), _readable(raw.encode()))


def _readable(raw: bytes) -> bytes:
    """`readable`, for an object of plain values after one look and without a Python object for each of them."""
    found = members(raw)
    return raw if found is not None and found.is_plain() else readable(raw)[0]
