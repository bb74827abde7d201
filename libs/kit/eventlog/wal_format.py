"""The write-ahead log's files as bytes: what is written, and how it is told from what a crash left behind.

    segment   HEADER  magic, format version, number of the segment, crc of these
              frames, one behind the other
    frame     FRAME   length of the payload, records in it, arrival in ms, crc of the payload, crc of these
              payload MessagePack of [topic, [[key, value, headers], ...]]

Every crc begins with the segment's number, so that bytes of another segment never pass for this one's. A frame whose
own header is whole says where the next one begins, so one damaged payload costs its records and no others.
"""

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

import msgspec

from libs.kit.eventlog.base import NewRecord

VERSION = 1
_MAGIC = b"HGWAL\n"
_HEADER = struct.Struct("<6sHQI")
_FRAME = struct.Struct("<IIQII")
HEADER_BYTES = _HEADER.size
# No produce is cut into frames anywhere near this; a length beyond it was never written by us.
MAX_PAYLOAD_BYTES = 256 * 1024**2

Read = Callable[[int, int], bytes]  # (how many bytes, at which offset) -> at most that many


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Records of one topic, in order."""

    topic: str
    records: Sequence[NewRecord]


_encode = msgspec.msgpack.Encoder(enc_hook=list).encode  # what is no list is a block
_decode = msgspec.msgpack.Decoder(Entry).decode


class NewerFormat(RuntimeError):
    """The segment was written by a release that came after this one."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame at `start`; the next one begins at `end`. payload: None when it is damaged."""

    start: int
    end: int
    records: int
    arrived_ms: int
    payload: bytes | None

    def entry(self) -> Entry:
        """What it holds; the payload must be there."""
        if self.payload is None:
            raise ValueError("a damaged frame holds nothing")
        return _decode(self.payload)


def segment_header(number: int) -> bytes:
    """The first bytes of segment `number`."""
    bare = struct.pack("<6sHQ", _MAGIC, VERSION, number)
    return bare + struct.pack("<I", crc32(bare))


def is_segment(header: bytes, number: int) -> bool:
    """Whether these are the first bytes of segment `number`. Raises NewerFormat when a later release wrote them."""
    if len(header) < HEADER_BYTES:
        return False
    magic, version, named, crc = _HEADER.unpack(header[:HEADER_BYTES])
    if magic != _MAGIC or crc != crc32(header[: HEADER_BYTES - 4]):
        return False
    if version > VERSION:
        raise NewerFormat(f"segment {number} has format {version}; this release reads {VERSION}")
    return bool(named == number)


def frame_bytes(segment: int, entry: Entry, arrived_ms: int) -> bytes:
    """`entry` as a frame of the segment."""
    payload = _encode(entry)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a frame of {len(payload)} bytes cannot be read back")
    bare = struct.pack("<IIQI", len(payload), len(entry.records), arrived_ms, crc32(payload, segment))
    return bare + struct.pack("<I", crc32(bare, segment)) + payload


def frames(segment: int, read: Read, start: int, end: int) -> Iterator[Frame]:
    """The frames between two offsets of a segment, as far as they can be followed. Holds one payload at a time."""
    while start + _FRAME.size <= end:
        header = read(_FRAME.size, start)
        if len(header) < _FRAME.size:
            return
        length, records, arrived_ms, payload_crc, crc = _FRAME.unpack(header)
        after = start + _FRAME.size + length
        if crc != crc32(header[:-4], segment) or length > MAX_PAYLOAD_BYTES or after > end:
            return
        payload = read(length, start + _FRAME.size)
        whole = len(payload) == length and crc32(payload, segment) == payload_crc
        yield Frame(start, after, records, arrived_ms, payload if whole else None)
        start = after


def write_whole(descriptor: int, data: bytes, offset: int) -> None:
    """All of `data`, from `offset` on. Raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
