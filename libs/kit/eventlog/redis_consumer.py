"""A member of a group on the Redis log: leases on partitions, reading behind them, fenced commits."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.kit.errors import Fenced, HedgerowError
from libs.kit.eventlog import redis_scripts
from libs.kit.eventlog.base import Assignment, Batch
from libs.kit.eventlog.redis_streams import BLOCK_SECONDS, Incarnation, Source, StreamReader, read_ends
from libs.kit.eventlog.redis_wire import Wire
from libs.kit.settings import KitSettings

# What one fetch holds in memory at most, give or take one read.
FETCH_BYTES = 32 * 1024 * 1024


class Server(Protocol):
    """What a consumer needs of the log it reads."""

    def wire(self, extra_seconds: float = 0.0) -> Wire: ...

    async def incarnation(self, topic: str, *, fresh: bool = False) -> Incarnation: ...


@dataclass(slots=True)
class Lease:
    """A partition this member owns. `next_offset` is read next; below `floor` a commit is from an earlier ownership."""

    assignment: Assignment
    fence: int
    next_offset: int
    floor: int
    committed: int
    leaving: bool = False

    @property
    def settled(self) -> bool:
        """Nothing that was handed out waits for its commit."""
        return self.committed >= self.next_offset


class RedisConsumer:
    """`Consumer`. Members are known by a random name; a member that stays silent for a lease loses what it has."""

    def __init__(self, server: Server, topics: Sequence[str], group: str, settings: KitSettings):
        self._server = server
        self._topics = tuple(topics)
        self._group = group
        self._settings = settings
        self._member = uuid.uuid4().hex
        self._control = server.wire()
        self._wire = server.wire(extra_seconds=BLOCK_SECONDS)
        self._reader = StreamReader(self._wire)
        self._leases: dict[Source, Lease] = {}
        self._known: dict[str, Incarnation] = {}
        self._next_beat = 0.0

    async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Batch]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            await self._beat(may_change=True)
            left = max(0.0, min(deadline, self._next_beat) - loop.time())
            if batches := await self._read(max_records, left):
                return batches
            if loop.time() >= deadline:
                return []

    async def _read(self, max_records: int, block_seconds: float) -> list[Batch]:
        """Read on while partitions fill their share, so that one busy partition can fill the whole batch."""
        parts: dict[Source, list[Batch]] = {}
        total = size = 0
        while total < max_records and size < FETCH_BYTES:
            positions = {source: lease.next_offset for source, lease in self._leases.items() if not lease.leaving}
            if not positions:
                await asyncio.sleep(0.0 if total else block_seconds)
                break
            try:
                read = await self._reader.read(
                    positions, limit=max_records - total, block_seconds=0.0 if total else block_seconds
                )
            except HedgerowError:
                if not total:
                    raise
                break  # what was read so far is behind `next_offset`: given out now or never
            before = total
            for source, batch in read:
                parts.setdefault(source, []).append(batch)
                lease = self._leases.pop(source)
                lease.next_offset = batch.next_offset
                self._leases[source] = lease  # to the end of the order: the others come first next time
                total += len(batch.records)
                size += sum([len(record.value) for record in batch.records])
            if total == before:
                break
        return [_joined(batches) for batches in parts.values()]

    async def keep_alive(self) -> None:
        await self._beat(may_change=False)

    async def _beat(self, *, may_change: bool) -> None:
        """Renew the leases when it is time; `may_change` also takes free partitions and gives up surplus ones."""
        now = asyncio.get_running_loop().time()
        if now < self._next_beat:
            return
        for topic in self._topics:
            await self._join(topic, may_change)
        self._next_beat = now + min(BLOCK_SECONDS, self._settings.log_lease_seconds / 4)

    async def _join(self, topic: str, may_change: bool) -> None:
        known = self._known.get(topic)
        incarnation = await self._server.incarnation(topic) if known is None else known
        answer = await self._control.script(
            redis_scripts.JOIN,
            [
                incarnation.meta,
                incarnation.owners(self._group),
                incarnation.members(self._group),
                incarnation.positions,
                incarnation.ends,
            ],
            [incarnation.log_id, self._group, self._member, self._lease_ms(), int(may_change), incarnation.partitions],
        )
        if answer[0] == b"RECREATED":
            self._forget(topic)
            await self._server.incarnation(topic, fresh=True)
            return
        self._known[topic] = incarnation
        quota, *owned = answer
        self._take(incarnation, {p: (fence, at) for p, fence, at in zip(*[iter(owned)] * 3, strict=True)})
        if may_change:
            await self._give_up_surplus(incarnation, quota)

    def _take(self, incarnation: Incarnation, owned: Mapping[int, tuple[int, int]]) -> None:
        """Make our leases those that the server says we have: partition -> fence, position."""
        for source in [source for source in self._leases if source[0].topic == incarnation.topic]:
            kept = owned.get(source[1])
            if source[0] != incarnation or kept is None or kept[0] != self._leases[source].fence:
                del self._leases[source]
        for partition, (fence, position) in owned.items():
            if (incarnation, partition) not in self._leases:
                assignment = Assignment(incarnation.topic, partition, position)
                self._leases[incarnation, partition] = Lease(assignment, fence, position, position, position)

    async def _give_up_surplus(self, incarnation: Incarnation, quota: int) -> None:
        """Free partitions above our share; one with records that wait for their commit is read no further till then."""
        ours = [source for source in self._leases if source[0] == incarnation]
        ours.sort(key=lambda source: not self._leases[source].settled)
        surplus = ours[: max(0, len(ours) - quota)]
        for source in ours:
            self._leases[source].leaving = source in surplus
        if settled := [source for source in surplus if self._leases[source].settled]:
            await self._release(incarnation, settled, leave=False)

    async def _release(self, incarnation: Incarnation, sources: Sequence[Source], *, leave: bool) -> None:
        pairs = [number for source in sources for number in (source[1], self._leases.pop(source).fence)]
        await self._control.script(
            redis_scripts.RELEASE,
            [incarnation.owners(self._group), incarnation.members(self._group)],
            [self._member, int(leave), *pairs],
        )

    async def commit(self, topic: str, partition: int, next_offset: int) -> None:
        source = self._source(topic, partition)
        lease = self._leases.get(source)
        if lease is None or next_offset < lease.floor:
            raise Fenced(f"{topic}/{partition} is not ours")
        incarnation = source[0]
        answer = await self._control.script(
            redis_scripts.COMMIT,
            [incarnation.meta, incarnation.owners(self._group), incarnation.positions, incarnation.stream(partition)],
            [
                incarnation.log_id,
                self._group,
                self._member,
                partition,
                lease.fence,
                next_offset,
                self._lease_ms(),
                self._settings.log_tail_records,
            ],
        )
        if answer != b"OK":
            self._leases.pop(source, None)
            self._next_beat = 0.0
            raise Fenced(f"{topic}/{partition} has another owner now, or the topic was made again")
        lease.committed = next_offset

    def assignments(self) -> Mapping[tuple[str, int], Assignment]:
        return {(source[0].topic, source[1]): lease.assignment for source, lease in self._leases.items()}

    async def rewind(self, topic: str, partition: int, offset: int) -> None:
        lease = self._leases.get(self._source(topic, partition))
        if lease is None:
            raise Fenced(f"{topic}/{partition} is not ours")
        lease.next_offset = offset
        lease.floor = min(lease.floor, offset)

    async def lag(self) -> Mapping[tuple[str, int], int]:
        ends = {
            (incarnation, partition): end
            for incarnation in {source[0] for source in self._leases}
            for partition, end in enumerate(await read_ends(self._control, incarnation))
        }
        return {
            (source[0].topic, source[1]): max(0, ends[source] - lease.next_offset)
            for source, lease in self._leases.items()
            if source in ends
        }

    async def leave(self) -> None:
        """Give everything back at once, if the server can be reached; otherwise the leases run out by themselves."""
        try:
            for incarnation in self._known.values():
                ours = [source for source in self._leases if source[0] == incarnation]
                await self._release(incarnation, ours, leave=True)
        except HedgerowError:
            pass
        finally:
            self._leases.clear()
            await self._control.close()
            await self._wire.close()

    def _forget(self, topic: str) -> None:
        self._known.pop(topic, None)
        for source in [source for source in self._leases if source[0].topic == topic]:
            del self._leases[source]

    def _source(self, topic: str, partition: int) -> Source:
        known = self._known.get(topic)
        if known is None:
            raise Fenced(f"{topic}/{partition} is not ours")
        return known, partition

    def _lease_ms(self) -> int:
        return int(self._settings.log_lease_seconds * 1000)


def _joined(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    first = batches[0]
    return Batch(first.topic, first.partition, [record for batch in batches for record in batch.records])
