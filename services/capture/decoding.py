"""Bytes on the wire -> the JSON text: forms, base64, gzip and lz-string, sniffed where SDKs do not say what they send.

Nothing here is trusted to be small: inflating stops at a cap while it runs, and what is scanned is scanned in pieces.
Compiled when there is a compiler (decoding.pxd).
"""

import binascii
import codecs
import re
from urllib.parse import unquote_to_bytes

import deflate
from isal import igzip_lib, isal_zlib

from services.capture.answers import Refused, too_large, undecodable
from services.capture.lz_string import BrokenText, TooLong, decompress_from_base64
from services.capture.query import Compression, Query, compression_named

Bytes = bytes | bytearray
FORM_TYPE = b"application/x-www-form-urlencoded"  # exactly: with a charset behind it, PostHog reads no form either
GZIP_MAGIC = b"\x1f\x8b"
_JSON_OR_GZIP = b"{[\x1f"  # no base64 begins so
_GZIP_WINDOW = 31
_SNIFFED = 128
_MOST_FIELDS = 100
_PIECE = 64 * 1024
_DEFLATED_PIECE = 16 * 1024  # inflates to 16 MiB at most
_AT_ONE_GO = 1024 * 1024  # unfolded; it holds the GIL while it does
_LZ_COST = 48  # a byte of lz-string takes as long as inflating so many: old SDKs send little, and Python reads it
_FORM_FIELD = re.compile(rb"(?:^|&)(?:data|_|ip|compression)=")
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]+")
_BASE64_OR_BLANK = re.compile(rb"[A-Za-z0-9+/= ]+")


class Payload:
    """What a request carries: JSON text, if it is any."""

    __slots__ = ("inflated", "raw")

    def __init__(self, raw: Bytes, inflated: bool = False):
        self.raw = raw
        self.inflated = inflated

    def text(self) -> Bytes:
        """Valid UTF-8. Raises Refused (400). The scanner checks that itself, so only the slow way asks."""
        if is_utf8(self.raw):
            return self.raw
        if self.inflated:
            raise undecodable("invalid gzip data", "bad_gzip_text")
        raise undecodable("invalid UTF8 in request payload", "bad_utf8")


def decode_payload(
    query: Query, content_type: bytes, content_encoding: bytes, body: bytes, max_inflated: int
) -> Payload:
    """Undo what the sender did to its JSON. Raises Refused (400, 413)."""
    sent = query.data or body
    if not sent:
        raise Refused(400, "request missing data payload", "no_payload")
    hint = query.compression
    if (sent[0] == 0x7B or sent[0] == 0x5B) and hint is None and not content_encoding and content_type != FORM_TYPE:
        payload = Payload.__new__(Payload)  # compiled, arguments to a class become a tuple
        payload.raw, payload.inflated = sent, False
        return payload
    raw: Bytes = sent
    header_hint = compression_named(content_encoding.decode("latin-1")) if content_encoding.islower() else None
    # lz-string is base64 itself: PostHog unwraps it too early here, and then cannot read it outside of forms
    if raw[0] not in _JSON_OR_GZIP and "lz64" not in (hint, header_hint) and not _looks_like_form(raw):
        raw = _unbase64(raw)
    if content_type == FORM_TYPE:
        raw, form_hint = _read_form(raw)
        hint = hint or form_hint
    payload = _uncompressed(raw, hint or header_hint, max_inflated)
    # PostHog does this on /e, /capture, /engage and /track only; posthog-js may be pointed elsewhere by remote config.
    return payload if payload.raw[:1] in (b"{", b"[") else _unbase64_text(payload)


def _uncompressed(raw: Bytes, hint: Compression | None, max_inflated: int) -> Payload:
    if hint == "gzip" or raw.startswith(GZIP_MAGIC):
        return Payload(inflate(raw, max_inflated), True)
    if hint == "lz64":
        return Payload(_unlz(raw, max_inflated))
    return Payload(raw)


def _unlz(raw: Bytes, limit: int) -> bytes:
    """Raises Refused: 413 past `limit` bytes, or for more than could be read in good time; 400 for a broken text."""
    over = too_large(f"inflated payload is larger than {limit} bytes", "inflated_too_large")
    if len(raw) * _LZ_COST > limit:
        raise over
    try:
        text = decompress_from_base64(raw, limit).encode()
    except TooLong as exc:
        raise over from exc
    except BrokenText as exc:
        raise undecodable(f"decompress_lz64: {exc}", "bad_lz64") from exc
    if len(text) > limit:
        raise over
    return text


def inflate(raw: Bytes, limit: int) -> Bytes:
    """The first gzip member, as flate2 reads it. Raises Refused: 413 past `limit` bytes, 400 for a broken or cut one.

    libdeflate needs half of ISA-L's time, but has to be told the size beforehand. The member's end tells it; where that
    is a lie, or stands somewhere else, ISA-L decides.
    """
    if 0 < int.from_bytes(raw[-4:], "little") <= min(limit, _AT_ONE_GO):  # told 0, it looks at nothing
        try:
            return deflate.gzip_decompress(raw)
        except (deflate.DeflateError, ValueError):
            pass
    return _inflate_in_pieces(raw, limit)


def _inflate_in_pieces(raw: Bytes, limit: int) -> Bytes:
    """As `inflate`. Fed in small pieces: output stops within one piece of the limit, whatever the input claims."""
    inflater = isal_zlib.decompressobj(_GZIP_WINDOW)
    view = memoryview(raw)
    try:
        first = inflater.decompress(view[:_DEFLATED_PIECE], limit + 1)
        if inflater.eof and len(first) <= limit:  # the usual case, and nothing is copied
            return first
        text = bytearray(first)
        if len(text) > limit:
            raise too_large(f"inflated payload is larger than {limit} bytes", "inflated_too_large")
        for start in range(_DEFLATED_PIECE, len(raw), _DEFLATED_PIECE):
            text += inflater.decompress(view[start : start + _DEFLATED_PIECE], limit - len(text) + 1)
            if len(text) > limit:
                raise too_large(f"inflated payload is larger than {limit} bytes", "inflated_too_large")
            if inflater.eof:
                return text
    except igzip_lib.IsalError as exc:  # type: ignore[misc]  # its stub declares an instance, not the class
        raise undecodable("invalid GZIP data", "bad_gzip") from exc
    raise undecodable("invalid GZIP data", "bad_gzip")


def is_utf8(text: Bytes) -> bool:
    """Checked in pieces: a decoded copy of 100 MiB would be up to four times as large."""
    if text.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(text)
    try:
        for start in range(0, len(text), _PIECE):
            decoder.decode(view[start : start + _PIECE])
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _looks_like_form(raw: Bytes) -> bool:
    return _FORM_FIELD.search(raw[:_SNIFFED]) is not None


def _looks_like_base64(raw: Bytes, alphabet: re.Pattern[bytes] = _BASE64) -> bool:
    return (
        len(raw) > 0
        and len(raw) % 4 == 0
        and raw[0] not in _JSON_OR_GZIP
        and alphabet.fullmatch(raw[:_SNIFFED]) is not None
    )


def _unbase64(raw: Bytes) -> Bytes:
    """Decoded if it is base64, or as it was: PostHog's sniffing is a guess too."""
    if not _looks_like_base64(raw):
        return raw
    try:
        return binascii.a2b_base64(raw, strict_mode=True)
    except binascii.Error:
        return raw


def _unbase64_text(payload: Payload) -> Payload:
    decoded = _unbase64(payload.text())
    return Payload(decoded) if is_utf8(decoded) else payload


def _read_form(raw: Bytes) -> tuple[Bytes, Compression | None]:
    """The field `data` (or, without one, the whole body) and what the field `compression` says."""
    if not _looks_like_form(raw):
        raise undecodable("expected form data in POST request payload", "no_form")
    if raw.count(b"&") > _MOST_FIELDS:
        raise undecodable("invalid urlencoded form data", "bad_form")
    fields: dict[bytes, bytes] = {}
    for field in bytes(raw).split(b"&"):
        name, _, value = field.partition(b"=")
        if name in fields:
            raise undecodable("invalid urlencoded form data", "bad_form")
        if name in (b"data", b"compression"):
            fields[name] = _unquote(value)
    data = fields.get(b"data")
    if data is not None and b" " in data and _looks_like_base64(data, _BASE64_OR_BLANK):
        data = data.replace(b" ", b"+")  # a plus that the sender forgot to escape
    return raw if data is None else data, compression_named(fields.get(b"compression", b"").decode("latin-1"))


def _unquote(value: bytes) -> bytes:
    """Percent and plus decoding in pieces, each cut where no escape is: the library's makes a list of all parts."""
    value = value.replace(b"+", b" ")
    if b"%" not in value:
        return value
    text = bytearray()
    start = 0
    while start < len(value):
        end = min(start + _PIECE, len(value))
        if end < len(value) and (escape := value.find(b"%", end - 2, end)) >= 0:
            end = escape
        text += unquote_to_bytes(value[start:end])
        start = end
    return bytes(text)
