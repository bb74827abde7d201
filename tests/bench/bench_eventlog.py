"""Both event logs: records/s, CPU per record of this process and of the server, and the time to an acknowledgement.

    python -m tests.bench.bench_eventlog [--records 20000] [--logs redis,kafka]

A record is 1.2 kB with the headers capture sets. Each pair of lines is one batch size and a number of producers at
once, and reading what they wrote, a thousand at a time, with a commit of each batch. With `--blocks` the records are
bytes already, as capture's scanner writes them. The last line is the same records in the way not taken: one `send`
each, which is what aiokafka offers without its batch builder, or one XADD each in a pipeline of redis-py. Memory is
that of records in a Redis log that nobody read yet.
"""

import argparse
import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from libs.fastpath import partition_of
from libs.kit.clock import SystemClock
from libs.kit.eventlog import EventLog, NewRecord, Topic
from libs.kit.eventlog.block import RecordBlock
from libs.kit.eventlog.open import open_eventlog
from tests.support.eventlogs import log_settings
from tests.support.kafka import private_broker
from tests.support.valkey import running_valkey

SHAPES = ((1, 1), (1, 16), (50, 4), (1000, 2))  # records of a produce, producers at once
SHARED = (("v", b"1"), ("token", b"phc_" + b"a" * 40), ("now", b"2026-01-01T00:00:00.000000+00:00"))


def records(count: int) -> list[NewRecord]:
    return [
        NewRecord(b"phc_token:user-%d" % i, os.urandom(600).hex().encode(), (*SHARED, *_own(i))) for i in range(count)
    ]


def _own(number: int) -> tuple[tuple[str, bytes], ...]:
    """A record's headers that are not its neighbour's."""
    return (
        ("distinct_id", b"user-%d" % number),
        ("event", b"$pageview"),
        ("uuid", b"018f0000-0000-7000-8000-%012d" % number),
        ("timestamp", b"2026-01-01T00:00:00.%06d+00:00" % number),
    )


def line(what: str, count: int, seconds: float, cpu: float, waits: list[float], server: str = "") -> None:
    waits.sort()
    p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    print(
        f"  {what:<28}{count / seconds:>8,.0f} records/s   us CPU/record{cpu / count * 1e6:>7.1f}{server}"
        f"   p50 {p50 * 1e3:6.2f} ms  p99 {p99 * 1e3:6.2f} ms"
    )


class Meter:
    """Time and CPU from its beginning to `line`."""

    def __init__(self, engine: psutil.Process):
        self._engine = engine
        self._start, self._cpu, self._engine_cpu = time.perf_counter(), time.process_time(), self._engine_seconds()

    def _engine_seconds(self) -> float:
        times = self._engine.cpu_times()
        return times.user + times.system

    def line(self, what: str, count: int, waits: list[float], idle: float = 0.0) -> None:
        """`idle`: seconds at the end in which nothing came."""
        cpu, engine = time.process_time() - self._cpu, self._engine_seconds() - self._engine_cpu
        seconds = time.perf_counter() - self._start - idle
        line(what, count, seconds, cpu, waits, f" + server's {engine / count * 1e6:>6.1f}")


async def producing(log: EventLog, topic: str, shape: tuple[int, int], total: int, blocks: bool, meter: Meter) -> None:
    """One shape: producers that each wait for their acknowledgement before they go on."""
    size, producers = shape
    rounds = max(5, min(total, 1000 * size * producers) // size // producers)
    made: Sequence[NewRecord] = records(size)
    batch = RecordBlock.of(made) if blocks else made
    waits = list[float]()

    async def produce() -> None:
        for _ in range(rounds):
            start = time.perf_counter()
            await log.produce(topic, batch)
            waits.append(time.perf_counter() - start)

    await asyncio.gather(*(produce() for _ in range(producers)))
    meter.line(f"produce {size} x {producers}", rounds * producers * size, waits)


async def consuming(log: EventLog, topic: str, engine: psutil.Process, shape: tuple[int, int]) -> None:
    """Read everything, committing each batch."""
    count, waits = 0, list[float]()
    async with log.consumer([topic], "bench") as consumer:
        while not await consumer.fetch(max_records=1, timeout=5):
            pass
        meter = Meter(engine)
        while True:
            before = time.perf_counter()
            batches = await consumer.fetch(max_records=1000, timeout=0.5)
            waits.append(time.perf_counter() - before)
            if not batches:
                break
            for batch in batches:
                count += len(batch.records)
                await consumer.commit(batch.topic, batch.partition, batch.next_offset)
        meter.line(f"consume {shape[0]} x {shape[1]}", count, waits, idle=0.5)


async def one_send_each(brokers: str, topic: str, total: int, engine: psutil.Process) -> None:
    """The way not taken: a future per record."""
    waits = list[float]()
    async with AIOKafkaProducer(
        bootstrap_servers=brokers, enable_idempotence=True, acks="all", linger_ms=5
    ) as producer:
        batch = records(500)
        meter = Meter(engine)
        for _ in range(max(1, total // 500)):
            before = time.perf_counter()
            sent = [
                await producer.send(topic, record.value, key=record.key, headers=list(record.headers))
                for record in batch
            ]
            await asyncio.gather(*sent)
            waits.append(time.perf_counter() - before)
        count = max(1, total // 500) * 500
        meter.line("500 x 1, one send each", count, waits)


async def one_xadd_each(url: str, topic: str, total: int, engine: psutil.Process) -> None:
    """The way not taken: a command per record, 500 in a pipeline, as redis-py offers it."""
    waits = list[float]()
    async with Redis.from_url(url) as client:
        batch = records(500)
        meter = Meter(engine)
        for _ in range(max(1, total // 500)):
            before = time.perf_counter()
            pipeline = client.pipeline(transaction=False)
            for record in batch:
                head = msgspec.msgpack.encode((1, record.key, record.headers))
                stream = f"{topic}:{partition_of(record.key or b'', 4)}"
                pipeline.xadd(stream, {"m": head, "v": record.value}, id="0-*")
            await pipeline.execute()
            waits.append(time.perf_counter() - before)
        count = max(1, total // 500) * 500
        meter.line("500 x 1, one XADD each", count, waits)


async def measure(total: int, blocks: bool, engine: psutil.Process, **settings: Any) -> None:
    log = await open_eventlog(log_settings(**settings), SystemClock())
    for shape in SHAPES:
        topic = f"bench-{uuid.uuid4().hex[:8]}"
        await log.ensure([Topic(topic, groups=("bench",))])
        await log.produce(topic, records(1))
        before = await _used(settings)
        await producing(log, topic, shape, total, blocks, Meter(engine))
        if before is not None:
            kept = min(total, 1000 * shape[0] * shape[1])
            print(f"  {'':<28}{((await _used(settings) or 0) - before) / kept:>8,.0f} bytes of memory/record")
        await consuming(log, topic, engine, shape)
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    await log.ensure([Topic(topic)])
    if brokers := settings.get("kafka_brokers"):
        await one_send_each(brokers, topic, total, engine)
    else:
        await one_xadd_each(settings["log_redis_url"], topic, total, engine)
    await log.close()


async def _used(settings: dict[str, Any]) -> int | None:
    """Memory of a Redis log's server."""
    if "log_redis_url" not in settings:
        return None
    async with Redis.from_url(settings["log_redis_url"]) as client:
        used: int = (await client.info("memory"))["used_memory"]
        return used


@contextmanager
def server(kind: str) -> Iterator[tuple[dict[str, Any], psutil.Process]]:
    """Settings that lead to a server of our own, and its process: the largest of those that were started with it."""
    ours = psutil.Process()
    if kind == "redis":
        with running_valkey(max_memory_mb=1024) as valkey:
            yield {"log_redis_url": valkey.url}, ours.children()[-1]
        return
    with tempfile.TemporaryDirectory(prefix="kafka-") as directory:
        broker = private_broker(Path(directory))
        try:
            broker.launch()
            broker.wait_ready()
            engine = max(ours.children(recursive=True), key=lambda process: process.memory_info().rss)
            yield {"eventlog": "kafka", "kafka_brokers": broker.brokers}, engine
        finally:
            broker.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--logs", default="redis,kafka")
    parser.add_argument("--blocks", action="store_true")
    arguments = parser.parse_args()
    for kind in arguments.logs.split(","):
        print(kind)
        with server(kind) as (settings, engine):
            asyncio.run(measure(arguments.records, arguments.blocks, engine, **settings))


if __name__ == "__main__":
    main()
