"""Capture over HTTP to real logs: Redis Streams synced to disk, and a Kafka broker that syncs each batch.

    python -m tests.bench.bench_capture_log [--logs redis,kafka] [--seconds 3] [--memory-seconds 20]

Events come as gzipped batches of 50, at 1,000, 5,000 and 20,000 a second; then as fast as they are taken. Printed:
what was reached, events per second of the server's processor time (so per core), and how long an acknowledgement took,
counted from when the request was due. The baseline in the same run is the null log. Last, resident memory at 70% of the
highest rate (10 minutes: `--memory-seconds 600`). Broker, server and clients share the machine.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from tests.bench.bench_capture import requests
from tests.bench.served import Run, closed_load, open_load, served, usage
from tests.support.kafka import private_broker
from tests.support.valkey import running_valkey

RATES = (1_000, 5_000, 20_000)
CLIENTS = 32
MIB = 1024 * 1024


def line(what: str, run: Run, events: int) -> None:
    """What one load came to."""
    print(
        f"  {what:<16}{run.requests * events / run.seconds:>10,.0f} events/s reached"
        f"{run.requests * events / run.cpu:>12,.0f} per core second"
        f"   ack p50 {run.wait(0.5) * 1e3:7.2f} ms  p99 {run.wait(0.99) * 1e3:7.2f} ms",
        flush=True,
    )


async def loads(port: int, seconds: float) -> float:
    """Each rate, then all that is taken; that rate, in events a second."""
    _, request, events = requests()["50 events, gzip"]
    await closed_load(port, request, clients=4, seconds=0.5)
    for rate in RATES:
        run = await open_load(port, request, clients=CLIENTS, seconds=seconds, rate=rate / events)
        line(f"{rate:,} events/s", run, events)
    run = await closed_load(port, request, clients=CLIENTS, seconds=seconds)
    line("all it takes", run, events)
    return run.requests * events / run.seconds


async def resident(port: int, seconds: float, rate: float) -> None:
    """Memory of the server before, in the middle and after a load at this rate."""
    _, request, events = requests()["50 events, gzip"]
    found = []
    for _ in range(4):
        await open_load(port, request, clients=CLIENTS, seconds=seconds / 4, rate=rate / events)
        found.append((await usage(port)).resident // MIB)
    print(f"  resident at {rate:,.0f} events/s for {seconds:.0f} s, by quarters: {found} MiB", flush=True)


@contextmanager
def log_server(kind: str) -> Iterator[dict[str, str]]:
    """Environment that leads to a log of our own."""
    if kind == "null":
        yield {}
    elif kind == "redis":
        # nobody reads: what is written must fit
        with running_valkey(max_memory_mb=4096) as valkey:
            yield {"HEDGEROW_EVENTLOG": "redis", "HEDGEROW_LOG_REDIS_URL": valkey.url}
    else:
        with tempfile.TemporaryDirectory(prefix="kafka-") as directory:
            broker = private_broker(Path(directory))
            try:
                broker.launch()
                broker.wait_ready()
                yield {"HEDGEROW_EVENTLOG": "kafka", "HEDGEROW_KAFKA_BROKERS": broker.brokers}
            finally:
                broker.kill()


def main() -> None:
    """Print a block for each log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", default="redis,kafka")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--memory-seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    for kind in ["null", *arguments.logs.split(",")]:
        print(kind)
        with log_server(kind) as environment:
            with served("protocol", **environment) as port:
                highest = uvloop.run(loads(port, arguments.seconds))
            if arguments.memory_seconds and kind != "null":
                with served("protocol", **environment) as port:
                    uvloop.run(resident(port, arguments.memory_seconds, 0.7 * highest))


if __name__ == "__main__":
    main()
