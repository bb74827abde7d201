"""A capture body, read once: checked as JSON, cut into events, and written as records from slices of it.

`scan` takes a whole body (UTF-8 is checked on the way) and gives a `Batch`, or one of three words:

    not_json        not UTF-8, or not JSON. Nothing else accepts it either.
    lone_surrogate  JSON but for escapes that are half of a UTF-16 pair: mend them and scan again.
    unfit           anything else than plain events: no known shape, a field of a wrong type, two spellings of one
                    field, more events than allowed, nesting over 128 levels, or a form too rare to be read here (two
                    batches in one object, a uuid without hyphens, an offset of over 18 digits).

What is unfit is not therefore wrong: whoever decides slowly decides, and words the refusal. So the promise is one-sided
and simple. Whatever is accepted here, the slow way (services/capture) accepts with the same records; and what SDKs
send is accepted here. The same goes for `Batch.records`, which gives None for events it cannot take.

The grammar is RFC 8259's as orjson and msgspec read it: numbers of any size and precision (`1e400` too: they are
copied, never computed with), the eight short escapes and `\\uXXXX`, no control characters in strings, no byte order
mark, blanks are space, tab, line feed, carriage return. Of a key given twice the last counts, but each must be of the
right type. Keys may be spelled with escapes.

Records keep the sender's bytes. `event`, `timestamp` and `token` in a record's `data` are slices too, so an escape
that could be avoided is still there: equal as JSON to what the slow way prints.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from json import dumps, loads
from typing import TypeVar
from uuid import UUID

MAX_DEPTH = 128
NOT_JSON = "not_json"
LONE_SURROGATE = "lone_surrogate"
UNFIT = "unfit"
T = TypeVar("T")
Headers = tuple[tuple[str, bytes], ...]

_MAX_CHARACTERS = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FUTURE_LIMIT = timedelta(hours=23)
_SPELLINGS = {"$token": "token", "api_key": "token", "$distinct_id": "distinct_id"}
_FIELDS = frozenset(
    ("event", "token", "distinct_id", "uuid", "timestamp", "offset", "$set", "$set_once", "properties", *_SPELLINGS)
)
_VALUES = (
    "token", "distinct_id", "$cookieless_mode", "$ignore_sent_at", "$session_id", "$process_person_profile"
)  # fmt: skip
_PRESENCES = ("capture_internal", "$heatmap_data", "$prev_pageview_pathname", "$current_url")

_HEATMAP = b"$$heatmap"
_SKIP_HEATMAP: Headers = (("skip_heatmap_processing", b"true"),)
_TAKEN_ALONG = frozenset(
    (
        *("$heatmap_data", "$viewport_height", "$viewport_width", "$session_id", "$prev_pageview_pathname"),
        *("$prev_pageview_max_scroll", "$current_url", "$cookieless_mode"),
    )
)

_BLANKS = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_WORD = re.compile(rb"true|false|null")
_UUID = re.compile(rb'"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"')
_SMALL_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,17}")
_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:[0-5]\d(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII)


class _NotJson(Exception):
    pass


class _Unfit(Exception):
    """Stop here: the text cannot be told to be JSON without going on, and going on is not allowed."""


@dataclass(slots=True)
class _Event:
    """Values as slices, absent ones missing; `known` are those among the properties."""

    fields: dict[str, bytes] = field(default_factory=dict)
    known: dict[str, bytes] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    spellings: set[str] = field(default_factory=set)
    misfit: bool = False


class _Reader:
    """A place in a text. Each method steps over what it is named for, or raises."""

    def __init__(self, text: bytes, most: int):
        self.text = text
        self.at = 0
        self.most = most
        self.lone = False
        self.misfit = False
        self.events: list[_Event] = []

    def blanks(self) -> None:
        self.token(_BLANKS)

    def kind(self) -> bytes:
        return self.text[self.at : self.at + 1]

    def take(self, byte: bytes) -> None:
        if self.kind() != byte:
            raise _NotJson
        self.at += 1

    def token(self, pattern: re.Pattern[bytes]) -> bytes:
        match = pattern.match(self.text, self.at)
        if not match:
            raise _NotJson
        self.at = match.end()
        return match[0]

    def string(self) -> bytes:
        raw = self.token(_STRING)
        if b"\\" in raw and _has_lone_surrogate(raw):
            self.lone = True
        return raw

    def value(self, levels: int) -> None:
        """`levels` is how many brackets deep it may go."""
        match self.kind():
            case b'"':
                self.string()
            case b"{":
                self.members(levels, lambda _: self.value(levels - 1))
            case b"[":
                self.elements(levels, lambda: self.value(levels - 1))
            case b"t" | b"f" | b"n":
                self.token(_WORD)
            case _:
                self.token(_NUMBER)

    def members(self, levels: int, member: Callable[[str], None], begins: Callable[[int], object] = int) -> None:
        """An object; `begins` is told where each member does, `member` is called with its key, and steps over the
        value."""
        if levels == 0:
            raise _Unfit
        self.take(b"{")
        self.blanks()
        while self.kind() != b"}":
            begins(self.at)
            key = self.string()
            self.blanks()
            self.take(b":")
            self.blanks()
            member(loads(key))
            self.blanks()
            if self.kind() != b"}":
                self.take(b",")
                self.blanks()
                if self.kind() == b"}":
                    raise _NotJson
        self.at += 1

    def elements(self, levels: int, element: Callable[[], None]) -> None:
        """An array; `element` steps over each value."""
        if levels == 0:
            raise _Unfit
        self.take(b"[")
        self.blanks()
        while self.kind() != b"]":
            element()
            self.blanks()
            if self.kind() != b"]":
                self.take(b",")
                self.blanks()
                if self.kind() == b"]":
                    raise _NotJson
        self.at += 1

    # -- events

    def properties(self, event: _Event) -> None:
        event.known.clear()
        event.present.clear()

        def member(key: str) -> None:
            raw = self.slice(lambda: self.value(MAX_DEPTH - 2))
            if key in _VALUES:
                event.known[key] = raw
            elif key in _PRESENCES:
                event.present.add(key)

        self.members(MAX_DEPTH - 1, member)

    def member_of(self, event: _Event, key: str) -> None:
        """A member of an event's root."""
        if key == "properties":
            to_step = self.properties if self.kind() == b"{" else None
            event.fields[key] = self.slice(lambda: to_step(event) if to_step else self.value(MAX_DEPTH - 1))
            return
        raw = self.slice(lambda: self.value(MAX_DEPTH - 1))
        if key not in _FIELDS:
            return
        name = _SPELLINGS.get(key, key)
        event.spellings.add(key)
        if not _is_fit(name, raw):
            event.misfit = True
        event.fields[name] = raw

    def event(self) -> None:
        if len(self.events) == self.most:
            raise _Unfit
        event = _Event()
        self.events.append(event)
        if self.kind() == b"{":
            self.members(MAX_DEPTH, lambda key: self.member_of(event, key))
        else:
            self.value(MAX_DEPTH)
        if "event" not in event.fields or not _is_settled(event):
            self.misfit = True

    def array(self) -> None:
        self.elements(MAX_DEPTH, self.event)

    def slice(self, step: Callable[[], None]) -> bytes:
        start = self.at
        step()
        return self.text[start : self.at]


def _has_lone_surrogate(raw: bytes) -> bool:
    return any(0xD800 <= ord(character) <= 0xDFFF for character in loads(raw))


def _is_fit(name: str, raw: bytes) -> bool:
    """Whether a value may stand in this field of an event; what can be mended by a later one is judged at the end."""
    if name in ("distinct_id", "$set", "$set_once"):
        return True
    if name == "event":
        return raw[:1] == b'"'
    if raw == b"null":
        return True
    if name == "offset":
        return _SMALL_INTEGER.fullmatch(raw) is not None
    if name == "uuid":
        return raw == b'""' or _UUID.fullmatch(raw) is not None
    return raw[:1] == b'"'


def _is_settled(event: _Event) -> bool:
    """Whether the event is one, now that all of it was seen. Nulls are as good as absent."""
    fields = event.fields
    if len(event.spellings & {"token", "$token", "api_key"}) > 1:
        event.misfit = True
    if len(event.spellings & {"distinct_id", "$distinct_id"}) > 1:
        event.misfit = True
    if fields.get("properties", b"{")[:1] != b"{":
        event.misfit = True
    for name in ("$set", "$set_once"):
        if fields.get(name, b"{")[:1] not in (b"{", b"n"):
            event.misfit = True
    for name in ("token", "uuid", "timestamp", "offset", "$set", "$set_once"):
        if fields.get(name) == b"null" or (name == "uuid" and fields.get(name) == b'""'):
            del fields[name]
    return not event.misfit


class _Outer:
    """The one object of a body: a batch or an event, told apart when all of it was seen."""

    def __init__(self, reader: _Reader, engage: bool):
        self.reader = reader
        self.engage = engage
        self.root = _Event()
        self.fields: dict[str, bytes] = {}
        self.is_batch = False
        self.unfit = False

    def read(self) -> None:
        self.reader.members(MAX_DEPTH, self.member)
        reader = self.reader
        if self.is_batch:
            if self.unfit or len({"token", "api_key"} & self.fields.keys()) != 1:
                reader.misfit = True
            return
        if not _is_settled(self.root) or ("event" not in self.root.fields and not self.engage):
            reader.misfit = True
        reader.events = [self.root]

    def member(self, key: str) -> None:
        kind = self.reader.kind()
        if key == "batch":
            if kind == b"[" and not self.is_batch:
                self.reader.array()
            else:
                self.reader.value(MAX_DEPTH - 1)
                self.unfit = True
            self.is_batch = True
            return
        raw = self.reader.slice(lambda: self.reader.member_of(self.root, key))
        kinds = {"token": b'"', "api_key": b'"', "sent_at": b'"n', "historical_migration": b"tfn"}
        if key in kinds:
            self.fields[key] = raw
            if kind not in kinds[key]:
                self.unfit = True


def scan(body: bytes | bytearray, engage: bool, max_events: int) -> "Batch | str":
    """The events of a body, or why there are none (see the module). `engage`: a single event may lack its name and is
    then a `$identify`. The body must not change while the batch lives."""
    if type(body) not in (bytes, bytearray):
        raise TypeError("a body is bytes or a bytearray")
    if len(body) >= 0xFFFFFFFF or max_events < 1:
        return UNFIT
    reader = _Reader(bytes(body), max_events)
    try:
        reader.text.decode()
        outer = _read(reader, engage)
    except (_NotJson, UnicodeDecodeError):
        return NOT_JSON
    except _Unfit:
        return UNFIT
    if reader.lone:
        return LONE_SURROGATE
    if reader.misfit:
        return UNFIT
    return Batch(reader.events, outer.fields if outer and outer.is_batch else None)


def _read(reader: _Reader, engage: bool) -> _Outer | None:
    outer = None
    reader.blanks()
    if reader.kind() == b"[":
        reader.array()
    elif reader.kind() == b"{":
        outer = _Outer(reader, engage)
        outer.read()
    else:
        reader.value(MAX_DEPTH)
        reader.misfit = True
    reader.blanks()
    if reader.at != len(reader.text):
        raise _NotJson
    return outer


class Batch:
    """Events of one body, in order, none of them printed or built yet.

    count: how many. is_batch: whether they came as PostHog's batch, which alone brings `token`, `sent_at` and
    `historical_migration` for all of them.
    """

    def __init__(self, events: list[_Event], batch: dict[str, bytes] | None):
        self._events = events
        self._batch = batch or {}
        self.count = len(events)
        self.is_batch = batch is not None
        self.historical_migration = self._batch.get("historical_migration") == b"true"

    def __len__(self) -> int:
        return self.count

    @property
    def token(self) -> str | None:
        """The batch's."""
        raw = self._batch.get("token", self._batch.get("api_key"))
        return None if raw is None else _text(raw)

    @property
    def sent_at(self) -> str | None:
        """The batch's, as it was written."""
        raw = self._batch.get("sent_at", b"null")
        return None if raw == b"null" else _text(raw)

    def count_named(self, name: bytes) -> int:
        """How many events have this name."""
        return sum(_name(event) == name for event in self._events)

    def tokens(self, leave_out: bytes) -> set[str]:
        """Those that events bring, at their root or else among their properties; not of events of this name."""
        found = (
            event.fields.get("token") or event.known.get("token") for event in self._events if _name(event) != leave_out
        )
        return {_text(raw) for raw in found if raw and raw[:1] == b'"'}

    def fields(self, at: int) -> dict[str, bytes | bool | None]:
        """What is known of one event: values as they were sent, and which properties are there at all."""
        if not 0 <= at < self.count:
            raise IndexError(at)
        event = self._events[at]
        names = ("event", "token", "distinct_id", "uuid", "timestamp", "offset", "$set", "$set_once", "properties")
        found: dict[str, bytes | bool | None] = {name: event.fields.get(name) for name in names}
        found["event"] = found["event"] or b'"$identify"'
        found |= {f"properties.{name}": event.known.get(name) for name in _VALUES}
        return found | {f"properties.{name}": name in event.present for name in _PRESENCES}

    def records(
        self,
        *,
        leave_out: bytes,
        token: str,
        ip: str,
        internal_ip: str,
        version: bytes,
        now: datetime,
        sent_at: datetime | None,
        historical_migration: bool,
        max_record_bytes: int,
        distinct_id_of: Callable[[bytes | None, bytes | None], str | None],
        time_of: Callable[[str], datetime | None],
        rider_uuid_of: Callable[[str], str],
        record: Callable[[bytes, bytes, Headers], T],
    ) -> list[T] | None:
        """The records of all events but those named `leave_out`, or None if one cannot be taken.

        An event cannot be taken without a name or a distinct_id, with a `$cookieless_mode` that is no boolean, or when
        its record would be larger than `max_record_bytes` (key, value, headers). Times are in UTC: `now` of receipt,
        `sent_at` the sender's clock then. Asked for what is rare: `distinct_id_of` an id (JSON values at the root and
        among the properties) that is not a plain string, `time_of` a timestamp in another form than
        `YYYY-MM-DDTHH:MM:SS[.f]Z`; None means there is none.

        An event with clicks on it, or with how far the page before was scrolled, gives a second record, a `$$heatmap`
        with those properties; the first goes on without the clicks. `rider_uuid_of` gives its uuid from the event's.
        """
        shared = _Shared(token, ip, internal_ip, version, now, sent_at, historical_migration)
        random = os.urandom(10 * self.count) if any("uuid" not in event.fields for event in self._events) else b""
        made = []
        for at, event in enumerate(self._events):
            if _name(event) == leave_out:
                continue
            if not _name(event) or event.known.get("$cookieless_mode", b"false") not in (b"true", b"false"):
                return None
            person = _distinct_id(event, distinct_id_of)
            if person is None:
                return None
            moment = _moment(event, now, sent_at, time_of)
            uuid = _uuid(event, now, random[10 * at : 10 * at + 10])
            if not _carries_heatmap(event):
                made.append(_record(event, person, moment, uuid, shared))
                continue
            rider_uuid = rider_uuid_of(uuid) if "uuid" in event.fields else _uuid7(now, os.urandom(10))
            made.append(_record(_without_clicks(event), person, moment, uuid, shared, _SKIP_HEATMAP))
            made.append(_record(_rider(event, rider_uuid), person, moment, rider_uuid, shared))
        for key, value, headers in made:
            if len(key) + len(value) + sum(len(word) + len(said) for word, said in headers) > max_record_bytes:
                return None
        return [record(*parts) for parts in made]


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the records of one request have in common."""

    token: str
    ip: str
    internal_ip: str
    version: bytes
    now: datetime
    sent_at: datetime | None
    historical_migration: bool


def _record(
    event: _Event, person: str, moment: datetime, uuid: str, shared: _Shared, more: Headers = ()
) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers."""
    cookieless = event.known.get("$cookieless_mode") == b"true"
    address = shared.internal_ip if "capture_internal" in event.present else shared.ip
    now_text = _rfc3339(shared.now)
    of_request = {"now": now_text} | ({"sent_at": _rfc3339(shared.sent_at)} if shared.sent_at else {})
    value = b"".join(
        (
            _members({"uuid": uuid, "distinct_id": person, "ip": address})[:-1],
            b',"data":' + _data(event, uuid) + b",",
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
        ("event", _name(event)),
        ("uuid", uuid.encode()),
    )
    session = event.known.get("$session_id", b"null")
    if session[:1] == b'"':
        headers += (("session_id", _text(session).encode()),)
    return f"{shared.token}:{address if cookieless else person}".encode(), value, headers + more


def _carries_heatmap(event: _Event) -> bool:
    """Whether the event has clicks, or tells how far the page before it was scrolled (but `$$heatmap` itself)."""
    rides = "$heatmap_data" in event.present or event.present >= {"$prev_pageview_pathname", "$current_url"}
    return rides and _name(event) != _HEATMAP


def _without_clicks(event: _Event) -> _Event:
    if "$heatmap_data" not in event.present:
        return event
    return _with(event, properties=_some_members(event.fields["properties"], lambda name: name != "$heatmap_data"))


def _rider(event: _Event, uuid: str) -> _Event:
    """The heatmap on an event: who, where and when are the event's."""
    taken = _some_members(event.fields["properties"], _TAKEN_ALONG.__contains__)
    rider = _with(event, event=_quoted(_HEATMAP.decode()), uuid=_quoted(uuid), properties=taken)
    for name in ("$set", "$set_once"):
        rider.fields.pop(name, None)
    return rider


def _with(event: _Event, /, **fields: bytes) -> _Event:
    return replace(event, fields=event.fields | fields)


def _some_members(raw: bytes, is_kept: Callable[[str], bool]) -> bytes:
    """An object without some of its members. Neighbours that stay keep what is between them."""
    reader = _Reader(raw, 0)
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


def _text(raw: bytes) -> str:
    return str(loads(raw))


def _name(event: _Event) -> bytes:
    return _text(event.fields.get("event", b'"$identify"')).encode()


def _quoted(text: str) -> bytes:
    return dumps(text, ensure_ascii=False).encode()


def _members(fields: dict[str, str]) -> bytes:
    return dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _distinct_id(event: _Event, otherwise: Callable[[bytes | None, bytes | None], str | None]) -> str | None:
    root, among = event.fields.get("distinct_id"), event.known.get("distinct_id")
    raw = among if root in (None, b"null") else root
    if raw and raw[:1] == b'"' and b"\\" not in raw:
        text = raw[1:-1].decode()[:_MAX_CHARACTERS]
        if text and not text.isspace():
            return text
    return otherwise(root, among)


def _uuid(event: _Event, now: datetime, random: bytes) -> str:
    """The event's own, in lower case, or a UUIDv7 (RFC 9562)."""
    if "uuid" in event.fields:
        return _text(event.fields["uuid"]).lower()
    return _uuid7(now, random)


def _uuid7(now: datetime, random: bytes) -> str:
    bits = int.from_bytes(random, "big")
    high = ((now - _EPOCH) // _MILLISECOND & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | bits >> 68
    return str(UUID(int=high << 64 | 1 << 63 | bits & 0x3FFF_FFFF_FFFF_FFFF))


def _data(event: _Event, uuid: str) -> bytes:
    """The raw event: known fields under one name each, values as they were sent."""
    fields = {"properties": b"{}", "event": b'"$identify"'} | event.fields
    if "uuid" in fields:
        fields["uuid"] = _quoted(uuid)
    order = ("token", "distinct_id", "uuid", "properties", "timestamp", "offset", "$set", "$set_once", "event")
    return b"{" + b",".join(_quoted(name) + b":" + fields[name] for name in order if name in fields) + b"}"


def _moment(
    event: _Event, now: datetime, sent_at: datetime | None, time_of: Callable[[str], datetime | None]
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
        elif text := _text(event.fields.get("timestamp", b'""')):
            given = _utc_time(text) or time_of(text)
            if given is not None:
                ahead = sent_at is not None and sent_at < now
                moment = given - (sent_at - now) if sent_at else given
    except OverflowError:
        return now if ahead else _EPOCH
    return now if moment - now > _FUTURE_LIMIT else moment


def _utc_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _UTC_TIME.fullmatch(text) else None
    except ValueError:
        return None


def _rfc3339(moment: datetime) -> str:
    spec = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=spec).removesuffix("+00:00") + "Z"


def special_at(text: bytes, start: int, portable: bool) -> int:
    """For tests: the first byte from `start` that a string cannot simply contain."""
    del portable
    if not 0 <= start <= len(text):
        raise IndexError(start)
    match = re.compile(rb'["\\\x00-\x1f\x80-\xff]').search(text, start)
    return match.start() if match else len(text)
