"""JSON text -> events, each property still the sender's bytes.

msgspec reads the few fields that capture decides by and keeps the rest as slices (`msgspec.Raw`), checking the grammar
of what it skips. So nothing is built that is thrown away, and no number, string or nesting is ever printed anew.
PostHog tries shapes in this order and takes the first that fits: array, batch object, single event, event without a
name (legal on /engage only). Texts of refusals follow from that order, misleading ones included.
"""

import re
import threading
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from services.capture.answers import Refused, too_large, unparsable
from services.capture.identity import canonical_uuid

MAX_DEPTH = 128  # serde_json's, so PostHog's; readers behind us recurse too (orjson prints 254 levels)
T = TypeVar("T")
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


_NO_PROPERTIES = Raw(b"{}")


class _Budget(threading.local):
    """Events the request being read in this thread may still hold.

    Counted while msgspec builds them, for afterwards is too late: 100 MiB can name eight million events.
    """

    left = 0


_budget = _Budget()


def allow_events(most: int) -> None:
    """Start counting: so many events may be built in this thread."""
    _budget.left = most


def spend_one_event() -> None:
    """Count one. Raises Refused (413) past what is allowed."""
    _budget.left -= 1
    if _budget.left < 0:
        raise too_large("request holds too many events", "too_many_events")


class NamelessEvent(Struct, kw_only=True):
    """Everything of an event but its name. Encoding one gives PostHog's raw event: known fields, `token` so named."""

    token: str | UnsetType | None = UNSET
    dollar_token: str | UnsetType | None = field(default=UNSET, name="$token")
    api_key: str | UnsetType | None = UNSET
    distinct_id: Raw | UnsetType = UNSET
    dollar_distinct_id: Raw | UnsetType = field(default=UNSET, name="$distinct_id")
    uuid: str | UnsetType | None = UNSET
    properties: Raw = _NO_PROPERTIES
    timestamp: str | UnsetType | None = UNSET
    offset: Int64 | UnsetType | None = UNSET
    set_: Raw | UnsetType = field(default=UNSET, name="$set")
    set_once: Raw | UnsetType = field(default=UNSET, name="$set_once")

    def __post_init__(self) -> None:
        spend_one_event()
        if self.dollar_token is not UNSET or self.api_key is not UNSET:
            self.token = _only(self.token, self.dollar_token, self.api_key)
            self.dollar_token = self.api_key = UNSET
        if self.dollar_distinct_id is not UNSET:
            self.distinct_id = _only(self.distinct_id, self.dollar_distinct_id)
            self.dollar_distinct_id = UNSET
        self.token = UNSET if self.token is None else self.token
        self.uuid = canonical_uuid(self.uuid) if self.uuid else UNSET
        self.timestamp = UNSET if self.timestamp is None else self.timestamp
        self.offset = UNSET if self.offset is None else self.offset
        if self.properties is not _NO_PROPERTIES and _kind(self.properties) != "{":
            raise ValueError("Expected `object` - at `$.properties`")
        if self.set_ is not UNSET:
            self.set_ = _object_or_unset(self.set_)
        if self.set_once is not UNSET:
            self.set_once = _object_or_unset(self.set_once)


class Event(NamelessEvent, kw_only=True):
    """An event as SDKs send it."""

    event: str


class Batch(Struct, kw_only=True):
    """The body SDKs send today."""

    token: str | UnsetType = UNSET
    api_key: str | UnsetType = UNSET
    batch: list[Event]
    historical_migration: bool | None = None
    sent_at: str | None = None

    def __post_init__(self) -> None:
        self.token = _only(self.token, self.api_key)
        if self.token is UNSET:
            raise ValueError("Object missing required field `api_key`")


class Known(Struct):
    """The properties capture decides by, as JSON values."""

    token: Raw | UnsetType = UNSET
    distinct_id: Raw | UnsetType = UNSET
    cookieless_mode: Raw | UnsetType = field(default=UNSET, name="$cookieless_mode")
    ignore_sent_at: Raw | UnsetType = field(default=UNSET, name="$ignore_sent_at")
    session_id: Raw | UnsetType = field(default=UNSET, name="$session_id")
    capture_internal: Raw | UnsetType = UNSET
    heatmap_data: Raw | UnsetType = field(default=UNSET, name="$heatmap_data")
    previous_pathname: Raw | UnsetType = field(default=UNSET, name="$prev_pageview_pathname")
    current_url: Raw | UnsetType = field(default=UNSET, name="$current_url")


@dataclass(frozen=True, slots=True)
class Submission:
    """One request's events, in order. `token` is the batch's; without a batch each event brings its own."""

    events: list[Event]
    token: str | None = None
    sent_at: str | None = None
    historical_migration: bool = False


_batch = msgspec.json.Decoder(Batch)
_array = msgspec.json.Decoder(list[Event])
_single = msgspec.json.Decoder(Event)
_nameless = msgspec.json.Decoder(NamelessEvent)
_known = msgspec.json.Decoder(Known)
_ARRAY = re.compile(rb"[ \t\r\n]*+\[")
_string = msgspec.json.Decoder(str)


def parse_submission(text: bytes | bytearray, *, engage: bool, max_events: int) -> Submission:
    """Read valid UTF-8. Raises Refused: 400 for what is not JSON or no known shape, 413 for too many events."""
    try:
        try:
            return _first_fit(text, engage=engage, max_events=max_events)
        except msgspec.DecodeError:
            repaired = repair_surrogates(text)
            if repaired == text:
                raise
            return _first_fit(repaired, engage=engage, max_events=max_events)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise unparsable(str(exc)) from exc


def known_properties(properties: Raw) -> Known:
    """The properties of an event that capture decides by."""
    return _known.decode(properties)


def json_string(raw: Raw | UnsetType) -> str | None:
    """The text of a JSON string; None for any other value, and for none."""
    return _string.decode(raw) if raw is not UNSET and _kind(raw) == '"' else None


def json_bytes(raw: Raw | UnsetType) -> bytes | None:
    """The bytes of a value; None for none."""
    return None if raw is UNSET else bytes(raw)


def _first_fit(text: bytes | bytearray, *, engage: bool, max_events: int) -> Submission:
    """Raises msgspec.DecodeError with the complaint of the last shape tried."""
    allow_events(max_events)
    if _ARRAY.match(text):
        return Submission(_array.decode(text))
    # a refusal by the decoder costs more than the search; a key may also be spelled with escapes
    may_be_batch = b'"batch"' in text or b"\\u" in text
    if may_be_batch and (batch := _fits(_batch, text, max_events)) is not None:
        token = batch.token if isinstance(batch.token, str) else None
        return Submission(batch.batch, token, batch.sent_at, bool(batch.historical_migration))
    allow_events(max_events)
    try:
        return Submission([_single.decode(text)])
    except msgspec.ValidationError as exc:
        misfit = exc
    if (nameless := _fits(_nameless, text, max_events)) is None:
        raise misfit
    if not engage:
        raise _nameless_event()
    return Submission([_identify(nameless)])


def _nameless_event() -> Refused:
    """Anew each time: an exception that is raised again keeps the frames, and bodies, of every time before."""
    text = "failed to hydrate events from request: non-engage request missing event name attribute"
    return Refused(400, text, "no_event_name_attribute")


def _fits(decoder: msgspec.json.Decoder[T], text: bytes | bytearray, max_events: int) -> T | None:
    allow_events(max_events)
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        return None


def _identify(nameless: NamelessEvent) -> Event:
    return Event(event="$identify", **{name: getattr(nameless, name) for name in NamelessEvent.__struct_fields__})


def _only(*spellings: T | UnsetType | None) -> T | UnsetType:
    """The one given. Two spellings of one field are a duplicate field, and an error, in PostHog."""
    given = [value for value in spellings if value is not UNSET]
    if len(given) > 1:
        raise ValueError("duplicate field")
    return UNSET if not given or given[0] is None else given[0]


def _kind(raw: Raw) -> str:
    return chr(memoryview(raw)[0])


def _object_or_unset(raw: Raw | UnsetType) -> Raw | UnsetType:
    if raw is UNSET or _kind(raw) == "{":
        return raw
    if _kind(raw) == "n":
        return UNSET
    raise ValueError("Expected `object | null`")


_SURROGATES = re.compile(
    rb"(?<!\\)((?:\\\\)*+)\\u(?:([dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def repair_surrogates(text: bytes | bytearray) -> bytes:
    """Escapes that are half of a UTF-16 pair become U+FFFD; everything else stays, byte for byte.

    JavaScript's slice() cuts emoji in two, and JSON.stringify prints the halves.
    """
    if b"\\ud" not in text and b"\\uD" not in text:
        return bytes(text)
    return _SURROGATES.sub(lambda match: match[0] if match[2] else match[1] + rb"\ufffd", text)


_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def too_deep(text: bytes, limit: int = MAX_DEPTH) -> bool:
    """Whether brackets of valid JSON are nested deeper than `limit`. Cheap unless there are more than `limit` in all.

    Each round takes away the innermost level, so it is over after `limit` of them, however many brackets there are.
    """
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    brackets = _STRINGS.sub(b"", text).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(limit):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
