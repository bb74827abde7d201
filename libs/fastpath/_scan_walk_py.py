"""The walk over a body: `_scan_py.scan` says what it takes. Its own grammar, by regular expressions."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from json import loads

MAX_DEPTH = 128
NOT_JSON = "not_json"
LONE_SURROGATE = "lone_surrogate"
UNFIT = "unfit"

_SPELLINGS = {"$token": "token", "api_key": "token", "$distinct_id": "distinct_id"}
_FIELDS = frozenset(
    (
        "event",
        "token",
        "distinct_id",
        "uuid",
        "timestamp",
        "offset",
        "$set",
        "$set_once",
        "properties",
        *_SPELLINGS,
        "options",
        "session_id",
        "window_id",
    )
)
VALUES = (
    "token", "distinct_id", "$cookieless_mode", "$ignore_sent_at", "$session_id", "$process_person_profile"
)  # fmt: skip
PRESENCES = ("capture_internal", "$heatmap_data", "$prev_pageview_pathname", "$current_url")

_BLANKS = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_WORD = re.compile(rb"true|false|null")
_UUID = re.compile(rb'"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"')
_SMALL_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,17}")


class NotJson(Exception):
    pass


class Unfit(Exception):
    """Stop here: the text cannot be told to be JSON without going on, and going on is not allowed."""


@dataclass(slots=True)
class Event:
    """Values as slices, absent ones missing; `known` are those among the properties."""

    fields: dict[str, bytes] = field(default_factory=dict)
    known: dict[str, bytes] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    spellings: set[str] = field(default_factory=set)
    misfit: bool = False
    repeats: bool = False  # a field stands there twice


class Reader:
    """A place in a text. Each method steps over what it is named for, or raises."""

    def __init__(self, text: bytes, most: int):
        self.text = text
        self.at = 0
        self.most = most
        self.lone = False
        self.misfit = False
        self.events: list[Event] = []

    def blanks(self) -> None:
        self.token(_BLANKS)

    def kind(self) -> bytes:
        return self.text[self.at : self.at + 1]

    def take(self, byte: bytes) -> None:
        if self.kind() != byte:
            raise NotJson
        self.at += 1

    def token(self, pattern: re.Pattern[bytes]) -> bytes:
        match = pattern.match(self.text, self.at)
        if not match:
            raise NotJson
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
            raise Unfit
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
                    raise NotJson
        self.at += 1

    def elements(self, levels: int, element: Callable[[], None]) -> None:
        """An array; `element` steps over each value."""
        if levels == 0:
            raise Unfit
        self.take(b"[")
        self.blanks()
        while self.kind() != b"]":
            element()
            self.blanks()
            if self.kind() != b"]":
                self.take(b",")
                self.blanks()
                if self.kind() == b"]":
                    raise NotJson
        self.at += 1

    # -- events

    def properties(self, event: Event) -> None:
        event.known.clear()
        event.present.clear()

        def member(key: str) -> None:
            raw = self.slice(lambda: self.value(MAX_DEPTH - 2))
            if key in VALUES:
                event.known[key] = raw
            elif key in PRESENCES:
                event.present.add(key)

        self.members(MAX_DEPTH - 1, member)

    def member_of(self, event: Event, key: str) -> None:
        """A member of an event's root."""
        if key in event.spellings:
            event.repeats = True
        if key == "properties":
            event.spellings.add(key)
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
            raise Unfit
        event = Event()
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
    if name in ("distinct_id", "$set", "$set_once", "options", "session_id", "window_id"):
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


def _is_settled(event: Event) -> bool:
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


class Outer:
    """The one object of a body: a batch or an event, told apart when all of it was seen."""

    def __init__(self, reader: Reader, engage: bool, bearer: bool):
        self.reader = reader
        self.engage = engage
        self.bearer = bearer
        self.framed: set[str] = set()
        self.is_odd = False
        self.root = Event()
        self.fields: dict[str, bytes] = {}
        self.is_batch = False
        self.unfit = False

    def read(self) -> None:
        self.reader.members(MAX_DEPTH, self.member)
        reader = self.reader
        if self.bearer:
            if self.unfit or not self.is_batch or "created_at" not in self.framed or self.is_odd:
                reader.misfit = True
            return
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
        frame = {"created_at": b'"', "capture_internal": b"tfn", "historical_migration": b"tfn"}
        if key in frame:
            if key in self.framed or kind not in frame[key]:
                self.is_odd = True
            self.framed.add(key)
            self.fields[key] = raw
        kinds = {"token": b'"', "api_key": b'"', "sent_at": b'"n', "historical_migration": b"tfn"}
        if key in kinds:
            self.fields[key] = raw
            if kind not in kinds[key]:
                self.unfit = True


def read(reader: Reader, engage: bool, bearer: bool) -> Outer | None:
    outer = None
    reader.blanks()
    if reader.kind() == b"[":
        reader.array()
    elif reader.kind() == b"{":
        outer = Outer(reader, engage, bearer)
        outer.read()
    else:
        reader.value(MAX_DEPTH)
        reader.misfit = True
    reader.blanks()
    if reader.at != len(reader.text):
        raise NotJson
    return outer
