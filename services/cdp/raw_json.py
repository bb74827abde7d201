"""JSON objects taken apart at the top level only: values stay the sender's bytes."""

import math
import re

import msgspec

from libs.fastpath import Members, members, members_of

# A mapping of names to raw JSON, in the sender's order; see libs/fastpath/_members_py.py.
Properties = Members

_properties = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_ESCAPE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_HUGE_NUMBER = re.compile(rb"[eE][+-]?[0-9]{4,}|[0-9]{10000,}")
_MAX_DEPTH = 500


def object_of(raw: bytes | msgspec.Raw | None) -> Properties | None:
    """The members of a JSON object; None when `raw` is something else. Raises DecodeError or RecursionError."""
    if raw is None:
        return None
    text = bytes(raw)
    if (found := members(text)) is not None:
        return found
    return members_of(_properties.decode(text)) if text.lstrip()[:1] == b"{" else None


def nothing() -> Properties:
    """An object without members, of one's own."""
    return members_of({})


def array_of(raw: bytes | msgspec.Raw | None) -> list[msgspec.Raw] | None:
    """The items of a JSON array; None when `raw` is something else."""
    text = bytes(raw) if raw is not None else b""
    return _array.decode(text) if text.lstrip()[:1] == b"[" else None


def encode(value: object) -> msgspec.Raw:
    """A Python value as raw JSON."""
    return msgspec.Raw(value.encoded() if isinstance(value, Members) else msgspec.json.encode(value))


def text_of(raw: bytes | msgspec.Raw | None) -> str | None:
    """The string in `raw`; None when it holds something else."""
    text = bytes(raw).lstrip() if raw is not None else b""
    return msgspec.json.decode(text, type=str) if text[:1] == b'"' else None


def number_of(raw: bytes | msgspec.Raw | None) -> float | None:
    """The number in `raw`, also as text; None when it holds something else, or none that a double can hold."""
    if raw is None:
        return None
    value = msgspec.json.decode(raw)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def is_null(raw: bytes | msgspec.Raw | None) -> bool:
    """Absent or null."""
    return raw is None or bytes(raw).strip() == b"null"


def repaired(text: bytes) -> bytes:
    """Lone surrogates and broken UTF-8 become U+FFFD: no JSON reader downstream takes them."""
    text = text.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda found: _kept(found[0], nul=False), text) if b"\\u" in text else text


def for_postgres(raw: bytes | msgspec.Raw) -> msgspec.Raw | None:
    """What jsonb takes: NULs and lone surrogates become U+FFFD. None when it would be refused all the same: numbers
    beyond `numeric`, nesting beyond its stack."""
    text = bytes(raw)
    if b"\\u" not in text and text[:1] == b'"':
        return msgspec.Raw(text)  # most values: nothing else can be wrong with a string
    if b"\\u" in text:
        text = _ESCAPE.sub(lambda found: _kept(found[0], nul=True), text)
    if (_HUGE_NUMBER.search(text) and _HUGE_NUMBER.search(_STRING.sub(b'""', text))) or _depth(text) > _MAX_DEPTH:
        return None
    return msgspec.Raw(text)


def merged(first: Properties, *others: Properties) -> Properties:
    """Later parts win; a key keeps the place where it first stood."""
    for other in others:
        first = first.merged(other)
    return first


def _kept(escape: bytes, *, nul: bool) -> bytes:
    if len(escape) != 6:  # a surrogate pair, or an escape of one letter
        return escape
    code = int(escape[2:], 16)
    return rb"\ufffd" if 0xD800 <= code <= 0xDFFF or (nul and code == 0) else escape


def _depth(text: bytes) -> int:
    if len(text) <= _MAX_DEPTH or text.count(b"[") + text.count(b"{") <= _MAX_DEPTH:
        return 0
    depth = deepest = 0
    for character in _STRING.sub(b"", text):
        if character in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in b"]}":
            depth -= 1
    return deepest
