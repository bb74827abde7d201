"""What an event log promises, whichever engine keeps it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import msgspec

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as declared in `kit.contracts.topics`.

    groups: the consumer groups that hold trimming back (Redis Streams trims behind the slowest of them; Kafka by
        retention). Live views read the tail without a group.
    admission: share of the log's memory up to which this topic may be written (Redis Streams). New events stop at a
        lower mark than the stages behind them, so a full log always drains. None: the setting `log_admission_ratio`.
    retention_hours: what a Kafka topic is created with.
    """

    name: str
    groups: tuple[str, ...] = ()
    admission: float | None = None
    retention_hours: int = 24


class NewRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record to produce. Records of one key keep their order (Kafka's murmur2 partitioner on both backends).

    A key of None spreads round robin. Encoded, its fields go without their names: the write-ahead log's format.
    """

    key: bytes | None
    value: bytes
    headers: Headers = ()


def record_bytes(records: Sequence[NewRecord]) -> int:
    """The bytes of the records' keys and values."""
    return sum([len(record.value) + len(record.key or b"") for record in records])


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record read. `offset` is dense from 0 per partition on Redis, increasing on Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Headers
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """This consumer owns the partition, from `position` (the group's committed offset: the next one to read)."""

    topic: str
    partition: int
    position: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one fetch returned: records in offset order, all of one partition; never empty."""

    topic: str
    partition: int
    records: Sequence[Record]

    @property
    def next_offset(self) -> int:
        """The position to commit once the whole batch is settled."""
        return self.records[-1].offset + 1


class Consumer(Protocol):
    """One member of a group. At least once: a record comes back until `commit` has moved past it.

    Ownership is exclusive: on both backends a partition has one owner, and a former owner's `commit` raises Fenced.
    """

    async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Batch]:
        """Up to `max_records` in all, as one Batch per partition; empty after `timeout` seconds without records.

        Each call continues behind what the last one returned; one that raises has passed over nothing. While nothing is
        fetched for long, `keep_alive` must run. Raises Unavailable while the log is away, also for the first time;
        leases and positions outlast that.
        """

    async def keep_alive(self) -> None:
        """Say that this member lives while a batch is being retried; partitions stay its own. Cheap; call often."""

    async def commit(self, topic: str, partition: int, next_offset: int) -> None:
        """Move the group's position durably. Raises Fenced when the partition is no longer ours.

        Unavailable and OutcomeUnknown may be tried again: moving a position twice is the same as once.
        """

    def assignments(self) -> Mapping[tuple[str, int], Assignment]:
        """What this member owns now. A partition that left and came back has a new Assignment object."""

    async def rewind(self, topic: str, partition: int, offset: int) -> None:
        """Let the next fetch of this partition start at `offset`. Raises Fenced when the partition is not ours."""

    async def lag(self) -> Mapping[tuple[str, int], int]:
        """Records behind the end, per owned partition."""


class Tail(Protocol):
    """Reads new records of all partitions without a group: nothing is committed, nothing is held back.

    A tail that falls behind what is still kept skips forward; it is for live views.
    """

    async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Record]:
        """Newest records since the last call, in partition order; empty after `timeout` seconds."""

    @property
    def caught_up(self) -> bool:
        """Whether all that was there when the tail was opened has been fetched. On Kafka an empty fetch says nothing:
        the brokers may not have answered yet."""


class EventLog(Protocol):
    """Durable, partitioned, ordered per key."""

    async def ensure(self, topics: Sequence[Topic]) -> None:
        """Create what is missing; change nothing that exists. Idempotent and safe to run in many processes."""

    async def log_id(self, topic: str) -> str:
        """Identity of this incarnation of the topic: a topic deleted and created again has another one."""

    async def partitions(self, topic: str) -> int:
        """How many partitions it has."""

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        """Return when every record is durable.

        Raises LogFull (nothing written), Unavailable (nothing written), OutcomeUnknown (some may have been written:
        consumers must expect copies) or PayloadTooLarge (Kafka: a record larger than the topic takes; sending it again
        is of no use). What is in flight is bounded in bytes (`log_inflight_bytes`): beyond it callers wait,
        and beyond twice that they get Unavailable at once.
        """

    def consumer(self, topics: Sequence[str], group: str) -> AbstractAsyncContextManager[Consumer]:
        """Join `group`; leaving the context gives the partitions back at once."""

    def tail(self, topic: str, *, last: int = 0) -> AbstractAsyncContextManager[Tail]:
        """Read without a group from the end, or from `last` records of each partition before it, if still kept.

        Raises Unavailable when the topic cannot be found.
        """

    async def check(self) -> None:
        """Raise Unavailable (LogFull, when that is why) unless the log can take a new event now."""

    async def close(self) -> None:
        """Flush and close."""
