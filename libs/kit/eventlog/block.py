"""Records to produce that are bytes already: what compiled code writes, and what a log keeps as it is.

Compiled when there is a compiler (block.pxd): each request of capture makes one.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from libs.kit.eventlog.base import NewRecord, record_bytes

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[NewRecord]).decode
_ARRAY_32 = b"\xdd"


class Block:
    """A sequence of records as bytes, which becomes objects only for whom asks for one.

    payload: its records in MessagePack, one behind the other, each [key, value, [[name, value], ...]] (an encoded
    `NewRecord`). size: what `record_bytes` says of them.
    """

    __slots__ = ("_length", "_parts", "_records", "_whole", "size")

    def __init__(self, payload: bytes, length: int, size: int):
        self.open(payload, length, size)

    def open(self, payload: bytes, length: int, size: int) -> None:
        """What the constructor does."""
        self._whole: bytes = payload
        self._parts: list[bytes] | None = None  # what is to be the whole, while nobody has asked for it
        self._length = length
        self.size = size
        self._records: list[NewRecord] | None = None

    @classmethod
    def of(cls, records: Sequence[NewRecord]) -> "RecordBlock":
        """The block of records, or the block itself."""
        if isinstance(records, RecordBlock):
            return records
        if not isinstance(records, list):
            records = list(records)
        return RecordBlock(_encode(records)[_array_bytes(len(records)) :], len(records), record_bytes(records))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        return self.records()[index]

    def __iter__(self) -> Iterator[NewRecord]:
        return iter(self.records())

    @property
    def payload(self) -> bytes:
        """All of it in one piece."""
        if self._parts is not None:
            self._whole, self._parts = b"".join(self._parts), None
        return self._whole

    def records(self) -> list[NewRecord]:
        """The records as objects, made once."""
        if self._records is None:
            self._records = _decode(_ARRAY_32 + self._length.to_bytes(4, "big") + self.payload)
        return self._records


if TYPE_CHECKING:

    class RecordBlock(Block, Sequence[NewRecord]):
        """See `Block`. A compiled class can say only at run time that it is a `Sequence`."""

else:
    RecordBlock = Block
    Sequence.register(Block)


def _array_bytes(length: int) -> int:
    """How long MessagePack's head of an array is."""
    return 1 if length < 16 else 3 if length < 65_536 else 5


def block_of(payload: bytes, length: int, size: int) -> RecordBlock:
    """`RecordBlock(...)`, at a lower price: compiled, arguments to a class become a tuple."""
    block = Block.__new__(Block)
    block.open(payload, length, size)
    return block  # type: ignore[return-value]  # what a RecordBlock is at run time


def size_of(records: Sequence[NewRecord]) -> int:
    """What `record_bytes` says, without making objects of a block."""
    return records.size if isinstance(records, Block) else record_bytes(records)


def joined(parts: Sequence[Sequence[NewRecord]]) -> Sequence[NewRecord]:
    """All records in order; a block if all parts are."""
    if len(parts) == 1:
        return parts[0]
    for part in parts:
        if not isinstance(part, Block):
            return [record for part in parts for record in part]
    return join_blocks(parts)  # type: ignore[arg-type]  # that all of them are


def join_blocks(blocks: Iterable[RecordBlock]) -> RecordBlock:
    """One block of all, in order. Their bytes are copied only when somebody asks for them."""
    pieces: list[bytes] = []
    length = size = 0
    for block in blocks:
        if block._parts is None:
            pieces.append(block._whole)
        else:
            pieces += block._parts
        length += block._length
        size += block.size
    found = block_of(b"", length, size)
    found._parts = pieces
    return found
