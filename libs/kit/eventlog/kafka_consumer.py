"""A member of a Kafka consumer group: manual commits, and an account of what it owns."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from libs.kit.errors import Fenced, OutcomeUnknown, Unavailable
from libs.kit.eventlog.base import Assignment, Batch, Record
from libs.kit.settings import KitSettings

# Asking for records of a partition that nobody has tells aiokafka that we still poll, and returns none.
NOWHERE = TopicPartition("hedgerow-keep-alive", 0)


def records_of(entries: Sequence[Any]) -> list[Record]:
    """aiokafka's records as ours."""
    return [
        Record(
            entry.topic, entry.partition, entry.offset, entry.key, entry.value or b"", entry.headers, entry.timestamp
        )
        for entry in entries
    ]


@dataclass(slots=True)
class Holding:
    """A partition this member owns; below `floor` a commit is from an earlier ownership."""

    assignment: Assignment
    next_offset: int
    floor: int


class Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what the group gives and takes. It must not wait: the coordinator waits for it."""

    def __init__(self) -> None:
        self.generation = 0
        self.held: dict[TopicPartition, Holding] = {}
        self.arrived: set[TopicPartition] = set()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._begin(())

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._begin(assigned)

    def _begin(self, assigned: Iterable[TopicPartition]) -> None:
        self.generation += 1
        self.held.clear()
        self.arrived.clear()
        self.arrived.update(assigned)


@dataclass(slots=True)
class Reading:
    """A `getmany` under way. `generation`: the assignment it was begun under; `rewound` since then: not to be used."""

    task: "asyncio.Task[dict[TopicPartition, list[Any]]]"
    generation: int
    rewound: set[TopicPartition] = field(default_factory=set)


class KafkaConsumer:
    """`Consumer`. It joins its group at the first fetch, so that brokers may be away when a process starts."""

    def __init__(self, options: dict[str, Any], topics: Sequence[str], group: str, settings: KitSettings):
        self._options = options
        self._topics = tuple(topics)
        self._group = group
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._group_state = Rebalances()
        self._held = self._group_state.held
        self._reading: Reading | None = None

    async def _joined(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            lease_ms = int(self._settings.log_lease_seconds * 1000)
            consumer = AIOKafkaConsumer(
                **self._options,
                group_id=self._group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=lease_ms,
                heartbeat_interval_ms=max(100, lease_ms // 5),
                max_poll_interval_ms=int(self._settings.kafka_max_poll_seconds * 1000),
                max_partition_fetch_bytes=self._settings.kafka_max_message_bytes,
            )
            consumer.subscribe(list(self._topics), listener=self._group_state)
            try:
                async with asyncio.timeout(self._settings.log_timeout_seconds):
                    await consumer.start()
            except (KafkaError, OSError, TimeoutError) as exc:
                await consumer.stop()
                raise Unavailable(f"the event log cannot be reached: {exc!r}") from exc
            self._consumer = consumer
        return self._consumer

    async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Batch]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        consumer = await self._joined()
        while True:
            try:
                await self._take_arrived(consumer)
                found = await self._read(consumer, max_records, max(0.0, deadline - loop.time()))
            except (KafkaError, OSError, TimeoutError) as exc:
                raise Unavailable(f"the event log cannot be read: {exc!r}") from exc
            batches = [self._batch(place, entries) for place, entries in found.items()]
            if batches or loop.time() >= deadline:
                return batches

    async def _take_arrived(self, consumer: AIOKafkaConsumer) -> None:
        """Start reading what the group has given us since the last fetch at the group's positions.

        They are asked for and set by hand: where aiokafka stands may already be behind records that a `getmany` of
        an earlier generation took with it.
        """
        state = self._group_state
        if not state.arrived or self._reading is not None:
            return
        generation, places = state.generation, sorted(state.arrived)
        async with asyncio.timeout(self._settings.log_timeout_seconds):
            positions = {place: await consumer.committed(place) for place in places}
            if fresh := [place for place, position in positions.items() if position is None]:
                positions |= await consumer.beginning_offsets(fresh)
        if generation != state.generation:
            return
        with contextlib.suppress(IllegalStateError):  # taken away again: the listener will say so
            for place in places:
                position = positions[place]
                consumer.seek(place, position)
                self._held[place] = Holding(Assignment(place.topic, place.partition, position), position, position)
                state.arrived.discard(place)

    async def _read(
        self, consumer: AIOKafkaConsumer, max_records: int, timeout: float
    ) -> dict[TopicPartition, list[Any]]:
        """`getmany`, which itself waits without end while the group rebalances: it then goes on across fetches.

        Cancelling it instead would make aiokafka believe for ever that we are polling.
        """
        if self._reading is None:
            patience = min(timeout, 1.0) if self._held else 0.0
            reading = consumer.getmany(
                *(self._held or [NOWHERE]), timeout_ms=int(patience * 1000), max_records=max_records
            )
            self._reading = Reading(asyncio.create_task(reading), self._group_state.generation)
        under_way = self._reading
        done, _ = await asyncio.wait({under_way.task}, timeout=timeout + 0.01)
        if not done:
            return {}
        self._reading = None
        if under_way.task.cancelled():
            raise Unavailable("the event log cannot be read: aiokafka gave up")
        found = under_way.task.result()
        if under_way.generation != self._group_state.generation:
            return {}
        for place in under_way.rewound & found.keys():
            del found[place]
            consumer.seek(place, self._held[place].next_offset)
        if not self._held:
            await asyncio.sleep(min(timeout, 0.02))
        return found

    def _batch(self, place: TopicPartition, entries: Sequence[Any]) -> Batch:
        held = self._held.pop(place)
        batch = Batch(place.topic, place.partition, records_of(entries))
        held.next_offset = batch.next_offset
        self._held[place] = held
        return batch

    async def keep_alive(self) -> None:
        reads = self._reading is not None and not self._reading.task.done()  # one that has ended polls no more
        if self._consumer is not None and self._held and not reads:
            await self._consumer.getmany(NOWHERE, timeout_ms=0)

    async def commit(self, topic: str, partition: int, next_offset: int) -> None:
        place = TopicPartition(topic, partition)
        held = self._held.get(place)
        if held is None or next_offset < held.floor or self._consumer is None:
            raise Fenced(f"{topic}/{partition} is not ours")
        try:
            async with asyncio.timeout(self._settings.log_timeout_seconds):
                await self._consumer.commit({place: next_offset})
        except (CommitFailedError, IllegalStateError) as exc:
            self._held.pop(place, None)
            raise Fenced(f"{topic}/{partition} has another owner now") from exc
        except (KafkaError, OSError, TimeoutError) as exc:
            raise OutcomeUnknown(f"the event log did not confirm the position: {exc!r}") from exc

    def assignments(self) -> Mapping[tuple[str, int], Assignment]:
        return {(place.topic, place.partition): held.assignment for place, held in self._held.items()}

    async def rewind(self, topic: str, partition: int, offset: int) -> None:
        place = TopicPartition(topic, partition)
        held = self._held.get(place)
        if held is None or self._consumer is None:
            raise Fenced(f"{topic}/{partition} is not ours")
        try:
            self._consumer.seek(place, offset)
        except IllegalStateError as exc:
            raise Fenced(f"{topic}/{partition} is not ours") from exc
        if self._reading is not None:
            self._reading.rewound.add(place)
        held.next_offset = offset
        held.floor = min(held.floor, offset)

    async def lag(self) -> Mapping[tuple[str, int], int]:
        if self._consumer is None or not self._held:
            return {}
        try:
            ends = await self._consumer.end_offsets(list(self._held))
        except (KafkaError, OSError) as exc:
            raise Unavailable(f"the event log cannot be reached: {exc!r}") from exc
        return {
            (place.topic, place.partition): max(0, end - self._held[place].next_offset)
            for place, end in ends.items()
            if place in self._held
        }

    async def leave(self) -> None:
        """Leave the group, which hands the partitions on at once."""
        self._held.clear()
        if self._reading is not None:
            self._reading.task.cancel()
        if self._consumer is not None:
            # As a task: when brokers are away, aiokafka lets a cancellation of its own tasks out of `stop`.
            stopping = asyncio.create_task(self._consumer.stop())
            await asyncio.wait({stopping}, timeout=self._settings.log_timeout_seconds)
            if not stopping.cancel() and not stopping.cancelled():
                stopping.exception()  # looked at: a group that cannot be told will find out by itself
