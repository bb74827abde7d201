"""The event log in Redis Streams: a stream per partition, read by offset, with Kafka's semantics.

An entry holds many records and is named for the last of them: 0-N ends with offset N - 1. Offsets have no gaps, and
`XREAD 0-POSITION` answers just the entries that still have records at or above the position. A produce is one script:
it checks the log's identity and memory, then writes all of its records or none. Trimming follows the declared groups'
positions (`redis_scripts.COMMIT`). Durable means `appendfsync always` on the server: so the supervisor starts it.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from libs.fastpath import pieces
from libs.kit.clock import Clock
from libs.kit.errors import LogFull, OutcomeUnknown, Unavailable
from libs.kit.eventlog import redis_scripts
from libs.kit.eventlog.base import NewRecord, Record, Tail, Topic
from libs.kit.eventlog.block import RecordBlock
from libs.kit.eventlog.inflight import InflightBytes
from libs.kit.eventlog.redis_consumer import RedisConsumer
from libs.kit.eventlog.redis_producer import SCRIPT_BYTES, MergingProducer
from libs.kit.eventlog.redis_streams import (
    BLOCK_SECONDS,
    ENTRY_BYTES,
    ENTRY_RECORDS,
    Incarnation,
    Source,
    StreamReader,
    as_kept,
    entry_head,
    read_ends,
    topic_key,
)
from libs.kit.eventlog.redis_wire import Argument, Wire
from libs.kit.measured import measured
from libs.kit.settings import KitSettings

Entry = tuple[int, int, bytes]  # partition, records in it, their bytes with what they share


class RedisEventLog:
    """`EventLog` on one Redis 7+ or Valkey server that keeps what it acknowledged (`appendfsync always`)."""

    def __init__(self, settings: KitSettings, clock: Clock):
        if settings.log_redis_url is None:
            raise ValueError("HEDGEROW_LOG_REDIS_URL is needed for the event log in Redis")
        self._url = settings.log_redis_url.get_secret_value()
        self._settings = settings
        self._clock = clock
        self._topics: dict[str, Incarnation] = {}
        self._turn = 0  # of records without a key
        self._inflight = InflightBytes(settings.log_inflight_bytes, settings.log_timeout_seconds)
        self._producers: asyncio.LifoQueue[Wire] = asyncio.LifoQueue()
        for _ in range(settings.log_producers):
            self._producers.put_nowait(self.wire())
        self._merging = MergingProducer(
            self._produce, lanes=settings.log_producers, timeout_seconds=settings.log_timeout_seconds
        )
        self._control = self.wire()

    def wire(self, extra_seconds: float = 0.0) -> Wire:
        """A new connection; `extra_seconds` longer than usual before it gives up, for commands that block."""
        return Wire(self._url, self._settings.log_timeout_seconds + extra_seconds)

    async def ensure(self, topics: Sequence[Topic]) -> None:
        for topic in topics:
            answer = await self._control.script(
                redis_scripts.ENSURE,
                [topic_key(topic.name)],
                [
                    uuid.uuid4().hex,
                    self._settings.log_partitions,
                    ",".join(topic.groups),
                    "" if topic.admission is None else str(topic.admission),
                ],
            )
            self._topics[topic.name] = Incarnation(topic.name, answer[0].decode(), int(answer[1]))

    async def incarnation(self, topic: str, *, fresh: bool = False) -> Incarnation:
        """The topic on the server; raises Unavailable when there is none. `fresh` asks again."""
        known = self._topics.get(topic)
        if known is None or fresh:
            self._topics.pop(topic, None)
            answer = await self._control.call("HMGET", topic_key(topic), "id", "partitions")
            if answer[0] is None:
                raise Unavailable(f"there is no topic {topic} in the event log")
            known = self._topics[topic] = Incarnation(topic, answer[0].decode(), int(answer[1]))
        return known

    async def log_id(self, topic: str) -> str:
        return (await self.incarnation(topic, fresh=True)).log_id

    async def partitions(self, topic: str) -> int:
        return (await self.incarnation(topic)).partitions

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        if not records:
            return
        with measured("log", "produce", self._clock):
            block = RecordBlock.of(records)
            async with self._inflight.reserved(block.size):
                await self._merging.produce(topic, block)

    async def _produce(self, topic: str, block: RecordBlock) -> None:
        incarnation = await self.incarnation(topic)
        if not await self._wrote(incarnation, block):
            incarnation = await self.incarnation(topic, fresh=True)
            if not await self._wrote(incarnation, block):
                raise Unavailable(f"the topic {topic} is being recreated")

    async def _wrote(self, incarnation: Incarnation, block: RecordBlock) -> bool:
        """Whether it is still that log; if not, nothing was written."""
        written = False
        for script in _scripts(self._entries(incarnation, block)):
            try:
                answer = await self._write(incarnation, script)
                if answer == b"RECREATED":
                    if not written:
                        return False
                    raise Unavailable(f"the topic {incarnation.topic} was made again")
                if answer != b"OK":
                    raise LogFull(f"the event log has no room for {incarnation.topic}")
            except Unavailable as exc:
                if written:
                    raise OutcomeUnknown(f"only some records were written: {exc.detail}") from exc
                raise
            written = True
        return True

    def _entries(self, incarnation: Incarnation, block: RecordBlock) -> Sequence[Entry]:
        head = entry_head(int(self._clock.now().timestamp() * 1000))
        entries, self._turn = pieces(
            block.payload, head, incarnation.partitions, self._turn, ENTRY_RECORDS, ENTRY_BYTES
        )
        return [(partition, count, as_kept(entry)) for partition, count, entry in entries]

    async def _write(self, incarnation: Incarnation, entries: Sequence[Entry]) -> Any:
        settings = self._settings
        arguments: list[Argument] = [
            incarnation.log_id,
            str(settings.log_admission_ratio),
            settings.log_uncommitted_records,
            str(settings.log_uncommitted_ratio / incarnation.partitions),
        ]
        for partition, count, entry in entries:
            arguments += (partition + 3, count, entry)
        keys = [incarnation.meta, incarnation.ends, *incarnation.streams()]
        wire = self._producers.get_nowait()  # there are as many as lanes
        try:
            return await wire.script(redis_scripts.PRODUCE, keys, arguments)
        finally:
            self._producers.put_nowait(wire)

    @asynccontextmanager
    async def consumer(self, topics: Sequence[str], group: str) -> AsyncIterator[RedisConsumer]:
        consumer = RedisConsumer(self, topics, group, self._settings)
        try:
            yield consumer
        finally:
            await asyncio.shield(consumer.leave())

    @asynccontextmanager
    async def tail(self, topic: str, *, last: int = 0) -> AsyncIterator[Tail]:
        tail = RedisTail(self, topic, last)
        try:
            await tail.locate()
            yield tail
        finally:
            await tail.close()

    async def check(self) -> None:
        ratio = str(self._settings.log_admission_ratio)
        if await self._control.script(redis_scripts.ADMITS, [], [ratio]) != b"OK":
            raise LogFull("the event log has no room for new events")

    async def close(self) -> None:
        await self._merging.close()
        await self._control.close()
        while not self._producers.empty():
            await self._producers.get_nowait().close()


class RedisTail:
    """`Tail` over all partitions of a topic. What a tail has not read yet may be trimmed: it then skips forward."""

    def __init__(self, log: RedisEventLog, topic: str, last: int):
        self._log = log
        self._topic = topic
        self._last = last
        self._wire = log.wire(extra_seconds=BLOCK_SECONDS)
        self._reader = StreamReader(self._wire)
        self._incarnation: Incarnation | None = None
        self._next: dict[Source, int] = {}
        self._behind: dict[int, int] = {}

    @property
    def caught_up(self) -> bool:
        return not self._behind

    async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Record]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        if self._incarnation is None:
            await self.locate()
        while True:
            left = max(0.0, deadline - loop.time())
            read = await self._reader.read(self._next, limit=max_records, block_seconds=left)
            for source, batch in read:
                self._next.pop(source)
                self._next[source] = batch.next_offset  # to the end of the order: the others come first next time
                if batch.next_offset >= self._behind.get(source[1], batch.next_offset + 1):
                    del self._behind[source[1]]
            if read:
                return [record for _, batch in read for record in batch.records]
            self._behind.clear()  # the server has answered: there is nothing more
            await self.locate()
            if loop.time() >= deadline:
                return []

    async def locate(self) -> None:
        """Find the topic, and begin anew when it was made again; then everything in it is new to us."""
        known = await self._log.incarnation(self._topic, fresh=True)
        if known == self._incarnation:
            return
        ends = await read_ends(self._wire, known)
        first = self._incarnation is None
        self._next = {(known, p): max(0, end - self._last) if first else 0 for p, end in enumerate(ends)}
        if first:
            self._behind = {p: end for p, end in enumerate(ends) if end > self._next[known, p]}
        self._incarnation = known

    async def close(self) -> None:
        await self._wire.close()


def _scripts(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """The entries in order, as one script takes them at a time."""
    start = size = 0
    for index, (_, _, entry) in enumerate(entries):
        size += len(entry)
        if index > start and size > SCRIPT_BYTES:
            yield entries[start:index]
            start, size = index, len(entry)
    yield entries[start:]
