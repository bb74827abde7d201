"""Python values as ClickHouse query parameters.

A parameter `{name:Type}` is read with the escaped (TSV) reader of its type: a String is unescaped, the strings inside
an Array, Tuple or Map are quoted literals. Sent as it is, `C:\\new` comes back with a line feed, and a raw tab is
refused.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from libs.kit.errors import InvalidRequest

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"}
_TEXT = str.maketrans(_ESCAPES)
_QUOTED = str.maketrans({**_ESCAPES, "'": "\\'"})
_MAX_DEPTH = 100


def parameter(value: Any) -> bytes:
    """The text of one parameter. Raises InvalidRequest for what no parameter can carry, TypeError for foreign types.

    An aware datetime is sent as seconds since 1970, which every DateTime and DateTime64 reads alike, whatever its zone;
    a naive one as text, read in the zone of the parameter's type.
    """
    text = r"\N" if value is None else value.translate(_TEXT) if isinstance(value, str) else _nested(value, 0)
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidRequest("Text holds half of a surrogate pair, which is not Unicode.") from exc


def _nested(value: Any, depth: int) -> str:
    if depth > _MAX_DEPTH:
        raise InvalidRequest("A value is nested too deeply.")
    match value:
        case str():
            return f"'{value.translate(_QUOTED)}'" if depth else value.translate(_TEXT)
        case list() | set() | frozenset():
            return "[" + ",".join(_nested(item, depth + 1) for item in value) + "]"
        case tuple():
            return "(" + ",".join(_nested(item, depth + 1) for item in value) + ")"
        case Mapping():
            pairs = (f"{_nested(key, depth + 1)}:{_nested(item, depth + 1)}" for key, item in value.items())
            return "{" + ",".join(pairs) + "}"
    return _scalar(value, quoted=depth > 0)


def _scalar(value: Any, *, quoted: bool) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value))
        case float():
            return repr(float(value))
        case Decimal():
            return format(value, "f")
        case Enum():
            return _nested(value.value, 1 if quoted else 0)
        case datetime():
            return _instant(value, quoted=quoted)
        case date() | UUID():
            return f"'{value}'" if quoted else str(value)
    raise TypeError(f"no ClickHouse parameter for {type(value).__name__}")


def _instant(value: datetime, *, quoted: bool) -> str:
    if value.tzinfo is None:
        text = value.isoformat(sep=" ")
        return f"'{text}'" if quoted else text
    since = value - datetime(1970, 1, 1, tzinfo=UTC)
    micros = since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds
    sign, whole, part = "-" if micros < 0 else "", abs(micros) // 1_000_000, abs(micros) % 1_000_000
    # ten digits at least: a number of up to four digits would be read as a year
    text = f"{sign}{whole:010d}" + (f".{part:06d}" if part else "")
    return f"'{text}'" if quoted else text
