"""The event log in Kafka (or what speaks its protocol), through aiokafka."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from libs.fastpath import partition_of
from libs.kit.clock import Clock
from libs.kit.errors import HedgerowError, OutcomeUnknown, PayloadTooLarge, Unavailable
from libs.kit.eventlog.base import NewRecord, Record, Tail, Topic, record_bytes
from libs.kit.eventlog.inflight import InflightBytes
from libs.kit.eventlog.kafka_connection import connection_options
from libs.kit.eventlog.kafka_consumer import KafkaConsumer, records_of
from libs.kit.eventlog.kafka_metadata import TopicDescription, describe_topics
from libs.kit.eventlog.kafka_producer import BatchProducer, Share
from libs.kit.measured import measured
from libs.kit.settings import KitSettings


class KafkaEventLog:
    """`EventLog` on a Kafka cluster: idempotent producer, acks of all replicas in sync, offsets committed by hand."""

    def __init__(self, settings: KitSettings, clock: Clock):
        self._settings = settings
        self._clock = clock
        self._options = connection_options(settings)
        self._round_robin = count()
        self._client: AIOKafkaClient | None = None
        self._opening = asyncio.Lock()
        self._known: set[str] = set()
        self._inflight = InflightBytes(settings.log_inflight_bytes, settings.log_timeout_seconds)
        self._producer = BatchProducer(
            self._options, batch_bytes=settings.kafka_batch_bytes, timeout_seconds=settings.log_timeout_seconds
        )

    async def ensure(self, topics: Sequence[Topic]) -> None:
        existing = await self._describe([topic.name for topic in topics])
        missing = [topic for topic in topics if topic.name not in existing]
        if not missing:
            return
        admin = AIOKafkaAdminClient(**self._options)
        try:
            async with asyncio.timeout(self._settings.log_timeout_seconds):
                await admin.start()
                answer = await admin.create_topics([self._new_topic(topic) for topic in missing])
        except (KafkaError, OSError, TimeoutError) as exc:
            raise Unavailable(f"the event log cannot create topics: {exc!r}") from exc
        finally:
            await admin.close()
        for name, code, *message in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise Unavailable(f"the event log did not create {name}: {for_code(code).__name__} {message}")
        await self._visible([topic.name for topic in missing])

    def _new_topic(self, topic: Topic) -> NewTopic:
        settings = self._settings
        return NewTopic(
            topic.name,
            settings.log_partitions,
            settings.kafka_replication_factor,
            topic_configs={
                "retention.ms": str(topic.retention_hours * 3_600_000),
                "min.insync.replicas": str(settings.kafka_min_insync_replicas),
                "max.message.bytes": str(settings.kafka_max_message_bytes),
            },
        )

    async def _visible(self, topics: list[str]) -> None:
        """Wait until every broker's answer shows the topics, with leaders."""
        async with asyncio.timeout(self._settings.log_timeout_seconds):
            while True:
                found = await self._describe(topics)
                if len(found) == len(topics) and not any(description.leaderless for description in found.values()):
                    return
                await asyncio.sleep(0.05)

    async def _describe(self, topics: list[str]) -> dict[str, TopicDescription]:
        client = await self._opened()
        try:
            async with asyncio.timeout(self._settings.log_timeout_seconds):
                return await describe_topics(client, topics)
        except (KafkaError, OSError, TimeoutError) as exc:
            raise Unavailable(f"the event log cannot be reached: {exc!r}") from exc

    async def _opened(self) -> AIOKafkaClient:
        """A client of our own, for questions about topics."""
        async with self._opening:
            if self._client is None:
                client = AIOKafkaClient(**self._options)
                try:
                    await client.bootstrap()
                except (KafkaError, OSError) as exc:
                    await client.close()
                    raise Unavailable(f"the event log cannot be reached: {exc!r}") from exc
                self._client = client
            return self._client

    async def _one(self, topic: str) -> TopicDescription:
        found = await self._describe([topic])
        if topic not in found:
            raise Unavailable(f"there is no topic {topic} in the event log")
        self._known.add(topic)
        return found[topic]

    async def log_id(self, topic: str) -> str:
        return (await self._one(topic)).log_id

    async def partitions(self, topic: str) -> int:
        return (await self._one(topic)).partitions

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        with measured("log", "produce", self._clock):
            await self._produce(topic, records)

    async def _produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        if not records:
            return
        deadline = asyncio.get_running_loop().time() + self._settings.log_timeout_seconds
        if topic not in self._known:
            await self._one(topic)  # aiokafka would ask for a missing topic over and over
        partitions = await self._producer.partitions(topic)
        by_partition: defaultdict[int, list[NewRecord]] = defaultdict(list)
        for record in records:
            key = record.key
            partition = next(self._round_robin) % partitions if key is None else partition_of(key, partitions)
            by_partition[partition].append(record)
        sizes = {partition: record_bytes(its_records) for partition, its_records in by_partition.items()}
        async with self._inflight.reserved(sum(sizes.values())):
            await self._send(topic, by_partition, sizes, deadline)

    async def _send(
        self, topic: str, by_partition: Mapping[int, Sequence[NewRecord]], sizes: Mapping[int, int], deadline: float
    ) -> None:
        now_ms = int(self._clock.now().timestamp() * 1000)
        shares: dict[int, Share] = {}
        try:
            for partition, its_records in by_partition.items():
                shares[partition] = self._producer.submit(topic, partition, its_records, sizes[partition], now_ms)
            futures = [share.done for share in shares.values()]
            await asyncio.wait(futures, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        except BaseException:
            for partition, share in shares.items():
                self._producer.withdraw(topic, partition, share)
            raise
        self._conclude(topic, shares)

    def _conclude(self, topic: str, shares: dict[int, Share]) -> None:
        """Raise what became of the shares, taken together; return when all are durable."""
        written = 0
        errors: list[HedgerowError] = []
        for partition, share in shares.items():
            if not share.done.done():
                if self._producer.withdraw(topic, partition, share):
                    errors.append(Unavailable(f"{topic}/{partition} did not take the records in time"))
                else:
                    errors.append(OutcomeUnknown(f"{topic}/{partition} did not acknowledge in time"))
            elif (error := share.done.exception()) is None:
                written += 1
            elif isinstance(error, HedgerowError):
                errors.append(error)
            else:
                raise error
        if not errors:
            return
        unknown = [error for error in errors if isinstance(error, OutcomeUnknown)]
        refused = [error for error in errors if isinstance(error, PayloadTooLarge)]
        if unknown:
            raise unknown[0]
        first = (refused or errors)[0]
        if written:
            raise OutcomeUnknown(f"only some records were written: {first.detail}") from first
        raise first

    @asynccontextmanager
    async def consumer(self, topics: Sequence[str], group: str) -> AsyncIterator[KafkaConsumer]:
        consumer = KafkaConsumer(self._options, topics, group, self._settings)
        try:
            yield consumer
        finally:
            await asyncio.shield(consumer.leave())

    @asynccontextmanager
    async def tail(self, topic: str, *, last: int = 0) -> AsyncIterator[Tail]:
        await self._one(topic)
        consumer = AIOKafkaConsumer(**self._options, enable_auto_commit=False, auto_offset_reset="latest")
        try:
            try:
                async with asyncio.timeout(self._settings.log_timeout_seconds):
                    await consumer.start()
                    behind = await _seek_before_end(consumer, topic, await self.partitions(topic), last)
            except (KafkaError, OSError, TimeoutError) as exc:
                raise Unavailable(f"the event log cannot be reached: {exc!r}") from exc
            yield KafkaTail(consumer, behind)
        finally:
            await consumer.stop()

    async def check(self) -> None:
        described = await self._describe(sorted(self._known))
        for name, description in described.items():
            if description.leaderless:
                raise Unavailable(f"{name} has partitions without a leader")
        if stalled := self._producer.stalled():
            raise Unavailable(f"not acknowledged for too long: {stalled}")

    async def close(self) -> None:
        await self._producer.close()
        if self._client is not None:
            with contextlib.suppress(KafkaError, OSError):
                await self._client.close()


async def _seek_before_end(
    consumer: AIOKafkaConsumer, topic: str, partitions: int, last: int
) -> dict[TopicPartition, int]:
    """Returns the ends of partitions that have records to read before them."""
    places = [TopicPartition(topic, partition) for partition in range(partitions)]
    consumer.assign(places)
    begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    for place in places:
        consumer.seek(place, max(begins[place], ends[place] - last))
    return {place: ends[place] for place in places if ends[place] > max(begins[place], ends[place] - last)}


class KafkaTail:
    """`Tail`: a consumer that belongs to no group."""

    def __init__(self, consumer: AIOKafkaConsumer, behind: dict[TopicPartition, int]):
        self._consumer = consumer
        self._behind = behind

    @property
    def caught_up(self) -> bool:
        return not self._behind

    async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Record]:
        try:
            found = await self._consumer.getmany(timeout_ms=int(timeout * 1000), max_records=max_records)
        except KafkaError as exc:
            raise Unavailable(f"the event log cannot be read: {exc!r}") from exc
        for place, entries in found.items():
            if entries and entries[-1].offset + 1 >= self._behind.get(place, entries[-1].offset + 2):
                del self._behind[place]
        return [record for entries in found.values() for record in records_of(entries)]
