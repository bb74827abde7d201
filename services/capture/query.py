"""Query parameters of the v0 routes. Unknown ones, and unknown compressions, are ignored.

Compiled when there is a compiler (query.pxd).
"""

import re
from collections.abc import Iterable
from typing import Literal
from urllib.parse import parse_qsl

from services.capture.answers import Refused

Compression = Literal["gzip", "lz64"]
_COMPRESSIONS: dict[str, Compression] = {"gzip": "gzip", "gzip-js": "gzip", "lz64": "lz64", "lz-string": "lz64"}
_INT64 = range(-(2**63), 2**63)


class Query:
    """data: a payload in the address, which wins over the body. sent_at_ms: the client's clock when it sent."""

    __slots__ = ("beacon", "compression", "data", "sent_at_ms")

    def __init__(
        self,
        data: bytes = b"",
        compression: Compression | None = None,
        sent_at_ms: int | None = None,
        beacon: bool = False,
    ):
        self.open(data, compression, sent_at_ms, beacon)

    def open(self, data: bytes, compression: Compression | None, sent_at_ms: int | None, beacon: bool) -> None:
        """What the constructor does. Compiled, arguments to a class become a tuple; those to a method do not."""
        self.data = data
        self.compression = compression
        self.sent_at_ms = sent_at_ms
        self.beacon = beacon


NOTHING = Query()
# What posthog-js sends, read at one go: the same as the loop below finds in it.
_USUAL = re.compile(rb"(?:compression=(gzip(?:-js)?)&)?(?:ip=[01]&)?(?:_=(\d{1,15}))?(?:&ver=[0-9.]{1,20})?")
# Such query strings without the digits of the clock, and their compression: one for each way a site sends.
_usual: dict[bytes, Compression | None] = {}
_MOST_USUAL = 1_000
_newest: tuple[bytes, Compression | None] = (b"", None)  # the one met last: comparing with it makes no object
_LONGEST_CLOCK = 15
_KNOWN = {"data", "compression", "_", "sent_at", "beacon"}


def compression_named(name: str) -> Compression | None:
    """The codec a hint stands for; None for those that change nothing."""
    return _COMPRESSIONS.get(name.lower())


def parse_query(query: bytes) -> Query:
    """Read the query string. Raises Refused (400) when a number is not one, or a parameter is given twice."""
    global _newest
    if not query:
        return NOTHING
    raw, size, begin, sent = query, len(query), 2, 0
    while begin < size and not (raw[begin - 1] == 0x3D and raw[begin - 2] == 0x5F):  # "_=", the clock of posthog-js
        begin += 1
    end = begin
    while end < size and end - begin < _LONGEST_CLOCK and 0x30 <= raw[end] <= 0x39:
        sent = sent * 10 + (raw[end] - 0x30)
        end += 1
    newest = _newest
    if end > begin and _is_form(newest[0], query, begin, end):
        found = Query.__new__(Query)
        found.open(b"", newest[1], sent, False)
        return found
    form = query[:begin] + query[end:]
    if end > begin and form in _usual:
        _newest = (form, _usual[form])
        return Query(b"", _newest[1], sent)
    if usual := _USUAL.fullmatch(query):
        compression: Compression | None = "gzip" if usual[1] else None
        if usual[2] is None:
            return Query(b"", compression)
        if len(_usual) >= _MOST_USUAL:
            _usual.clear()
        _usual[form] = compression
        return Query(b"", compression, int(usual[2]))
    given: dict[str, str] = {}
    for name, value in _pairs(query.decode("latin-1")):
        if name in _KNOWN and (name in given or {name, *given} >= {"_", "sent_at"}):
            raise _refuse(f"duplicate field `{name}`")
        given[name] = value
    return Query(
        data=given.get("data", "").encode(),
        compression=compression_named(given.get("compression", "")),
        sent_at_ms=_integer(given.get("_", given.get("sent_at"))),
        beacon=_integer(given.get("beacon")) == 1,
    )


def _is_form(form: bytes, query: bytes, begin: int, end: int) -> bool:
    """Whether this is the query string without its digits from `begin` to `end`."""
    raw, expected, size, at = query, form, len(form), 0
    if len(query) - (end - begin) != size:
        return False
    while at < begin and raw[at] == expected[at]:
        at += 1
    while begin <= at < size and raw[at + end - begin] == expected[at]:
        at += 1
    return at == size


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    if "%" in query or "+" in query:
        return parse_qsl(query, keep_blank_values=True, errors="replace")
    # what SDKs send has nothing to unquote, and then this is the same and ten times as fast
    return [(name, value) for name, _, value in (part.partition("=") for part in query.split("&") if part)]


def _integer(text: str | None) -> int | None:
    if text is None:
        return None
    digits = text[1:] if text[:1] in ("-", "+") else text
    if len(text) > 20 or not (digits.isascii() and digits.isdigit()) or int(text) not in _INT64:
        raise _refuse("invalid digit found in string")
    return int(text)


def _refuse(detail: str) -> Refused:
    return Refused(400, f"Failed to deserialize query string: {detail}", "bad_query")
