"""Which two distinct ids an event declares to be one person, and which of them never may be. No I/O."""

import math

import msgspec

from services.cdp.ingestion.parse import MAX_DISTINCT_ID
from services.cdp.raw_json import Properties

ALIASES = frozenset({"$create_alias", "$merge_dangerously"})
MERGES = frozenset({"$identify", *ALIASES})

# What a client sends that has no id for somebody. All such people would become one.
_ILLEGAL_IN_ANY_CASE = frozenset(
    [
        "anonymous",
        "guest",
        "distinctid",
        "distinct_id",
        "id",
        "not_authenticated",
        "email",
        "undefined",
        "true",
        "false",
    ]
)
_ILLEGAL = frozenset(["[object Object]", "NaN", "None", "none", "null", "0", "undefined"])
_QUOTES = ("'", '"')
_LONGEST_ILLEGAL = max(map(len, _ILLEGAL_IN_ANY_CASE | _ILLEGAL)) + 2
_JAVASCRIPT_EXPONENT_FROM = 1e21
_decode = msgspec.json.Decoder().decode


class Merge(msgspec.Struct, frozen=True, gc=False):
    """`other` is to become `target`. forced: even when `other` is an identified person. illegal: the id that stands for
    nobody in particular, if one does."""

    target: str
    other: str
    forced: bool
    illegal: str | None


def merge_asked(event: str, distinct_id: str, properties: Properties) -> Merge | None:
    """What an event asks to merge; None when it asks for nothing, or for an id with itself."""
    if event == "$identify":
        other = properties.plain_text("$anon_distinct_id")
        if other is None and (raw := properties.raw("$anon_distinct_id")) is not None:
            other = javascript_text(raw)
    elif event in ALIASES:
        other = properties.plain_text("alias") or javascript_truthy_text(properties.raw("alias"))
    else:
        return None
    if other is None or other == distinct_id:
        return None
    illegal = distinct_id if is_illegal(distinct_id) else other if is_illegal(other) else None
    return Merge(distinct_id, other, event == "$merge_dangerously", illegal)


def is_illegal(distinct_id: str) -> bool:
    """Blank, a word that stands for "no id" (quoted or not), with NUL inside, or too long."""
    if not distinct_id or distinct_id.isspace() or "\0" in distinct_id or len(distinct_id) > MAX_DISTINCT_ID:
        return True
    if len(distinct_id) > _LONGEST_ILLEGAL:
        return False
    bare = distinct_id[1:-1] if len(distinct_id) > 1 and distinct_id[0] in _QUOTES else distinct_id
    if bare is not distinct_id and distinct_id[-1] != distinct_id[0]:
        bare = distinct_id
    return bare in _ILLEGAL or bare.lower() in _ILLEGAL_IN_ANY_CASE


def javascript_text(raw: bytes | msgspec.Raw) -> str:
    """JavaScript's `String(value)` of a JSON value."""
    try:
        return javascript_string(_decode(raw))
    except (msgspec.MsgspecError, RecursionError):  # 1e400
        return "Infinity"


def javascript_truthy_text(raw: bytes | msgspec.Raw | None) -> str | None:
    """`String(value)` when the value is truthy in JavaScript, else None."""
    if raw is None or bytes(raw).strip() in (b"null", b"false", b'""', b"0", b"-0", b"0.0"):
        return None
    return javascript_text(raw)


def javascript_string(value: object) -> str:
    """JavaScript's `String(value)` of a value that was JSON."""
    match value:
        case str():
            return value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number(value)
        case list():
            return ",".join("" if item is None else javascript_string(item) for item in value)
        case _:
            return "[object Object]"


def _number(value: int | float) -> str:
    try:
        number = float(value)
    except OverflowError:
        return "Infinity" if value > 0 else "-Infinity"
    if math.isfinite(number) and number.is_integer() and abs(number) < _JAVASCRIPT_EXPONENT_FROM:
        return str(int(number))
    return repr(number).replace("e-0", "e-")
