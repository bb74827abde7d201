"""An event log in memory, for unit tests of loops. The suite of the real ones holds it to the same contract.

Give it a ManualClock and nothing takes real time: a fetch that finds nothing moves the clock by its timeout.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from libs.fastpath import partition_of
from libs.kit.clock import Clock
from libs.kit.errors import Fenced, HedgerowError, LogFull, Unavailable
from libs.kit.eventlog.base import Assignment, Batch, NewRecord, Record, Tail, Topic

Place = tuple[str, int]


@dataclass(slots=True)
class Ownership:
    """Who has a partition of a group, and until when."""

    member: str = ""
    fence: int = 0
    expires: float = 0.0


@dataclass(slots=True)
class Partition:
    """What is kept of a partition: `records[0]` has the offset `first`."""

    first: int = 0
    records: list[Record] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.first + len(self.records)

    def read(self, offset: int, limit: int) -> list[Record]:
        start = max(0, offset - self.first)
        return self.records[start : start + limit]

    def trim(self, offset: int) -> None:
        if offset > self.first:
            del self.records[: offset - self.first]
            self.first = offset


@dataclass(slots=True)
class Group:
    """A consumer group on one topic."""

    positions: dict[int, int] = field(default_factory=dict)
    owners: dict[int, Ownership] = field(default_factory=dict)
    members: dict[str, float] = field(default_factory=dict)

    def quota(self, member: str, partitions: int) -> int:
        """How many partitions are the member's share; the shares of all members make up all partitions."""
        rank = sorted(self.members).index(member)
        return partitions // len(self.members) + (rank < partitions % len(self.members))


@dataclass(slots=True)
class TopicState:
    """One incarnation of a topic."""

    declared: Topic
    partitions: list[Partition]
    log_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    groups: dict[str, Group] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group())

    def trim(self, partition: int) -> None:
        positions = [self.group(name).positions.get(partition, 0) for name in self.declared.groups]
        if positions:
            self.partitions[partition].trim(min(positions))


class MemoryEventLog:
    """`EventLog`. Several users of one object are several clients of one log.

    capacity: records of all topics together; None for no end. `admission` is a share of it.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        partitions: int = 4,
        capacity: int | None = None,
        admission: float = 0.7,
        lease_seconds: float = 10.0,
    ):
        self.clock = clock
        self.lease_seconds = lease_seconds
        self.topics: dict[str, TopicState] = {}
        self._partitions = partitions
        self._capacity = capacity
        self._admission = admission
        self._round_robin = count()
        self._failures: list[tuple[HedgerowError, bool]] = []
        self._produced = asyncio.Event()

    def fail_next(self, error: HedgerowError, *, written: bool = False) -> None:
        """Let one more `produce` raise `error`; `written` keeps the records all the same, as a lost answer does."""
        self._failures.append((error, written))

    def delete(self, topic: str) -> None:
        """Delete a topic; `ensure` then makes another incarnation of it."""
        del self.topics[topic]

    def records(self, topic: str) -> list[Record]:
        """Everything kept, by partition and offset."""
        return [record for partition in self.state(topic).partitions for record in partition.records]

    def committed(self, topic: str, group: str) -> Mapping[int, int]:
        """The group's positions: partition -> next offset."""
        return dict(self.state(topic).group(group).positions)

    def state(self, topic: str) -> TopicState:
        """The topic; raises Unavailable when there is none."""
        if topic not in self.topics:
            raise Unavailable(f"there is no topic {topic} in the event log")
        return self.topics[topic]

    async def ensure(self, topics: Sequence[Topic]) -> None:
        for topic in topics:
            known = self.topics.get(topic.name)
            if known is None:
                self.topics[topic.name] = TopicState(topic, [Partition() for _ in range(self._partitions)])
            else:
                known.declared = topic

    async def log_id(self, topic: str) -> str:
        return self.state(topic).log_id

    async def partitions(self, topic: str) -> int:
        return len(self.state(topic).partitions)

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        await asyncio.sleep(0)
        state = self.state(topic)
        error, written = self._failures.pop(0) if self._failures else (None, True)
        if written:
            self._admit(state.declared)
            self._append(state, records)
        if error:
            raise error

    def _append(self, state: TopicState, records: Sequence[NewRecord]) -> None:
        now_ms = int(self.clock.now().timestamp() * 1000)
        total = len(state.partitions)
        for new in records:
            number = next(self._round_robin) % total if new.key is None else partition_of(new.key, total)
            partition = state.partitions[number]
            partition.records.append(
                Record(state.declared.name, number, partition.end, new.key, new.value, new.headers, now_ms)
            )
        self._produced.set()
        self._produced = asyncio.Event()

    def _admit(self, topic: Topic) -> None:
        if self._capacity is None:
            return
        kept = sum(len(partition.records) for state in self.topics.values() for partition in state.partitions)
        if kept >= self._capacity * (topic.admission or self._admission):
            raise LogFull(f"the event log has no room for {topic.name}")

    @asynccontextmanager
    async def consumer(self, topics: Sequence[str], group: str) -> AsyncIterator["MemoryConsumer"]:
        consumer = MemoryConsumer(self, topics, group)
        try:
            yield consumer
        finally:
            consumer.leave()

    @asynccontextmanager
    async def tail(self, topic: str, *, last: int = 0) -> AsyncIterator[Tail]:
        yield MemoryTail(self, topic, last)

    async def check(self) -> None:
        self._admit(Topic("new events"))

    async def close(self) -> None:
        """Nothing to close."""

    async def wait(self, seconds: float) -> None:
        """Until something is produced, or the clock says that `seconds` passed."""
        produced = asyncio.ensure_future(self._produced.wait())
        passed = asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            await asyncio.wait({produced, passed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            produced.cancel()
            passed.cancel()


@dataclass(slots=True)
class Holding:
    """A partition this member owns; `floor` is the lowest offset it may commit."""

    assignment: Assignment
    log_id: str
    fence: int
    next_offset: int
    floor: int


class MemoryConsumer:
    """`Consumer`. Silent for a lease, it loses its partitions to the others."""

    def __init__(self, log: MemoryEventLog, topics: Sequence[str], group: str):
        self._log = log
        self._topics = tuple(topics)
        self._group = group
        self._member = uuid.uuid4().hex
        self._held: dict[Place, Holding] = {}

    async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Batch]:
        deadline = self._log.clock.monotonic() + timeout
        while True:
            self._renew(may_change=True)
            if batches := self._read(max_records):
                await asyncio.sleep(0)
                return batches
            left = deadline - self._log.clock.monotonic()
            if left <= 0:
                await asyncio.sleep(0)
                return []
            await self._log.wait(min(left, self._log.lease_seconds / 4))

    def _read(self, max_records: int) -> list[Batch]:
        batches = []
        for (topic, partition), held in list(self._held.items()):
            records = self._log.state(topic).partitions[partition].read(held.next_offset, max_records)
            if not records:
                continue
            held.next_offset = records[-1].offset + 1
            self._held[topic, partition] = self._held.pop((topic, partition))
            batches.append(Batch(topic, partition, records))
            max_records -= len(records)
            if max_records <= 0:
                break
        return batches

    async def keep_alive(self) -> None:
        self._renew(may_change=False)
        await asyncio.sleep(0)

    def _renew(self, *, may_change: bool) -> None:
        now = self._log.clock.monotonic()
        for topic in self._topics:
            state = self._log.state(topic)
            group = state.group(self._group)
            group.members[self._member] = now + self._log.lease_seconds
            for member in [name for name, expires in group.members.items() if expires < now]:
                del group.members[member]
            owners = [group.owners.setdefault(number, Ownership()) for number in range(len(state.partitions))]
            if may_change:
                self._balance(group, owners, now)
            for number, owner in enumerate(owners):
                self._settle(state, number, owner, now)

    def _balance(self, group: Group, owners: Sequence[Ownership], now: float) -> None:
        quota = group.quota(self._member, len(owners))
        mine = [owner for owner in owners if owner.member == self._member]
        for owner in mine[quota:]:
            owner.member, owner.expires = "", 0.0
        free = [owner for owner in owners if owner.member != self._member and owner.expires <= now]
        for owner in free[: max(0, quota - len(mine))]:
            owner.member, owner.fence = self._member, owner.fence + 1

    def _settle(self, state: TopicState, number: int, owner: Ownership, now: float) -> None:
        """Make what we hold agree with who owns the partition."""
        place = (state.declared.name, number)
        held = self._held.get(place)
        if owner.member != self._member:
            self._held.pop(place, None)
            return
        owner.expires = now + self._log.lease_seconds
        if held is None or held.fence != owner.fence or held.log_id != state.log_id:
            position = state.group(self._group).positions.get(number, 0)
            self._held[place] = Holding(Assignment(*place, position), state.log_id, owner.fence, position, position)

    async def commit(self, topic: str, partition: int, next_offset: int) -> None:
        await asyncio.sleep(0)
        held = self._holding(topic, partition)
        state = self._log.state(topic)
        owner = state.group(self._group).owners.get(partition, Ownership())
        ours = (owner.member, owner.fence, state.log_id) == (self._member, held.fence, held.log_id)
        if not ours or next_offset < held.floor:
            self._held.pop((topic, partition), None)
            raise Fenced(f"{topic}/{partition} has another owner now")
        state.group(self._group).positions[partition] = next_offset
        state.trim(partition)

    def assignments(self) -> Mapping[Place, Assignment]:
        return {place: held.assignment for place, held in self._held.items()}

    async def rewind(self, topic: str, partition: int, offset: int) -> None:
        held = self._holding(topic, partition)
        held.next_offset = offset
        held.floor = min(held.floor, offset)

    async def lag(self) -> Mapping[Place, int]:
        return {
            (topic, number): max(0, self._log.state(topic).partitions[number].end - held.next_offset)
            for (topic, number), held in self._held.items()
        }

    def _holding(self, topic: str, partition: int) -> Holding:
        held = self._held.get((topic, partition))
        if held is None:
            raise Fenced(f"{topic}/{partition} is not ours")
        return held

    def leave(self) -> None:
        """Give everything back."""
        for topic in self._topics:
            if topic not in self._log.topics:
                continue
            group = self._log.state(topic).group(self._group)
            group.members.pop(self._member, None)
            for owner in group.owners.values():
                if owner.member == self._member:
                    owner.member, owner.expires = "", 0.0
        self._held.clear()


class MemoryTail:
    """`Tail`."""

    def __init__(self, log: MemoryEventLog, topic: str, last: int):
        self._log = log
        self._topic = topic
        self._next = [max(0, partition.end - last) for partition in log.state(topic).partitions]
        self._ends = [partition.end for partition in log.state(topic).partitions]

    @property
    def caught_up(self) -> bool:
        return all(at >= end for at, end in zip(self._next, self._ends, strict=True))

    async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Record]:
        deadline = self._log.clock.monotonic() + timeout
        while True:
            found: list[Record] = []
            for number, partition in enumerate(self._log.state(self._topic).partitions):
                records = partition.read(self._next[number], max_records - len(found))
                if records:
                    self._next[number] = records[-1].offset + 1
                    found += records
            left = deadline - self._log.clock.monotonic()
            if found or left <= 0:
                await asyncio.sleep(0)
                return found
            await self._log.wait(left)
