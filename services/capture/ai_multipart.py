"""`/i/v0/ai`: one AI event as multipart/form-data, its prompts and answers as parts of their own.

Reads and checks the parts. They can be put back into one event, JSON as JSON, text as text, anything else as a `data:`
address; ai_events.py decides whether they are.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
from msgspec import Raw
from python_multipart.multipart import parse_options_header

from libs.kit.contracts.ai_blobs import BlobPart
from services.capture.answers import JSON, Answer, Refused, too_large, undecodable
from services.capture.decoding import Bytes, inflate, is_utf8
from services.capture.shapes import repair_surrogates
from services.capture.tokens import checked_token

MAX_EVENT_BYTES = 32 * 1024
MAX_EVENT_AND_PROPERTIES_BYTES = 960 * 1024
MAX_PARTS_BYTES = 25 * 1024**2
MAX_PARTS = 256
_MAX_HEADER_BYTES = 8 * 1024
_MAX_BOUNDARY = 70  # RFC 2046
_PROPERTIES = "event.properties"
_PROPERTY = "event.properties."
T = TypeVar("T")
_object = msgspec.json.Decoder(dict[str, Raw])
_any = msgspec.json.Decoder(Raw)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class AiEvent:
    """What was sent. event: its top level; properties: those that came as JSON; blobs: the others, by property.

    success: the answer once it is taken.
    """

    event: Mapping[str, Raw]
    properties: Mapping[str, Raw]
    blobs: Sequence[BlobPart]
    success: Answer

    @property
    def blob_bytes(self) -> int:
        """All parts that are properties of their own, as sent."""
        return sum(len(part.body) for part in self.blobs)

    @property
    def uuid(self) -> str:
        """As sent; empty when there is none, or no text."""
        return _text(self.event, "uuid")

    def whole(self, most: int) -> bytes:
        """As JSON with all parts in it. Raises Refused: 413 when they inflate beyond `most` bytes, 400 for a part that
        is not what it says."""
        values: dict[str, Raw] = {}
        for part in self.blobs:
            body = inflate(part.body, most) if part.coding == "gzip" else part.body
            most -= len(body)
            if most < 0:
                raise too_large("the parts are larger than a record", "inflated_too_large")
            values[part.name] = _value(part, body)
        return self._with(values)

    def referring(self, references: Mapping[str, str]) -> bytes:
        """As JSON with these values in place of the parts."""
        return self._with({name: Raw(_encode(reference)) for name, reference in references.items()})

    def _with(self, values: Mapping[str, Raw]) -> bytes:
        return _encode({**self.event, "properties": {**self.properties, **values}})


def ai_token(authorization: bytes | None) -> str:
    """The token of `Bearer ...`. Raises Refused (401)."""
    scheme, _, token = (authorization or b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, "event submitted without an api_key", "no_token")
    return checked_token(token, events=1)


def read_ai_event(content_type: bytes, content_encoding: bytes, body: bytes, *, max_inflated: int) -> AiEvent:
    """The event and its parts. Raises Refused (400, 413)."""
    if not body:
        raise Refused(400, "request missing data payload", "no_payload")
    whole: Bytes = inflate(body, max_inflated) if content_encoding.strip().lower() == b"gzip" else body
    parts = parts_of(bytes(whole), _boundary(content_type))
    _check_sizes(parts)
    return _event_of(parts)


def parts_of(body: bytes, boundary: bytes) -> list[BlobPart]:
    """The parts between the boundaries (RFC 2046, 5.1.1). Raises Refused (400)."""
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_PARTS + 2)
    parts: list[BlobPart] = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return parts
        if len(parts) == MAX_PARTS:
            raise _broken(f"more than {MAX_PARTS} parts")
        padding, line_end, rest = piece.partition(b"\r\n")
        head, blank, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
        if padding.strip(b" \t") or not line_end or not blank or len(head) > _MAX_HEADER_BYTES:
            raise _broken("a part without headers")
        parts.append(_part(head, content))
    raise _broken("the closing boundary is missing")


def _part(head: bytes, content: bytes) -> BlobPart:
    headers = {}
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    disposition, options = parse_options_header(headers.get(b"content-disposition", b""))
    if disposition != b"form-data" or b"name" not in options:
        raise _broken("a part without a name")
    try:
        name_ = options[b"name"].decode()
        kind = headers.get(b"content-type", b"").decode()
        return BlobPart(name_, kind, headers.get(b"content-encoding", b"").decode().lower(), content)
    except UnicodeDecodeError as exc:
        raise _broken("a part whose headers are not UTF-8") from exc


def _boundary(content_type: bytes) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise undecodable("Content-Type must be multipart/form-data", "bad_multipart")
    boundary = options.get(b"boundary", b"")
    if not boundary or len(boundary) > _MAX_BOUNDARY:
        raise undecodable("Invalid boundary in Content-Type", "bad_multipart")
    return boundary


def _check_sizes(parts: Sequence[BlobPart]) -> None:
    event = sum(len(part.body) for part in parts if part.name == "event")
    both = event + sum(len(part.body) for part in parts if part.name == _PROPERTIES)
    for size, most, what in (
        (event, MAX_EVENT_BYTES, "Event part size"),
        (both, MAX_EVENT_AND_PROPERTIES_BYTES, "Combined event and properties size"),
        (sum(len(part.body) for part in parts), MAX_PARTS_BYTES, "Sum of all parts"),
    ):
        if size > most:
            text = f"{what} ({size} bytes) exceeds maximum allowed size ({most} bytes)"
            raise Refused(413, f"maximum event size exceeded: {text}", "event_too_large")


def _event_of(parts: Sequence[BlobPart]) -> AiEvent:
    """The parts, told apart and checked."""
    if not parts or parts[0].name != "event":
        raise undecodable("First part must be 'event'", "bad_ai_event")
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise undecodable("a part comes twice", "bad_ai_event")
    event = _json_object(parts[0].body, "Event part")
    apart = next((part for part in parts if part.name == _PROPERTIES), None)
    if apart is not None and "properties" in event:
        text = "Event cannot have both embedded properties and a separate 'event.properties' part"
        raise undecodable(text, "bad_ai_event")
    properties = _json_object(bytes(event.get("properties", b"{}")) if apart is None else apart.body, "Properties part")
    _check(event, properties)
    blobs = [
        replace(part, name=part.name.removeprefix(_PROPERTY))
        for part in parts
        if part.name.startswith(_PROPERTY) and len(part.name) > len(_PROPERTY)
    ]
    return AiEvent(event, properties, blobs, _accepted(parts))


def _accepted(parts: Sequence[BlobPart]) -> Answer:
    accepted = [
        {"name": p.name, "length": len(p.body), "content-type": p.kind or None, "content-encoding": p.coding or None}
        for p in parts
    ]
    return Answer(200, _encode({"accepted_parts": accepted}), JSON)


def _check(event: Mapping[str, Raw], properties: Mapping[str, Raw]) -> None:
    if not _text(event, "event").startswith("$ai_"):
        raise undecodable("Event name must start with '$ai_'", "bad_ai_event")
    if not _text(event, "distinct_id"):
        raise undecodable("distinct_id cannot be empty", "bad_ai_event")
    if not _text(properties, "$ai_model"):
        raise undecodable("Event properties must contain '$ai_model'", "bad_ai_event")


def _text(fields: Mapping[str, Raw], name: str) -> str:
    """A string among the fields; empty for any other value and for none."""
    raw = bytes(fields.get(name, b'""'))
    return msgspec.json.decode(raw, type=str) if raw[:1] == b'"' else ""


def _value(part: BlobPart, body: Bytes) -> Raw:
    """A part, whose content is `body`, as a JSON value."""
    kind = part.kind.partition(";")[0].strip().lower()
    if is_utf8(body) and kind == "application/json":
        return _json(bytes(body), f"Part {_PROPERTY}{part.name}", _any)
    if is_utf8(body) and (kind.startswith("text/") or not kind):
        return Raw(_encode(body.decode()))
    return Raw(_encode(f"data:{kind or 'application/octet-stream'};base64,{base64.b64encode(body).decode()}"))


def _json_object(text: bytes, what: str) -> dict[str, Raw]:
    return _json(text, what, _object)


def _json(text: bytes, what: str, decoder: msgspec.json.Decoder[T]) -> T:
    if not is_utf8(text):
        raise undecodable(f"{what} must be valid UTF-8", "bad_ai_event")
    try:
        return decoder.decode(repair_surrogates(text))
    except (msgspec.DecodeError, RecursionError) as exc:
        raise undecodable(f"{what} must be valid JSON", "bad_ai_event") from exc


def _broken(detail: str) -> Refused:
    return undecodable(f"Multipart parsing failed: {detail}", "bad_multipart")
