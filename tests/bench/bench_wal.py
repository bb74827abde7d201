"""The write-ahead log beside the direct path: events/s, CPU per event, and the time until an acknowledgement.

    python -m tests.bench.bench_wal [--records 20000] [--logs redis,kafka] [--directory DIR]

A record is 1.2 kB with the headers capture sets. `straight` goes to the event log (Redis Streams or, where Java is, a
Kafka broker, each write synced), `past the disk` the same with an idle write-ahead log around it, `to the disk` is what
is acknowledged while the event log is away, `drain` how fast it catches up then. `write + fsync` is the disk alone: the
same bytes, one sync a produce.
"""

import argparse
import asyncio
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.kit.clock import SystemClock
from libs.kit.eventlog import EventLog, NewRecord, Topic
from libs.kit.eventlog.open import open_eventlog
from libs.kit.eventlog.wal import WalOptions, write_ahead
from libs.kit.logging import configure_logging
from tests.bench.bench_eventlog import line, records
from tests.support.eventlogs import log_settings
from tests.support.kafka import private_broker
from tests.support.valkey import running_valkey

SHAPES = ((1, 16), (50, 4), (500, 2))  # records of a produce, producers at once
TOPIC = "bench"


async def producing(what: str, log: EventLog, batch: list[NewRecord], producers: int, total: int) -> int:
    """`producers` tasks, each waiting for its acknowledgement before it goes on; how many records they sent."""
    rounds, waits = max(5, min(total, 400 * len(batch) * producers) // len(batch) // producers), list[float]()

    async def produce() -> None:
        for _ in range(rounds):
            start = time.perf_counter()
            await log.produce(TOPIC, batch)
            waits.append(time.perf_counter() - start)

    await log.produce(TOPIC, batch)
    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(produce() for _ in range(producers)))
    count = rounds * producers * len(batch)
    line(what, count, time.perf_counter() - start, time.process_time() - cpu, waits)
    return count + len(batch)


def disk_alone(directory: Path, batch: list[NewRecord], total: int) -> None:
    """What the disk takes when somebody writes and syncs, and does nothing else."""
    data, waits = b"".join(record.value for record in batch), list[float]()
    descriptor = os.open(directory / "alone", os.O_WRONLY | os.O_CREAT, 0o600)
    rounds = max(5, min(total, 400 * len(batch)) // len(batch))
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        before = time.perf_counter()
        os.write(descriptor, data)
        os.fsync(descriptor)
        waits.append(time.perf_counter() - before)
    line("  write + fsync", rounds * len(batch), time.perf_counter() - start, time.process_time() - cpu, waits)
    os.close(descriptor)


@dataclass(frozen=True)
class Server:
    """An event log that can be taken away. settings: those that lead to it."""

    settings: dict[str, Any]
    kill: Callable[[], None]
    start: Callable[[], None]


@contextmanager
def server(kind: str) -> Iterator[Server]:
    """One of our own."""
    if kind == "redis":
        with running_valkey() as valkey:
            yield Server({"log_redis_url": valkey.url}, valkey.kill, valkey.start)
        return
    with tempfile.TemporaryDirectory(prefix="kafka-") as directory:
        broker = private_broker(Path(directory))

        def start() -> None:
            broker.launch()
            broker.wait_ready()

        try:
            start()
            yield Server({"eventlog": "kafka", "kafka_brokers": broker.brokers}, broker.kill, start)
        finally:
            broker.kill()


async def measure(at: Server, directory: Path, total: int) -> None:
    log = await open_eventlog(log_settings(**at.settings), SystemClock())
    await log.ensure([Topic(TOPIC)])
    options = WalOptions(directory / "wal", max_bytes=4 * 1024**3, segment_bytes=16 * 1024**2, after_seconds=3.0)
    async with write_ahead(log, options, SystemClock()) as wal:
        for size, producers in SHAPES:
            print(f"{size} x {producers}")
            batch = records(size)
            await producing("  straight", log, batch, producers, total)
            await producing("  past the disk", wal, batch, producers, total)
            at.kill()
            count = await producing("  to the disk", wal, batch, producers, total)
            await asyncio.to_thread(at.start)  # a broker takes its time, and clients must not miss it
            while wal.state().records == count:
                await asyncio.sleep(0.01)
            left, began, cpu = wal.state().records, time.perf_counter(), time.process_time()
            while wal.state().behind:
                await asyncio.sleep(0.01)
            if left:
                line("  drain", left, time.perf_counter() - began, time.process_time() - cpu, [0.0])
            disk_alone(directory, batch, total)
    await log.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--logs", default="redis,kafka" if shutil.which("java") else "redis")
    parser.add_argument("--directory", help="where the write-ahead log is put; a temporary directory otherwise")
    arguments = parser.parse_args()
    configure_logging("error", service="bench", version="")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it says ten times a second that the broker is away
    for kind in arguments.logs.split(","):
        print(kind)
        with tempfile.TemporaryDirectory(dir=arguments.directory) as directory, server(kind) as at:
            asyncio.run(measure(at, Path(directory), arguments.records))


if __name__ == "__main__":
    main()
