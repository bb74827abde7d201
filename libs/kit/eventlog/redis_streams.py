"""What the Redis log keeps where, and how entries are written and read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import msgspec
import zstandard

from libs.fastpath import records
from libs.kit.eventlog.base import Batch, Headers, Record
from libs.kit.eventlog.redis_wire import Argument, Wire

# An entry holds no more than this, or one record.
ENTRY_RECORDS = 256
ENTRY_BYTES = 64 * 1024
# An entry of at least this much is compressed: of few records the gain is small, and the time for each is not. Level -1
# because Valkey copies an entry some six times: that eight times fewer bytes are copied counts, not the last of them.
COMPRESSED_BYTES = 8 * 1024
_compress = zstandard.ZstdCompressor(level=-1).compress
_decompress = zstandard.ZstdDecompressor().decompress
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"  # an entry as it is begins with `entry_head`
# One read asks for no more than this, so that a backlog does not arrive in memory all at once. A read can only say how
# many entries it wants: how large they are is known from the last one.
READ_ENTRIES = 256
READ_BYTES = 2 * 1024 * 1024
# A blocked read comes back at least this often, so that leases are renewed and a log made again is noticed.
BLOCK_SECONDS = 1.0


def topic_key(topic: str) -> str:
    """The hash that says what the topic is. The braces keep all keys of a topic in one slot of a cluster."""
    return f"log:{{{topic}}}"


@dataclass(frozen=True, slots=True)
class Incarnation:
    """A topic as it is on the server now, and the names of its keys."""

    topic: str
    log_id: str
    partitions: int

    @property
    def meta(self) -> str:
        return topic_key(self.topic)

    @property
    def positions(self) -> str:
        return f"{self.meta}:{self.log_id}:positions"

    @property
    def ends(self) -> str:
        return f"{self.meta}:{self.log_id}:ends"

    def stream(self, partition: int) -> str:
        return f"{self.meta}:{self.log_id}:{partition}"

    def streams(self) -> list[str]:
        return [self.stream(partition) for partition in range(self.partitions)]

    def owners(self, group: str) -> str:
        return f"{self.meta}:{self.log_id}:{group}:owners"

    def members(self, group: str) -> str:
        return f"{self.meta}:{self.log_id}:{group}:members"


# Entries as they were at first, one record each: m, v. They are read as long as a server may have some.
_decode_head = msgspec.msgpack.Decoder(tuple[int, bytes | None, Headers]).decode


def entry_head(timestamp_ms: int) -> bytes:
    """What the records of an entry share, packed."""
    return b"\xcf" + timestamp_ms.to_bytes(8, "big")


def as_kept(entry: bytes) -> bytes:
    """An entry as the server keeps it: compressed, when that is worth the reader's time."""
    if len(entry) < COMPRESSED_BYTES:
        return entry
    compressed = _compress(entry)
    return compressed if len(compressed) < len(entry) * 3 // 4 else entry


def read_entry(topic: str, partition: int, entry: Sequence[Any]) -> list[Record]:
    """The records of an entry as the server answers it: [b"0-SEQUENCE", [b"b", kept]], named for its last record."""
    identity, fields = entry
    end = int(identity[2:])
    if fields[0] == b"b":
        kept = fields[1]
        return records(_decompress(kept) if kept.startswith(_ZSTD_FRAME) else kept, Record, topic, partition, end)
    timestamp_ms, key, headers = _decode_head(fields[1])
    return [Record(topic, partition, end - 1, key, fields[3], headers, timestamp_ms)]


async def read_ends(wire: Wire, incarnation: Incarnation) -> list[int]:
    """The offset the next record of each partition will get."""
    ends = await wire.call("HMGET", incarnation.ends, *range(incarnation.partitions))
    return [int(end or 0) for end in ends]


Source = tuple[Incarnation, int]  # a topic and one of its partitions


class StreamReader:
    """Reads streams by offset through one connection.

    An entry may hold more records than were asked for, or begin below the position. What is left of it waits here, for
    a read that goes on where the last one ended; any other position forgets it.
    """

    def __init__(self, wire: Wire):
        self._wire = wire
        self._ahead: dict[Source, list[Record]] = {}
        # Of the entries read last. Until there are some, large ones of few records: the first read is a short one.
        self._entry_bytes = float(ENTRY_BYTES)
        self._entry_records = 1.0

    async def read(
        self, positions: Mapping[Source, int], *, limit: int, block_seconds: float
    ) -> Sequence[tuple[Source, Batch]]:
        """One read of all `positions`, at most `limit` records in all; waits up to `block_seconds` for the first one.

        When more partitions have records than `limit`, the first ones win: the caller changes their order.
        """
        found = {
            source: ahead
            for source, position in positions.items()
            if (ahead := self._ahead.get(source)) and ahead[0].offset == position
        }
        if not found:
            found = await self._ask(positions, limit, block_seconds)
        self._ahead = {}
        batches = []
        for source, its_records in found.items():
            taken, left = its_records[:limit], its_records[limit:]
            limit -= len(taken)
            if left:
                self._ahead[source] = left
            if taken:
                batches.append((source, Batch(source[0].topic, source[1], taken)))
        return batches

    async def _ask(
        self, positions: Mapping[Source, int], limit: int, block_seconds: float
    ) -> dict[Source, list[Record]]:
        sources = list(positions)
        command: list[Argument] = ["XREAD", "COUNT", self._entries_for(limit, len(sources))]
        if (block_ms := int(min(block_seconds, BLOCK_SECONDS) * 1000)) > 0:  # BLOCK 0 would wait for ever
            command += ("BLOCK", block_ms)
        command.append("STREAMS")
        command += [incarnation.stream(partition) for incarnation, partition in sources]
        command += [f"0-{positions[source]}" for source in sources]
        answer = await self._wire.call(*command)
        by_key = {
            incarnation.stream(partition).encode(): (incarnation, partition) for incarnation, partition in sources
        }
        found = {}
        entries = size = count = 0
        for key, its_entries in answer or ():
            source = by_key[key]
            topic, partition = source[0].topic, source[1]
            entries += len(its_entries)
            its_records = [record for entry in its_entries for record in read_entry(topic, partition, entry)]
            size += sum([len(record.value) for record in its_records])  # in memory, not as it was sent
            count += len(its_records)
            found[source] = _from(its_records, positions[source])
        if entries:
            self._entry_bytes, self._entry_records = size / entries, count / entries
        return found

    def _entries_for(self, limit: int, sources: int) -> int:
        """How many entries of each stream to ask for, if they are like the last ones."""
        wanted = min(limit / self._entry_records, READ_BYTES / max(1.0, self._entry_bytes), READ_ENTRIES)
        return max(1, ceil(wanted / max(1, sources)))


def _from(its_records: list[Record], position: int) -> list[Record]:
    """Those at or above the position; only the first entry of a read has others."""
    below = 0
    while below < len(its_records) and its_records[below].offset < position:
        below += 1
    return its_records[below:] if below else its_records
