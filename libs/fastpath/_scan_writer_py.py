"""The record of an event, from slices of the body: `_scan_py.Batch` says which."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from json import dumps, loads
from uuid import UUID

import msgspec

from libs.fastpath._scan_walk_py import MAX_DEPTH, VALUES, Event, Reader

Headers = tuple[tuple[str, bytes], ...]
Record = tuple[bytes, bytes, Headers]
Block = tuple[bytes, int, int]

_MAX_CHARACTERS = 200
_MAX_BYTES = 200  # of a name and an id in the v1 dialect
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FUTURE_LIMIT = timedelta(hours=23)
_HEATMAP = b"$$heatmap"
SKIP_HEATMAP: Headers = (("skip_heatmap_processing", b"true"),)
_TAKEN_ALONG = frozenset(
    (
        *("$heatmap_data", "$viewport_height", "$viewport_width", "$session_id", "$prev_pageview_pathname"),
        *("$prev_pageview_max_scroll", "$current_url", "$cookieless_mode"),
    )
)
_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:[0-5]\d(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII)


_OPTIONS = {
    "cookieless_mode": "$cookieless_mode", "disable_skew_correction": "$ignore_sent_at",
    "process_person_profile": "$process_person_profile", "product_tour_id": "$product_tour_id",
}  # fmt: skip


def plain_text(raw: bytes) -> str | None:
    """What a string of up to 200 bytes without escapes says."""
    return raw[1:-1].decode() if raw[:1] == b'"' and b"\\" not in raw and len(raw) <= _MAX_BYTES + 2 else None


def options_of(event: Event) -> dict[str, bytes] | None:
    """Options as the properties they become, in their order; None for those that have to be understood first."""
    raw = event.fields.get("options", b"null")
    if any(event.fields.get(name, b"null")[:1] not in (b'"', b"n") for name in ("session_id", "window_id")):
        return None
    if raw[:1] not in (b"{", b"n"):
        return None
    given: dict[str, bytes] = {}
    for name, value in _pairs(raw) if raw[:1] == b"{" else ():
        if name not in _OPTIONS:
            continue
        if _OPTIONS[name] in given:
            return None
        is_tour = name == "product_tour_id"
        if value != b"null":
            fits = value[:1] == b'"' and b"\\" not in value and len(value) <= _MAX_BYTES
            if not (fits if is_tour else value in (b"true", b"false")):
                return None
            given[_OPTIONS[name]] = value
    return {name: given[name] for name in _OPTIONS.values() if name in given}


def _pairs(raw: bytes) -> list[tuple[str, bytes]]:
    """The members of an object."""
    reader = Reader(raw, 0)
    found: list[tuple[str, bytes]] = []
    reader.members(MAX_DEPTH, lambda name: found.append((name, reader.slice(lambda: reader.value(MAX_DEPTH)))))
    return found


def added_to(event: Event, options: dict[str, bytes], library: bytes) -> Event:
    """The event with what the rest of it says put behind its properties."""
    ids = {f"${name}": event.fields.get(name, b"null") for name in ("session_id", "window_id")}
    added = options | {name: raw for name, raw in ids.items() if raw != b"null"}
    replaced = {*added, *(("$lib", "$lib_version") if library else ())}
    if not replaced:
        return _with(event, properties=event.fields.get("properties", b"{}"))
    kept = _some_members(event.fields.get("properties", b"{}"), lambda name: name not in replaced)[1:-1]
    parts = [kept, *(b'"%s":%s' % (name.encode(), raw) for name, raw in added.items()), library]
    known = event.known | {name: raw for name, raw in added.items() if name in VALUES}
    properties = b"{" + b",".join(part for part in parts if part) + b"}"
    return replace(event, fields=event.fields | {"properties": properties}, known=known)


def data_v1(event: Event, uuid: str) -> bytes:
    """The raw event of the v1 dialect."""
    fields = event.fields | {"uuid": _quoted(uuid)}
    order = ("event", "distinct_id", "uuid", "properties", "timestamp")
    return b"{" + b",".join(_quoted(name) + b":" + fields[name] for name in order) + b"}"


def moment_at(microseconds: int) -> datetime:
    """Since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def corrected(given: datetime, sent_at: datetime, now: datetime) -> datetime:
    try:
        moment = given - (sent_at - now)
    except OverflowError:
        return now if sent_at < now else _EPOCH
    return now if moment - now > _FUTURE_LIMIT else moment


@dataclass(frozen=True, slots=True)
class Shared:
    """What the records of one request have in common."""

    token: str
    ip: str
    internal_ip: str
    version: bytes
    now: datetime
    sent_at: datetime | None
    historical_migration: bool


def _data(event: Event, uuid: str) -> bytes:
    """The raw event: known fields under one name each, values as they were sent."""
    fields = {"properties": b"{}", "event": b'"$identify"'} | event.fields
    if "uuid" in fields:
        fields["uuid"] = _quoted(uuid)
    order = ("token", "distinct_id", "uuid", "properties", "timestamp", "offset", "$set", "$set_once", "event")
    return b"{" + b",".join(_quoted(name) + b":" + fields[name] for name in order if name in fields) + b"}"


def record_of(
    event: Event,
    person: str,
    moment: datetime,
    uuid: str,
    shared: Shared,
    more: Headers = (),
    data: Callable[[Event, str], bytes] = _data,
) -> Record:
    """Key, value and headers."""
    cookieless = event.known.get("$cookieless_mode") == b"true"
    address = shared.internal_ip if "capture_internal" in event.present else shared.ip
    now_text = _rfc3339(shared.now)
    of_request = {"now": now_text} | ({"sent_at": _rfc3339(shared.sent_at)} if shared.sent_at else {})
    value = b"".join(
        (
            _members({"uuid": uuid, "distinct_id": person, "ip": address})[:-1],
            b',"data":' + data(event, uuid) + b",",
            _members(of_request | {"token": shared.token})[1:-1],
            b',"event":' + event.fields.get("event", b'"$identify"'),
            b',"timestamp":' + _quoted(_rfc3339(moment)),
            b',"is_cookieless_mode":true' if cookieless else b"",
            b',"historical_migration":true' if shared.historical_migration else b"",
            b"}",
        )
    )
    headers: Headers = (("v", shared.version), ("token", shared.token.encode()), ("now", now_text.encode()))
    if shared.historical_migration:
        headers += (("historical_migration", b"true"),)
    headers += (
        ("distinct_id", person.encode()),
        ("timestamp", b"%d" % ((moment - _EPOCH) // _MILLISECOND)),
        ("event", name_of(event)),
        ("uuid", uuid.encode()),
    )
    session = event.known.get("$session_id", b"null")
    if session[:1] == b'"':
        headers += (("session_id", text_of(session).encode()),)
    return f"{shared.token}:{address if cookieless else person}".encode(), value, headers + more


def block_of(records: Sequence[Record], max_record_bytes: int) -> Block | None:
    """Records in MessagePack, one behind the other; how many; the bytes of their keys and values. None if one of them,
    headers included, is larger than it may be."""
    for key, value, headers in records:
        if len(key) + len(value) + sum(len(name) + len(said) for name, said in headers) > max_record_bytes:
            return None
    payload = b"".join(
        b"\x93" + _packed(key) + b"\xc6" + len(value).to_bytes(4, "big") + value + _pairs_packed(headers)
        for key, value, headers in records
    )
    return payload, len(records), sum(len(key) + len(value) for key, value, _ in records)


def _pairs_packed(headers: Headers) -> bytes:
    return bytes([0x90 | len(headers)]) + b"".join(
        b"\x92" + msgspec.msgpack.encode(name) + _packed(said) for name, said in headers
    )


def _packed(raw: bytes) -> bytes:
    """Bytes in MessagePack, in two forms of its three."""
    size = len(raw)
    return (b"\xc4" + bytes([size]) if size <= 0xFF else b"\xc6" + size.to_bytes(4, "big")) + raw


def carries_heatmap(event: Event) -> bool:
    """Whether the event has clicks, or tells how far the page before it was scrolled (but `$$heatmap` itself)."""
    rides = "$heatmap_data" in event.present or event.present >= {"$prev_pageview_pathname", "$current_url"}
    return rides and name_of(event) != _HEATMAP


def without_clicks(event: Event) -> Event:
    if "$heatmap_data" not in event.present:
        return event
    return _with(event, properties=_some_members(event.fields["properties"], lambda name: name != "$heatmap_data"))


def rider_of(event: Event, uuid: str) -> Event:
    """The heatmap on an event: who, where and when are the event's."""
    taken = _some_members(event.fields["properties"], _TAKEN_ALONG.__contains__)
    rider = _with(event, event=_quoted(_HEATMAP.decode()), uuid=_quoted(uuid), properties=taken)
    for name in ("$set", "$set_once"):
        rider.fields.pop(name, None)
    return rider


def rider_uuid(carrier: str) -> str:
    """A UUIDv7 that is the same whenever the carrier is."""
    raw = UUID(carrier).bytes
    name = sha1(raw + _HEATMAP, usedforsecurity=False).digest()
    return str(UUID(bytes=raw[:6] + bytes((0x70 | name[6] & 0x0F, name[7], 0x80 | name[8] & 0x3F)) + name[9:16]))


def _with(event: Event, /, **fields: bytes) -> Event:
    return replace(event, fields=event.fields | fields)


def _some_members(raw: bytes, is_kept: Callable[[str], bool]) -> bytes:
    """An object without some of its members. Neighbours that stay keep what is between them."""
    reader = Reader(raw, 0)
    runs: list[tuple[int, int]] = []
    was_kept = False
    key_at = 0

    def member(name: str) -> None:
        nonlocal was_kept
        reader.value(MAX_DEPTH)
        if is_kept(name):
            start = runs.pop()[0] if was_kept else key_at
            runs.append((start, reader.at))
        was_kept = is_kept(name)

    def key(at: int) -> None:
        nonlocal key_at
        key_at = at

    reader.members(MAX_DEPTH, member, key)
    return b"{" + b",".join(raw[start:end] for start, end in runs) + b"}"


def text_of(raw: bytes) -> str:
    return str(loads(raw))


def name_of(event: Event) -> bytes:
    return text_of(event.fields.get("event", b'"$identify"')).encode()


def _quoted(text: str) -> bytes:
    return dumps(text, ensure_ascii=False).encode()


def _members(fields: dict[str, str]) -> bytes:
    return dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def distinct_id_of_event(event: Event, otherwise: Callable[[bytes | None, bytes | None], str | None]) -> str | None:
    root, among = event.fields.get("distinct_id"), event.known.get("distinct_id")
    raw = among if root in (None, b"null") else root
    if raw and raw[:1] == b'"' and b"\\" not in raw:
        text = raw[1:-1].decode()[:_MAX_CHARACTERS]
        if text and not text.isspace():
            return text
    return otherwise(root, among)


def uuid_of(event: Event, now: datetime, random: bytes) -> str:
    """The event's own, in lower case, or a UUIDv7 (RFC 9562)."""
    if "uuid" in event.fields:
        return text_of(event.fields["uuid"]).lower()
    return uuid7(now, random)


def uuid7(now: datetime, random: bytes) -> str:
    bits = int.from_bytes(random, "big")
    high = ((now - _EPOCH) // _MILLISECOND & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | bits >> 68
    return str(UUID(int=high << 64 | 1 << 63 | bits & 0x3FFF_FFFF_FFFF_FFFF))


def moment_of(
    event: Event, now: datetime, sent_at: datetime | None, time_of: Callable[[str], datetime | None]
) -> datetime:
    """When it happened: `offset` wins over `timestamp`, which is shifted by the sender's clock error. No usable time,
    or one more than 23 hours ahead, is now; one that no calendar holds is the epoch."""
    if event.known.get("$ignore_sent_at") == b"true":
        sent_at = None
    moment, ahead = now, False
    try:
        if "offset" in event.fields:
            offset = int(event.fields["offset"])
            ahead = offset < 0
            moment = now - offset * _MILLISECOND
        elif text := text_of(event.fields.get("timestamp", b'""')):
            given = utc_time(text) or time_of(text)
            if given is not None:
                ahead = sent_at is not None and sent_at < now
                moment = given - (sent_at - now) if sent_at else given
    except OverflowError:
        return now if ahead else _EPOCH
    return now if moment - now > _FUTURE_LIMIT else moment


def utc_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _UTC_TIME.fullmatch(text) else None
    except ValueError:
        return None


def _rfc3339(moment: datetime) -> str:
    spec = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=spec).removesuffix("+00:00") + "Z"
