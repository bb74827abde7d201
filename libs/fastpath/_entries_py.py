"""Records as MessagePack, shared among partitions and read back: the reference, fallback and oracle of `_entries.pyx`.

A record is [key, value, [[name, value], ...]]: a key of nil or bin, values of bin, names of str, arrays of two and
three in one byte. Records follow each other without anything between.
A piece is some of them as [head, [record, ...]], the inner array with a length of 32 bits.
"""

from collections.abc import Callable
from typing import Any

from libs.fastpath._murmur2_py import partition_of

_NIL = 0xC0
_BIN = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_STR = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAY = {0xDC: 2, 0xDD: 4}
_TIMESTAMP, _MANY, _PAIR, _TRIPLE = 0xCF, 0xDD, 0x92, 0x93

Headers = tuple[tuple[str, bytes], ...]


def _refuse() -> ValueError:
    return ValueError("these are not records")


def _number(data: bytes, at: int, width: int) -> int:
    if at + width > len(data):
        raise _refuse()
    return int.from_bytes(data[at : at + width], "big")


def _byte(data: bytes, at: int) -> int:
    return _number(data, at, 1)


def _span(data: bytes, at: int, widths: dict[int, int], short: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Where the content of the bin or str at `at` begins and ends. `short`: first byte and mask of the form in which
    the first byte holds the length."""
    tag = _byte(data, at)
    if short[1] and tag & ~short[1] == short[0]:
        start, length = at + 1, tag & short[1]
    elif tag in widths:
        start = at + 1 + widths[tag]
        length = _number(data, at + 1, widths[tag])
    else:
        raise _refuse()
    if start + length > len(data):
        raise _refuse()
    return start, start + length


def _headers_at(data: bytes, at: int) -> tuple[list[tuple[int, int, int, int]], int]:
    """Where each name and value is, and where the array ends."""
    tag = _byte(data, at)
    if tag & 0xF0 == 0x90:
        count, at = tag & 0x0F, at + 1
    elif tag in _ARRAY:
        count = _number(data, at + 1, _ARRAY[tag])
        at += 1 + _ARRAY[tag]
    else:
        raise _refuse()
    found = []
    for _ in range(count):
        if _byte(data, at) != _PAIR:
            raise _refuse()
        name = _span(data, at + 1, _STR, (0xA0, 0x1F))
        value = _span(data, name[1], _BIN)
        found.append((*name, *value))
        at = value[1]
    return found, at


def _record_at(data: bytes, at: int) -> tuple[bytes | None, bytes, list[tuple[int, int, int, int]], int]:
    """Key, value, places of the headers, and where the record ends."""
    if _byte(data, at) != _TRIPLE:
        raise _refuse()
    key: bytes | None = None
    if _byte(data, at + 1) == _NIL:
        at += 2
    else:
        start, at = _span(data, at + 1, _BIN)
        key = data[start:at]
    start, at = _span(data, at, _BIN)
    value = data[start:at]
    headers, at = _headers_at(data, at)
    return key, value, headers, at


def pieces(
    payload: bytes, head: bytes, partitions: int, turn: int, max_records: int, max_bytes: int
) -> tuple[list[tuple[int, int, bytes]], int]:
    """The records of `payload` by partition: [(partition, records in it, piece), ...] and the next turn.

    Keys go where Kafka's partitioner sends them, records without a key round robin from `turn` on. Records of a
    partition keep their order, within a piece and from piece to piece. A piece has at most `max_records` records and
    `max_bytes` bytes of them, or one record. `head` is encoded already. Raises ValueError if these are not records.
    """
    if partitions < 1:
        raise ValueError("a topic has at least one partition")
    found: list[tuple[int, list[bytes]]] = []
    sizes: list[int] = []
    last: dict[int, int] = {}
    at = 0
    while at < len(payload):
        key, _, _, end = _record_at(payload, at)
        if key is None:
            partition = turn % partitions
            turn += 1
        else:
            partition = partition_of(key, partitions)
        number = last.get(partition)
        if number is None or len(found[number][1]) >= max_records or sizes[number] + end - at > max_bytes:
            number = last[partition] = len(found)
            found.append((partition, []))
            sizes.append(0)
        found[number][1].append(payload[at:end])
        sizes[number] += end - at
        at = end
    return [(partition, len(its), _piece(head, its)) for partition, its in found], turn


def _piece(head: bytes, records: list[bytes]) -> bytes:
    return b"".join([bytes([_PAIR]), head, bytes([_MANY]), len(records).to_bytes(4, "big"), *records])


def records(piece: bytes, make: Callable[..., Any], topic: str, partition: int, next_offset: int) -> list[Any]:
    """`make(topic, partition, offset, key, value, headers, timestamp_ms)` of each record of a piece.

    The head is the time in milliseconds, as an integer of 64 bits; the last record has the offset before `next_offset`.
    Raises ValueError if this is not such a piece, or has more records than there are offsets.
    """
    if _byte(piece, 0) != _PAIR or _byte(piece, 1) != _TIMESTAMP or _byte(piece, 10) != _MANY:
        raise _refuse()
    timestamp_ms = _number(piece, 2, 8)
    count = _number(piece, 11, 4)
    if count > next_offset:
        raise _refuse()
    at = 15
    made = []
    for offset in range(next_offset - count, next_offset):
        key, value, places, at = _record_at(piece, at)
        headers = tuple([(piece[a:b].decode(), piece[c:d]) for a, b, c, d in places])
        made.append(make(topic, partition, offset, key, value, headers, timestamp_ms))
    if at != len(piece):
        raise _refuse()
    return made
