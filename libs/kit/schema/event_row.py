"""An event as one JSONEachRow line of the `events` table, such that no event can spoil its neighbours' insert.

`properties_raw` holds the object byte for byte, whatever is in it. `properties`, the JSON column that queries read,
gets the same bytes, unless ClickHouse would refuse them: then it gets a repaired copy (see `readable`), and the insert
goes through. docs/adr/0005-events-storage.md has the reasons and the figures.
"""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.kit.contracts.events import StoredEvent, raw_object
from libs.kit.errors import InvalidRequest

# ClickHouse reads JSON to a depth of 1,024. Whatever is deeper than this is kept as text.
MAX_DEPTH = 500
# ClickHouse's limit on the partitions of one insert.
MAX_PARTITIONS = 100

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]|-?\d[\d.eE+-]*', re.DOTALL)
_OPEN, _CLOSE = (b"{", b"["), (b"}", b"]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE = re.compile("[\ud800-\udfff]")
_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?")


class Unstorable(InvalidRequest):
    """A field that no column can hold, such as a uuid that is none. The record is dead-lettered, alone."""

    default_code = "unstorable_event"


def line(event: StoredEvent, *, log_id: str, partition: int, offset: int, arrived: datetime) -> bytes:
    """The row, ending in a line feed. `arrived` is the record's time in the log, aware. Raises Unstorable."""
    _check(event)
    properties, person_properties = raw_object(event.properties), raw_object(event.person_properties)
    readable_properties, objects = readable(properties)
    readable_person_properties, _ = readable(person_properties)
    scalars = {
        "uuid": event.uuid,
        "event": _text(event.event),
        "timestamp": event.timestamp,
        "team_id": event.team_id,
        "project_id": event.project_id,
        "distinct_id": _text(event.distinct_id),
        "elements_chain": _text(event.elements_chain),
        "created_at": event.created_at,
        "captured_at": event.captured_at,
        "person_id": event.person_id,
        "person_created_at": event.person_created_at,
        "person_mode": event.person_mode,
        "historical_migration": event.historical_migration,
        "properties_objects": objects,
        "_log_id": log_id,
        "_partition": partition,
        "_offset": offset,
        "_timestamp": int(arrived.timestamp()),
    }
    parts = (
        msgspec.json.encode(scalars)[:-1],
        b',"properties":',
        readable_properties,
        b',"properties_raw":"',
        quoted(properties),
        b'","person_properties":',
        readable_person_properties,
        b',"person_properties_raw":"',
        quoted(person_properties),
        b'"}\n',
    )
    return b"".join(parts)


def partition_month(timestamp: str, arrived: datetime) -> str:
    """The partition of the table that a row goes to: `YYYYMM`, or `0` for a timestamp that is plainly wrong.

    The same as the PARTITION BY of migration 0001."""
    if timestamp < "2000" or timestamp[:4] > "2299":
        return "0"
    moment = datetime.fromisoformat(timestamp).replace(tzinfo=UTC)
    return timestamp[:4] + timestamp[5:7] if (moment - arrived).total_seconds() < 86_400 else "0"


def split(rows: Sequence[tuple[str, bytes]], limit: int = MAX_PARTITIONS) -> Iterator[list[bytes]]:
    """Inserts that touch at most `limit` partitions each; `rows` are (partition, line). Order is kept inside each."""
    insert_of: dict[str, int] = {}
    for partition, _ in rows:
        insert_of.setdefault(partition, len(insert_of) // limit)
    inserts: list[list[bytes]] = [[] for _ in range((len(insert_of) + limit - 1) // limit)]
    for partition, row in rows:
        inserts[insert_of[partition]].append(row)
    yield from inserts


def quoted(text: bytes) -> bytes:
    """Bytes as the inside of a JSON string that ClickHouse reads back as the same bytes."""
    text = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    if any(control in text for control in (b"\n", b"\r", b"\t", b"\0")):
        text = text.replace(b"\n", b"\\n").replace(b"\r", b"\\r").replace(b"\t", b"\\t").replace(b"\0", b"\\u0000")
    return text


def readable(raw: bytes) -> tuple[bytes, list[str]]:
    """An object that ClickHouse's JSON type takes, and the names of its top-level members that are objects.

    These are the same bytes when it takes those, else a repaired copy: half a surrogate pair and what is not UTF-8
    become U+FFFD; a number beyond a double becomes its text; what is nested deeper than MAX_DEPTH becomes its text;
    what is no JSON object at all becomes `{}`.
    """
    members = _members(raw)
    if members is None:
        raw = _repaired(raw)
        members = _members(raw)
        if members is None:
            return b"{}", []
    return raw, [_text(name) for name, value in members.items() if type(value) is dict]


def _members(raw: bytes) -> dict[str, Any] | None:
    """The object, or None when ClickHouse might refuse it. msgspec is as strict as simdjson: strict UTF-8, paired
    surrogates, numbers within a double (integers may be of any length). Only depth is ours to look at."""
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        return None
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if type(value) is dict else None


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for token in _TOKEN.finditer(raw):
        if token[0] in _OPEN:
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in _CLOSE:
            depth -= 1
    return deepest


def _repaired(raw: bytes) -> bytes:
    """One pass over the tokens, without recursion: the sender chooses the depth."""
    raw = raw.decode(errors="replace").encode()
    parts: list[bytes] = []
    depth = deep_start = done = 0
    for token in _TOKEN.finditer(raw):
        text = token[0]
        if text in _OPEN:
            depth += 1
            if depth == MAX_DEPTH + 1:
                parts.append(raw[done : token.start()])
                deep_start = done = token.start()
        elif text in _CLOSE:
            depth -= 1
            if depth == MAX_DEPTH:
                parts.append(b'"%s"' % quoted(raw[deep_start : token.end()]))
                done = token.end()
        elif depth <= MAX_DEPTH and (better := _better(text)) is not text:
            parts += (raw[done : token.start()], better)
            done = token.end()
    parts.append(raw[done:])
    return b"".join(parts)


def _is_number(token: bytes) -> bool:
    """Whether ClickHouse reads it as one: not what overflows, nor what only begins like a number."""
    if token.lstrip(b"-").isdigit():
        return True
    try:
        return abs(float(token)) != float("inf")
    except ValueError:
        return False


def _better(token: bytes) -> bytes:
    """A string or number as ClickHouse takes it; the same object when it takes this one."""
    if not token.startswith(b'"'):
        return token if _is_number(token) else b'"%s"' % token
    if not _SURROGATE.search(token):
        return token
    try:
        return json.dumps(_text(json.loads(token))).encode()
    except ValueError:
        return token


def _text(text: str) -> str:
    return _LONE.sub("\ufffd", text)


def _check(event: StoredEvent) -> None:
    for name in ("uuid", "person_id"):
        try:
            UUID(getattr(event, name))
        except ValueError as exc:
            raise Unstorable(f"{name} is not a UUID.", attr=name) from exc
    for name in ("timestamp", "created_at", "person_created_at", "captured_at"):
        value = getattr(event, name)
        if not (_is_time(value) if value is not None else name == "captured_at"):
            raise Unstorable(f"{name} is not a time.", attr=name)
    for name in ("team_id", "project_id"):
        if not -(2**63) <= getattr(event, name) < 2**63:
            raise Unstorable(f"{name} is out of range.", attr=name)


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:  # the 30th of February
        return False
    return True
