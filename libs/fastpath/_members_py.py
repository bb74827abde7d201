"""A JSON object taken apart at its top level: names, and values as the sender wrote them. Reference for `_members.pyx`.

A reader accepts or declines, as in docs/adr/0010: what it accepts is what msgspec makes of the same text. Text that is
no JSON, holds half a surrogate pair or is nested deeper than MAX_DEPTH is declined; the caller reads it the slow way.

Objects with the same names in the same order share a Shape, so that whatever follows from names alone is decided once.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.fastpath._members_object_py import (
    MAX_DEPTH,
    MAX_REMEMBERED_NAMES,
    MAX_SHARED_NAMES,
    Members,
    Pairs,
    Picker,
    Shape,
    is_plain_value,
    is_simple,
    members,
    members_of,
    shape_of,
    values_of,
)

__all__ = [
    "MAX_DEPTH",
    "MAX_REMEMBERED_NAMES",
    "MAX_SHARED_NAMES",
    "Captured",
    "Head",
    "Layout",
    "Members",
    "Picker",
    "RowBlock",
    "Shape",
    "block",
    "captured",
    "head",
    "line",
    "members",
    "members_of",
    "near",
    "near_text",
    "utc_moment",
]

_UUID = re.compile(rb'"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"')
_NO_HEADERS = b"\x90"
_TEXTS = ("uuid", "event", "distinct_id", "token", "ip", "timestamp", "now")
_FLAGS = ("historical_migration", "is_cookieless_mode")
_FIELDS = frozenset(name.encode() for name in (*_TEXTS, *_FLAGS, "sent_at", "data"))
_DATA_FIELDS = frozenset((b"properties", b"$set", b"$set_once"))

Head = tuple[int, str, str, str, str]


def utc_moment(text: str) -> datetime | None:
    """RFC 3339 -> UTC; a time without a zone is UTC. None when it is no time, or none that UTC can hold."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is UTC:
            return moment
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(slots=True)
class Captured:
    """What a record of events_plugin_ingestion says of an event. uuid: in lower case. timestamp, now: as `utc_moment`
    has them. latest, first: the raw `$set` and `$set_once` that stand beside the properties."""

    uuid: str
    event: str
    distinct_id: str
    token: str
    ip: str
    timestamp: datetime | None
    now: datetime | None
    sent_at: str | None
    historical_migration: bool
    latest: bytes | None
    first: bytes | None
    properties: Members


def captured(value: bytes) -> Captured | None:
    """What a record says.

    None when it is declined: besides what `members` declines, a field that is missing, of another type or there twice,
    a name with an escape, a uuid in another form than 36 characters, a NUL in the event's name or its distinct id,
    `data` or `properties` that are no objects.
    """
    outer = members(value)
    if outer is None or not is_simple(value, _FIELDS) or outer.opens("data") != ord("{"):
        return None
    data = outer._values["data"]
    inner = Members(values_of(data))
    properties = inner._values.get("properties", b"{}")
    if not is_simple(data, _DATA_FIELDS) or properties[:1] != b"{":
        return None
    texts = [_text(outer, name) for name in _TEXTS]
    if None in texts or not _UUID.fullmatch(outer._values["uuid"]):
        return None
    if outer.opens("sent_at") not in (0, *b'"n') or any(outer.opens(name) not in (0, *b"tf") for name in _FLAGS):
        return None
    uuid, event, distinct_id, token, ip, timestamp, now = (text or "" for text in texts)
    if "\0" in event or "\0" in distinct_id:
        return None
    return Captured(
        *(uuid.lower(), event, distinct_id, token, ip, utc_moment(timestamp), utc_moment(now), _text(outer, "sent_at")),
        *(outer.raw("historical_migration") == b"true", inner.raw("$set"), inner.raw("$set_once")),
        Members(values_of(properties)),
    )


#: Where a member of a stored event comes from, if it is neither the place of one of its own nor a constant.
FROM_IP, FROM_SENT_AT, FROM_SET, FROM_SET_ONCE = -1, -2, -3, -4


def near(objects: list[Any], place: int) -> int:
    """Say that the object at this place, if there is one, will be looked at soon; here, nothing. Returns 0."""
    return 0


def near_text(text: bytes) -> int:
    """Say that this text will be read soon; here, nothing. Returns 0."""
    return 0


class Layout:
    """What becomes of events of one Shape, decided from their names; `RowBlock.add_laid_out` follows it.

    row: the stored properties in order, each with where it comes from: a place in `source`, the bytes of a constant, or
    one of FROM_*. shape: that of the stored properties. latest, first: how `$set` and `$set_once` are picked, as
    for Shape.picker, also from objects of the given shapes. ignored: names among the latest of which another value is
    no news. session: a property that must hold no capital letter; chain: one that becomes the elements chain. Raises as
    Shape.picker does.
    """

    def __init__(
        self,
        source: Shape,
        row: Sequence[tuple[str, int | bytes]],
        latest: Pairs,
        first: Pairs,
        ignored: Collection[str],
        session: str,
        chain: str,
        given_latest: Shape | None = None,
        given_first: Shape | None = None,
    ):
        self.source = source
        self.row = tuple(row)
        self.shape = shape_of(tuple(name for name, _ in row))
        self.latest, self.first = Picker(source, latest, given_latest), Picker(source, first, given_first)
        self.given = given_latest is not None or given_first is not None
        self.ignored = frozenset(ignored)
        self.session, self.chain = session, chain

    def suits(self, properties: Members) -> bool:
        """Whether the session has no capital and the elements chain no escape. Raises ValueError for properties of
        another shape."""
        if self.source.names != tuple(properties):
            raise ValueError("a layout of another shape")
        session, chain = properties._values.get(self.session, b""), properties._values.get(self.chain, b'""')
        return session == session.lower() and chain[:1] == b'"' and b"\\" not in chain


class RowBlock:
    """Records as one piece of bytes: the payload of a `RecordBlock`. room: about how many bytes it will need.

    headers: a record's, encoded as MessagePack.
    """

    def __init__(self, room: int = 0):
        self._parts: list[bytes] = []
        self._count = self._size = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes, value: bytes, headers: bytes) -> None:
        """One more record."""
        self._parts += (b"\x93", _bin(key), _bin(value), headers)
        self._count += 1
        self._size += len(key) + len(value)

    def taken(self) -> tuple[bytes, int, int]:
        """All of it, how many records these are, and the bytes of their keys and values. Afterwards it is empty."""
        found = b"".join(self._parts), self._count, self._size
        self._parts, self._count, self._size = [], 0, 0
        return found

    def add_laid_out(
        self,
        layout: Layout,
        properties: Members,
        person_properties: Members,
        latest: Members | None,
        first: Members | None,
        ip: str,
        sent_at: str | None,
        uuid: str,
        event: str,
        timestamp: datetime,
        team_id: int,
        distinct_id: str,
        created_at: datetime,
        captured_at: datetime | None,
        person_id: UUID,
        person_created_at: datetime,
        historical_migration: bool,
        headers: bytes,
    ) -> bool:
        """The record, keyed by uuid, of an event of a person ("full"): what `add_stored` makes of it.

        latest, first: what it says of its person, who is as it has left them. None of both for an event that tells
        nothing new; False when that is not so: the person lacks one of the latest or first properties, or has another
        value for one that is not ignored (or is not plain). False for what the layout does not suit, too. Raises
        ValueError for a layout of another shape.
        """
        if not layout.suits(properties):
            return False
        if latest is None or first is None:
            if layout.given:
                raise ValueError("a layout of what is given besides")
            latest, first = properties.picked(layout.latest), properties.picked(layout.first)
            if not _is_known(latest, first, person_properties, layout.ignored):
                return False
        made = {FROM_SET: latest.encoded(), FROM_SET_ONCE: first.encoded()}
        made |= {FROM_IP: msgspec.json.encode(ip), FROM_SENT_AT: msgspec.json.encode(sent_at)}
        values = list(properties._values.values())
        row = {
            name: origin if isinstance(origin, bytes) else values[origin] if origin >= 0 else made[origin]
            for name, origin in layout.row
        }
        self.add_stored(
            uuid,
            event,
            Members(row),
            timestamp,
            team_id,
            distinct_id,
            properties.plain_text(layout.chain) or "",
            created_at,
            captured_at,
            person_id,
            person_properties,
            latest,
            person_created_at,
            "full",
            historical_migration,
            headers,
        )
        return True

    def add_stored(
        self,
        uuid: str,
        event: str,
        properties: Members,
        timestamp: datetime,
        team_id: int,
        distinct_id: str,
        elements_chain: str,
        created_at: datetime,
        captured_at: datetime | None,
        person_id: UUID,
        person_properties: Members,
        person_set: Members | None,
        person_created_at: datetime,
        person_mode: str,
        historical_migration: bool,
        headers: bytes,
    ) -> None:
        """A record of clickhouse_events_json, keyed by uuid. Times must be in UTC; person_set is laid over the person's
        properties."""
        person = person_properties.merged(person_set) if person_set else person_properties
        row = {
            "uuid": uuid,
            "event": event,
            "properties": msgspec.Raw(properties.encoded()),
            "timestamp": _time(timestamp),
            "team_id": team_id,
            "project_id": team_id,
            "distinct_id": distinct_id,
            "elements_chain": elements_chain,
            "created_at": _time(created_at),
            "captured_at": None if captured_at is None else _time(captured_at),
            "person_id": str(person_id),
            "person_properties": msgspec.Raw(person.encoded()),
            "person_created_at": _time(person_created_at)[:19],
            "person_mode": person_mode,
        }
        value = msgspec.json.encode(row | {"historical_migration": True} if historical_migration else row)
        self.add(uuid.encode(), value, headers)

    def add_person(
        self,
        identity: UUID,
        team_id: int,
        created_at: datetime,
        last_seen_at: datetime,
        properties: Members,
        is_identified: bool,
        is_deleted: bool,
        version: int,
    ) -> None:
        """A record of clickhouse_person, keyed by the person's uuid. Times must be in UTC."""
        told = {
            "id": str(identity),
            "created_at": _time(created_at)[:19],
            "properties": properties.encoded().decode(),
            "team_id": team_id,
            "is_identified": int(is_identified),
            "is_deleted": int(is_deleted),
            "version": version,
            "last_seen_at": _time(last_seen_at)[:19],
        }
        self.add(str(identity).encode(), msgspec.json.encode(told), _NO_HEADERS)

    def add_distinct_id(self, distinct_id: str, team_id: int, person: UUID, is_deleted: bool, version: int) -> None:
        """A record of clickhouse_person_distinct_id, keyed by the distinct id."""
        told = {
            "person_id": str(person),
            "team_id": team_id,
            "distinct_id": distinct_id,
            "version": version,
            "is_deleted": int(is_deleted),
        }
        self.add(distinct_id.encode(), msgspec.json.encode(told), _NO_HEADERS)


def _is_known(latest: Members, first: Members, person: Members, ignored: Collection[str]) -> bool:
    """Whether the person has all of it: the latest values, or other ones that are ignored, and every first value."""
    differing = [
        name for name, value in latest._values.items() if value[:1] in (b"{", b"[") or person._values.get(name) != value
    ]
    if not frozenset(ignored).issuperset(differing) or not all(name in person for name in differing):
        return False
    if not all(is_plain_value(latest._values[name]) for name in differing):
        return False
    return not any(person.opens(name) in (0, ord("n")) for name in first)


def head(value: bytes) -> Head | None:
    """Of a record of clickhouse_events_json in its usual form: team_id, uuid, event, distinct_id, timestamp.

    None for what is declined. The plain version declines everything: the writer's slow way is the reference.
    """
    return None


def line(value: bytes, place: bytes) -> bytes | None:
    """The line of the events table that the writer's slow way makes of a record; None for what `head` declines.

    place: the columns that say where in the log it stood, as `,"name":value` one behind the other."""
    return None


def block(
    records: Sequence[tuple[bytes, int, int, int]],
    log_id: bytes,
    header: tuple[tuple[bytes, bytes], ...],
    typed: tuple[bytes, ...],
) -> tuple[bytes, list[int]]:
    """Records of clickhouse_events_json as one block of ClickHouse's Native format, and which of them, by index, are
    not in it: their lines have to be sent. The block is empty when all are left out.

    records: value, partition, offset, seconds since 1970. header: names and types of the columns of `events` in their
    order, without inserted_at. typed: the typed paths of `properties`, sorted.

    A row is left out when its value is declined by `head`, a time is outside 1970-2200, or an object holds what has no
    column of one plain type: a list that is empty or holds more than strings, an integer of over 18 digits, a number
    with an exponent, anything but text in a typed path, a member twice, a name that is empty or has escapes or `%`, or
    one of more than 1,024 names in the block. The plain version leaves out everything.
    """
    return b"", list(range(len(records)))


def _bin(text: bytes) -> bytes:
    return b"\xc6" + len(text).to_bytes(4, "big") + text


def _time(moment: datetime) -> str:
    return moment.isoformat(" ", "milliseconds")[:23]


def _text(outer: Members, name: str) -> str | None:
    return msgspec.json.decode(outer[name], type=str) if outer.opens(name) == ord('"') else None
