"""What the Redis log keeps where, and how entries are written and read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from libs.kit.eventlog.base import Batch, Headers, Record
from libs.kit.eventlog.redis_wire import Argument, Wire

# One read asks for no more than this, so that a backlog of large records does not arrive in memory all at once.
READ_RECORDS = 256
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

    def stream(self, partition: int) -> str:
        return f"{self.meta}:{self.log_id}:{partition}"

    def streams(self) -> list[str]:
        return [self.stream(partition) for partition in range(self.partitions)]

    def owners(self, group: str) -> str:
        return f"{self.meta}:{self.log_id}:{group}:owners"

    def members(self, group: str) -> str:
        return f"{self.meta}:{self.log_id}:{group}:members"


_encode_head = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(tuple[int, bytes | None, Headers]).decode


def entry_head(timestamp_ms: int, key: bytes | None, headers: Headers) -> bytes:
    """All of a record but its value, packed."""
    return _encode_head((timestamp_ms, key, headers))


def read_entry(topic: str, partition: int, entry: Sequence[Any]) -> Record:
    """An entry as the server answers it: [b"0-SEQUENCE", [b"m", head, b"v", value]]."""
    identity, fields = entry
    timestamp_ms, key, headers = _decode_head(fields[1])
    return Record(topic, partition, int(identity[2:]) - 1, key, fields[3], headers, timestamp_ms)


Source = tuple[Incarnation, int]  # a topic and one of its partitions


async def read_streams(
    wire: Wire, positions: Mapping[Source, int], *, limit: int, block_seconds: float
) -> Sequence[tuple[Source, Batch]]:
    """One read of all `positions`, at most `limit` records in all; waits up to `block_seconds` for the first one.

    When more partitions have records than `limit`, the first ones win: the caller changes their order.
    """
    limit = min(limit, READ_RECORDS)
    sources = list(positions)
    command: list[Argument] = ["XREAD", "COUNT", max(1, limit // max(1, len(sources)))]
    if (block_ms := int(min(block_seconds, BLOCK_SECONDS) * 1000)) > 0:  # BLOCK 0 would wait for ever
        command += ("BLOCK", block_ms)
    command.append("STREAMS")
    command += [incarnation.stream(partition) for incarnation, partition in sources]
    command += [f"0-{positions[source]}" for source in sources]
    answer = await wire.call(*command)
    by_key = {incarnation.stream(partition).encode(): (incarnation, partition) for incarnation, partition in sources}
    return [(by_key[key], _batch(by_key[key], entries)) for key, entries in (answer or ())[:limit]]


def _batch(source: Source, entries: Sequence[Any]) -> Batch:
    incarnation, partition = source
    return Batch(incarnation.topic, partition, [read_entry(incarnation.topic, partition, entry) for entry in entries])
