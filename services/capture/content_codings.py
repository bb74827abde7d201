"""Content-Encoding of the v1 dialect: declared, never sniffed; each stops at a cap while it unfolds."""

from collections.abc import Callable

import brotli
import zstandard
from isal import igzip_lib, isal_zlib

from services.capture.answers import Refused, too_large
from services.capture.decoding import Bytes, inflate

_ZLIB_WINDOW = 15
_PIECE = 64 * 1024
_DEFLATED_PIECE = 16 * 1024  # inflates to 16 MiB at most
_MAX_WINDOW = 8 * 1024**2  # RFC 8878: what a decoder should support, and no sender needs more


def decoded(raw: bytes, coding: str, limit: int) -> Bytes:
    """The body as it was before `coding`: gzip, deflate (in zlib's wrapping), br, zstd or "" for none.

    Raises Refused: 415 for another coding, 400 for broken bytes, 413 past `limit` bytes.
    """
    if not coding:
        return raw
    unfold = _CODINGS.get(coding)
    if unfold is None:
        text = f"unsupported content encoding: {coding[:64]}"
        raise Refused(415, text, "unsupported_encoding", tag="unsupported_encoding")
    return unfold(raw, limit)


def _broken(exc: Exception | None = None) -> Refused:
    refused = Refused(400, "Failed to decode request body.", "bad_content_encoding", tag="request_decoding_error")
    refused.__cause__ = exc
    return refused


def _over(limit: int) -> Refused:
    return too_large(f"inflated payload is larger than {limit} bytes", "inflated_too_large")


def _gunzip(raw: bytes, limit: int) -> Bytes:
    try:
        return inflate(raw, limit)
    except Refused as refused:
        raise refused if refused.status == 413 else _broken(refused) from refused


def _zlib(raw: bytes, limit: int) -> Bytes:
    inflater = isal_zlib.decompressobj(_ZLIB_WINDOW)
    text = bytearray()
    view = memoryview(raw)
    try:
        for start in range(0, len(raw), _DEFLATED_PIECE):
            text += inflater.decompress(view[start : start + _DEFLATED_PIECE], limit - len(text) + 1)
            if len(text) > limit:
                raise _over(limit)
            if inflater.eof:
                return text
    except igzip_lib.IsalError as exc:  # type: ignore[misc]  # its stub declares an instance, not the class
        raise _broken(exc) from exc
    raise _broken()


def _unbrotli(raw: bytes, limit: int) -> Bytes:
    unfolder = brotli.Decompressor()
    text = bytearray()
    try:
        for start in range(0, len(raw), _PIECE):
            more = unfolder.process(raw[start : start + _PIECE], output_buffer_limit=_PIECE)
            while more:  # it says that it takes more input while output is still waiting
                text += more
                if len(text) > limit:
                    raise _over(limit)
                more = unfolder.process(b"", output_buffer_limit=_PIECE)
            if unfolder.is_finished():
                break
    except brotli.error as exc:
        raise _broken(exc) from exc
    if not unfolder.is_finished():
        raise _broken()
    return text


def _unzstd(raw: bytes, limit: int) -> Bytes:
    text = bytearray()
    try:
        size = zstandard.get_frame_parameters(raw).content_size  # given by every sender that knows its body
        with zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(raw) as reader:
            while piece := reader.read(_PIECE):
                text += piece
                if len(text) > limit:
                    raise _over(limit)
    except zstandard.ZstdError as exc:
        raise _broken(exc) from exc
    if size != zstandard.CONTENTSIZE_UNKNOWN and size != len(text):  # its reader takes a cut frame for a short one
        raise _broken()
    return text


_CODINGS: dict[str, Callable[[bytes, int], Bytes]] = {
    "gzip": _gunzip,
    "deflate": _zlib,
    "br": _unbrotli,
    "zstd": _unzstd,
}
