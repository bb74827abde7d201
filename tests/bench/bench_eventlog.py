"""Both event logs: records/s, CPU of this process per record and the time until a produce is acknowledged.

    python -m tests.bench.bench_eventlog [--records 20000] [--logs redis,kafka]

A record is 1.2 kB with the headers capture sets. Each line is one batch size and a number of producers at once. The
servers run on the same machine and are not in the CPU figure. The last line is the same records in the way not taken:
one `send` each, which is what aiokafka offers without its batch builder, or one XADD each in a pipeline of redis-py.
"""

import argparse
import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from libs.fastpath import partition_of
from libs.kit.clock import SystemClock
from libs.kit.eventlog import EventLog, NewRecord, Topic
from libs.kit.eventlog.open import open_eventlog
from libs.kit.eventlog.redis_streams import entry_head
from tests.support.eventlogs import log_settings
from tests.support.kafka import private_broker
from tests.support.valkey import running_valkey

SHAPES = ((1, 1), (1, 16), (10, 4), (50, 4), (500, 2))  # records of a produce, producers at once
HEADERS = (("token", b"phc_" + b"a" * 40), ("distinct_id", b"018f-user"), ("event", b"$pageview"), ("v", b"1"))


def records(count: int) -> list[NewRecord]:
    return [NewRecord(b"phc_token:user-%d" % i, os.urandom(600).hex().encode(), HEADERS) for i in range(count)]


def line(what: str, count: int, seconds: float, cpu: float, waits: list[float]) -> None:
    waits.sort()
    p50, p99 = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    print(
        f"  {what:<28}{count / seconds:>10,.0f} records/s{cpu / count * 1e6:>8.1f} us CPU/record"
        f"   ack p50 {p50 * 1e3:6.2f} ms  p99 {p99 * 1e3:6.2f} ms"
    )


async def producing(log: EventLog, topic: str, size: int, producers: int, total: int) -> None:
    """One shape: `producers` tasks, each waiting for its acknowledgement before it goes on."""
    batch, rounds, waits = (
        records(size),
        max(20, min(total, 400 * size * producers) // size // producers),
        list[float](),
    )

    async def produce() -> None:
        for _ in range(rounds):
            start = time.perf_counter()
            await log.produce(topic, batch)
            waits.append(time.perf_counter() - start)

    await log.produce(topic, batch)
    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(produce() for _ in range(producers)))
    count = rounds * producers * size
    line(f"{size} x {producers}", count, time.perf_counter() - start, time.process_time() - cpu, waits)


async def consuming(log: EventLog, topic: str) -> None:
    """Read everything, committing each batch."""
    count, waits = 0, list[float]()
    async with log.consumer([topic], "bench") as consumer:
        while not await consumer.fetch(max_records=1, timeout=5):
            pass
        start, cpu, last = time.perf_counter(), time.process_time(), time.perf_counter()
        while True:
            before = time.perf_counter()
            batches = await consumer.fetch(max_records=1000, timeout=1)
            if not batches:
                break
            last = time.perf_counter()
            waits.append(last - before)
            for batch in batches:
                count += len(batch.records)
                await consumer.commit(batch.topic, batch.partition, batch.next_offset)
        line("consume, commit", count, last - start, time.process_time() - cpu, waits)


async def one_send_each(brokers: str, topic: str, total: int) -> None:
    """The way not taken: a future per record."""
    waits = list[float]()
    async with AIOKafkaProducer(
        bootstrap_servers=brokers, enable_idempotence=True, acks="all", linger_ms=5
    ) as producer:
        batch = records(500)
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(max(1, total // 500)):
            before = time.perf_counter()
            sent = [
                await producer.send(topic, record.value, key=record.key, headers=list(record.headers))
                for record in batch
            ]
            await asyncio.gather(*sent)
            waits.append(time.perf_counter() - before)
        count = max(1, total // 500) * 500
        line("500 x 1, one send each", count, time.perf_counter() - start, time.process_time() - cpu, waits)


async def one_xadd_each(url: str, topic: str, total: int) -> None:
    """The way not taken: a command per record, 500 in a pipeline, as redis-py offers it."""
    waits = list[float]()
    async with Redis.from_url(url) as client:
        batch = records(500)
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(max(1, total // 500)):
            before = time.perf_counter()
            pipeline = client.pipeline(transaction=False)
            for record in batch:
                head = entry_head(1, record.key, record.headers)
                stream = f"{topic}:{partition_of(record.key or b'', 4)}"
                pipeline.xadd(stream, {"m": head, "v": record.value}, id="0-*")
            await pipeline.execute()
            waits.append(time.perf_counter() - before)
        count = max(1, total // 500) * 500
        line("500 x 1, one XADD each", count, time.perf_counter() - start, time.process_time() - cpu, waits)


async def measure(total: int, **settings: Any) -> None:
    log = await open_eventlog(log_settings(**settings), SystemClock())
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    await log.ensure([Topic(topic, groups=("bench",))])
    for size, producers in SHAPES:
        await producing(log, topic, size, producers, total)
    await consuming(log, topic)
    if brokers := settings.get("kafka_brokers"):
        await one_send_each(brokers, topic, total)
    else:
        await one_xadd_each(settings["log_redis_url"], topic, total)
    await log.close()


@contextmanager
def server(kind: str) -> Iterator[dict[str, Any]]:
    """Settings that lead to a server of our own."""
    if kind == "redis":
        with running_valkey(max_memory_mb=1024) as valkey:
            yield {"log_redis_url": valkey.url}
        return
    with tempfile.TemporaryDirectory(prefix="kafka-") as directory:
        broker = private_broker(Path(directory))
        try:
            broker.launch()
            broker.wait_ready()
            yield {"eventlog": "kafka", "kafka_brokers": broker.brokers}
        finally:
            broker.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--logs", default="redis,kafka")
    arguments = parser.parse_args()
    for kind in arguments.logs.split(","):
        print(kind)
        with server(kind) as settings:
            asyncio.run(measure(arguments.records, **settings))


if __name__ == "__main__":
    main()
