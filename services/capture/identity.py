"""Who did it and which event it is: distinct_id, uuid, and whether the visitor is cookieless."""

import os
import re
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import orjson

from services.capture.answers import Refused
from services.capture.times import EPOCH

MAX_CHARACTERS = 200
MILLISECOND = timedelta(milliseconds=1)
_string = msgspec.json.Decoder(str)
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ACCEPTED = re.compile(
    r"(?:[0-9a-f]{32}|(?:urn:uuid:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\})",
    re.IGNORECASE,
)


def canonical_uuid(text: str) -> str:
    """Lower-case, hyphenated. Raises ValueError for what is no uuid (UUID() alone takes hyphens anywhere)."""
    if _CANONICAL.fullmatch(text):
        return text
    if not _ACCEPTED.fullmatch(text):
        raise ValueError("uuid is not a UUID")
    return str(UUID(text))


def new_uuid(now: datetime) -> str:
    """A UUIDv7 (RFC 9562) of this moment."""
    milliseconds = (now - EPOCH) // MILLISECOND & 0xFFFF_FFFF_FFFF
    random = int.from_bytes(os.urandom(10), "big")
    high = (milliseconds << 16) | 0x7000 | (random >> 68 & 0x0FFF)
    low = 0x8000_0000_0000_0000 | (random & 0x3FFF_FFFF_FFFF_FFFF)
    return str(UUID(int=high << 64 | low))


def distinct_id(root: msgspec.Raw | None, in_properties: msgspec.Raw | None) -> str:
    """The id of an event, from the JSON values at its root and in its properties. Raises Refused when there is none.

    Strings as they are, numbers with the sender's digits, anything else as compact JSON with sorted keys; NUL becomes
    U+FFFD; at most 200 characters are kept; blanks around it are kept.
    """
    text = _as_text(root)
    if text is None:
        text = _as_text(in_properties)
    if not text or text.isspace():
        raise Refused(400, "event submitted without a distinct_id", "no_distinct_id")
    return text[:MAX_CHARACTERS].replace("\0", "\ufffd")


def _as_text(value: msgspec.Raw | None) -> str | None:
    """None for none and for null."""
    if value is None:
        return None
    raw = bytes(value)
    if raw[:1] == b'"':
        return _string.decode(raw)
    if raw == b"null":
        return None
    if raw[:1] not in b"[{":
        return raw.decode()
    try:
        return orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # 1e400 is a JSON number that no double holds
        return msgspec.json.format(raw, indent=-1).decode()


def is_cookieless(value: bytes | None) -> bool:
    """`properties.$cookieless_mode`, the JSON value. Raises Refused when it is anything but a boolean or absent."""
    if value is None or value == b"false":
        return False
    if value == b"true":
        return True
    raise Refused(400, "event submitted with invalid cookieless mode", "bad_cookieless_mode")
