"""One event of the v1 dialect: taken with a verdict, or dropped with a word for why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.base import Headers
from services.capture.answers import Refused
from services.capture.identity import canonical_uuid
from services.capture.records import Circumstances, check_data, check_depth, written
from services.capture.shapes import known_properties
from services.capture.times import corrected_time, parse_rfc3339

MAX_NAME_BYTES = 200
MAX_DISTINCT_ID_BYTES = 200
PERFORMANCE_EVENT = "$performance_event"
AI_PREFIX = "$ai_"
# Ids that a program writes when it has none: an event under one says nothing of a person.
NOBODY = frozenset(
    (
        *("0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous", "anonymous-user", "backend"),
        *("distinct_id", "distinctid", "email", "false", "guest", "id", "nan", "none", "not_authenticated", "null"),
        *("system", "true", "undefined", "user"),
    )
)
WITHOUT_PERSON: Headers = (("force_disable_person_processing", b"true"),)
_LONGEST_OPTION = 1_000  # bytes
NULL = Raw(b"null")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_encode = msgspec.json.Encoder().encode
_properties = msgspec.json.Decoder(dict[str, Raw])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one event."""

    result: Literal["ok", "drop", "retry"]
    details: str | None = None

    @property
    def said(self) -> dict[str, str]:
        """As it stands in the answer."""
        return {"result": self.result} | ({"details": self.details} if self.details else {})


OK = Verdict("ok")
PERSON_PROCESSING_DISABLED = Verdict("ok", "person_processing_disabled")


class SentEvent(Protocol):
    """An event as it was sent (v1.V1Event)."""

    event: str
    uuid: str
    distinct_id: str
    timestamp: str
    session_id: str | None
    window_id: str | None
    options: Raw | UnsetType
    properties: Raw | UnsetType


class Options(Struct):
    """What an event asks for, as JSON values; unknown keys are ignored."""

    cookieless_mode: Raw = NULL
    disable_skew_correction: Raw = NULL
    process_person_profile: Raw = NULL
    product_tour_id: Raw = NULL


class RawEvent(Struct):
    """What goes on as `data`."""

    event: str
    distinct_id: str
    uuid: str
    properties: Raw = field()
    timestamp: str = ""


_options = msgspec.json.Decoder(Options)


class Dropped(Exception):
    """The event is not taken."""


def judge(
    event: SentEvent, sdk: tuple[str, str] | None, request: Circumstances, *, ai_only: bool
) -> tuple[Verdict, NewRecord | None]:
    """The verdict on one event, and its record if it is taken. Its uuid must have been checked."""
    try:
        return _taken(event, sdk, request, ai_only=ai_only)
    except Dropped as dropped:
        return Verdict("drop", str(dropped)), None


def _taken(
    event: SentEvent, sdk: tuple[str, str] | None, request: Circumstances, *, ai_only: bool
) -> tuple[Verdict, NewRecord]:
    person = event.distinct_id.strip()
    moment = _checked(event, person, ai_only=ai_only)
    properties, corrected = _properties_of(event, sdk)
    uuid = canonical_uuid(event.uuid.strip())
    data = _encode(RawEvent(event.event, person, uuid, properties, event.timestamp))
    try:
        check_data(data, request.max_record_bytes)
        check_depth(data)
        known = known_properties(properties)
        record = written(
            event=event.event,
            uuid=uuid,
            person=person.replace("\0", "\ufffd"),
            data=data,
            moment=corrected_time(moment, sent_at=request.sent_at or request.now, now=request.now)
            if corrected
            else moment,
            cookieless=known.cookieless_mode is not UNSET and bytes(known.cookieless_mode) == b"true",
            known=known,
            request=request,
            more=WITHOUT_PERSON if person.lower() in NOBODY else (),
        )
    except Refused as refused:
        raise Dropped("event_too_big" if refused.status == 413 else "malformed_event_properties") from refused
    return PERSON_PROCESSING_DISABLED if person.lower() in NOBODY else OK, record


def _checked(event: SentEvent, person: str, *, ai_only: bool) -> datetime:
    """When it happened by the sender's clock. Raises Dropped."""
    if not event.event:
        raise Dropped("missing_event_name")
    if len(event.event.encode()) > MAX_NAME_BYTES:
        raise Dropped("event_name_too_long")
    if not person:
        raise Dropped("missing_distinct_id")
    if len(person.encode()) > MAX_DISTINCT_ID_BYTES:
        raise Dropped("distinct_id_too_large")
    moment = parse_rfc3339(event.timestamp)
    if moment is None:
        raise Dropped("invalid_event_timestamp")
    if event.event == PERFORMANCE_EVENT:
        raise Dropped("performance_event")
    if ai_only and not event.event.startswith(AI_PREFIX):
        raise Dropped("misrouted_event")
    return moment


def _properties_of(event: SentEvent, sdk: tuple[str, str] | None) -> tuple[Raw, bool]:
    """The properties with what the rest of the event says put last, so that it wins; and whether the sender's clock is
    to be corrected. Raises Dropped."""
    sent = Raw(b"{}") if event.properties is UNSET or bytes(event.properties) == b"null" else event.properties
    try:
        properties = _properties.decode(sent)
    except msgspec.DecodeError as exc:
        raise Dropped("malformed_event_properties") from exc
    try:
        added = _added_by_options(event)
    except (msgspec.DecodeError, ValueError, OverflowError) as exc:
        raise Dropped("invalid_options") from exc
    corrected = added.get("$ignore_sent_at") is not True
    given = {"$session_id": event.session_id, "$window_id": event.window_id}
    added |= {name: value for name, value in given.items() if value is not None}
    if sdk is not None:
        added["$lib"], added["$lib_version"] = sdk
    if not added:
        return sent, corrected
    for name, value in added.items():
        properties.pop(name, None)
        properties[name] = Raw(_encode(value))
    return Raw(_encode(properties)), corrected


def _added_by_options(event: SentEvent) -> dict[str, bool | str]:
    """Raises ValueError (of which msgspec's errors are a kind) for values that cannot be read as what they are for."""
    if event.options is UNSET or bytes(event.options) == b"null":
        return {}
    options = _options.decode(event.options)
    flags: Mapping[str, Raw] = {
        "$cookieless_mode": options.cookieless_mode,
        "$ignore_sent_at": options.disable_skew_correction,
        "$process_person_profile": options.process_person_profile,
    }
    added: dict[str, bool | str] = {name: _flag(raw) for name, raw in flags.items() if not _is_null(raw)}
    if not _is_null(options.product_tour_id):
        added["$product_tour_id"] = _tour(options.product_tour_id)
    return added


def _is_null(raw: Raw) -> bool:
    return bytes(raw) == b"null"


def _scalar(raw: Raw) -> Any:
    """A value that is small, whatever was sent: a list of millions is not built to be told that it is no boolean."""
    if len(memoryview(raw)) > _LONGEST_OPTION or chr(memoryview(raw)[0]) in "[{":
        raise ValueError("no scalar")
    return msgspec.json.decode(raw)


def _flag(raw: Raw) -> bool:
    value = _scalar(raw)
    if isinstance(value, str):
        value = _FLAGS.get(value.strip())
    if isinstance(value, int | float):  # of which bool is one
        return bool(value)
    raise ValueError("no boolean")


def _tour(raw: Raw) -> str:
    value = _scalar(raw)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("no string")
