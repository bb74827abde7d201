"""Whether memory stays as it is for ten minutes under 70% of the highest rate.

    python -m tests.bench.soak_memory capture [--log redis|kafka|null] [--seconds 600] [--every 30] [--share 0.7]
    python -m tests.bench.soak_memory pipeline [...]

`capture`: gzipped batches of 50 events over HTTP, in front of a log of its own. `pipeline`: events on the log, through
`hedgerow worker ingestion` and `hedgerow worker writer`, to ClickHouse, on embedded engines of its own. The highest
rate is found first, which warms everything up. Printed: memory of each process (PSS: a page shared by n counts as 1/n)
at each look, the slope of a straight line through the looks behind the first fifth, and the verdict: flat is a line
that rises by less than 5% of where it begins, or less than 8 MiB. Exit code 1 when a process of ours is not flat;
engines are shown beside them. It takes a quiet machine for `--seconds` and about a minute.

A short run says little: the writer's filter (16 MiB) is touched page by page as events come, and allocators grow until
the largest batch was met.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import uvloop
from redis.asyncio import Redis

from hedgerow.embedded.instance import Instance
from libs.kit.contracts import topics
from libs.kit.runtime import Runtime
from tests.bench.bench_capture import requests
from tests.bench.bench_capture_log import CLIENTS, log_server
from tests.bench.mix import Mix
from tests.bench.served import closed_load, open_load, served
from tests.support import engines as support
from tests.support.cdp_process import environment
from tests.support.pipeline import drained, lag, prepare
from tests.support.ports import free_port

MIB = 1024 * 1024
LEAST_GROWTH_MIB = 8.0
GROWTH_SHARE = 0.05
WARMING_SHARE = 0.2
#: How a process shows itself in its command line; those in capitals are engines.
MARKS: Mapping[str, tuple[str, ...]] = {
    "capture": ("tests.bench.served",),
    "ingestion": ("hedgerow", "worker", "ingestion"),
    "writer": ("hedgerow", "worker", "writer"),
    "VALKEY": ("valkey",),
    "POSTGRES": ("postgres",),
    "CLICKHOUSE": ("hedgerow.embedded.clickhouse",),
    "KAFKA": ("kafka.Kafka",),
}


@dataclass(frozen=True)
class Line:
    """The straight line through looks: MiB at its beginning, and by how many it rises a minute and altogether."""

    start: float
    a_minute: float
    altogether: float

    @property
    def flat(self) -> bool:
        """Whether it rises by nothing to speak of."""
        return self.altogether < max(LEAST_GROWTH_MIB, GROWTH_SHARE * self.start)


def line_through(looks: Sequence[tuple[float, float]]) -> Line:
    """Least squares over (seconds, MiB), without those of the first fifth of the time."""
    first, last = looks[0][0], looks[-1][0]
    kept = [look for look in looks if look[0] >= first + WARMING_SHARE * (last - first)]
    middle_at = sum(at for at, _ in kept) / len(kept)
    middle = sum(size for _, size in kept) / len(kept)
    spread = sum((at - middle_at) ** 2 for at, _ in kept)
    slope = sum((at - middle_at) * (size - middle) for at, size in kept) / spread if spread else 0.0
    return Line(middle - slope * (middle_at - kept[0][0]), slope * 60, slope * (kept[-1][0] - kept[0][0]))


def memory() -> dict[str, float]:
    """MiB of each kind of process below this one."""
    found: dict[str, float] = {}
    for process in psutil.Process().children(recursive=True):
        try:
            words, size = " ".join(process.cmdline()), process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
        for name, marks in MARKS.items():
            if all(mark in words for mark in marks):
                found[name] = found.get(name, 0.0) + size / MIB
                break
    return found


@dataclass
class Watch:
    """Looks at memory until told to stop. more: what to print beside it."""

    every: float
    more: Callable[[], Awaitable[str]]
    looks: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """A line for each look."""
        began = time.monotonic()
        while not stop.is_set():
            at = time.monotonic() - began
            sizes = await asyncio.to_thread(memory)
            for name, size in sizes.items():
                self.looks.setdefault(name, []).append((at, size))
            shown = "  ".join(f"{name} {size:7.1f}" for name, size in sizes.items())
            print(f"  {at:6.0f} s  {shown}  MiB{await self.more()}", flush=True)
            try:
                await asyncio.wait_for(stop.wait(), self.every)
            except TimeoutError:
                continue

    def verdict(self) -> bool:
        """Print each line; whether all of ours are flat."""
        flat = True
        for name, looks in self.looks.items():
            line = line_through(looks)
            said = "flat" if line.flat else "rises" if name.isupper() else "GROWS"
            print(f"  {name:<11}{line.start:8.1f} MiB  {line.a_minute:+8.3f} MiB a minute  {said}")
            flat &= line.flat or name.isupper()
        return flat


@asynccontextmanager
async def watching(every: float, more: Callable[[], Awaitable[str]]) -> AsyncIterator[Watch]:
    """Look for as long as the block runs."""
    watch, stop = Watch(every, more), asyncio.Event()
    task = asyncio.create_task(watch.run(stop))
    try:
        yield watch
    finally:
        stop.set()
        await task


async def capture(port: int, log_url: str | None, given: argparse.Namespace) -> bool:
    """Load the server on this port; whether it stayed flat."""
    _, request, events = requests()["50 events, gzip"]
    forgetting = asyncio.create_task(forget(log_url)) if log_url else None
    await closed_load(port, request, clients=4, seconds=1)
    highest = await closed_load(port, request, clients=CLIENTS, seconds=given.warming)
    rate = given.share * highest.requests / highest.seconds
    print(
        f"capture on {given.log}: {rate * events / given.share:,.0f} events/s at most; {rate * events:,.0f} from here"
    )

    async def nothing() -> str:
        return ""

    async with watching(given.every, nothing) as watch:
        run = await open_load(port, request, clients=CLIENTS, seconds=given.seconds, rate=rate)
    print(f"  {run.requests * events / run.seconds:,.0f} events/s reached over {run.seconds:.0f} s")
    if forgetting:
        forgetting.cancel()
    return watch.verdict()


async def forget(log_url: str) -> None:
    """Nobody reads this log: without a reader's positions it would keep everything, and fill up."""
    async with Redis.from_url(log_url) as client:
        while True:
            async for key in client.scan_iter(f"log:{{{topics.EVENTS.name}}}*", _type="stream"):
                await client.xtrim(key, maxlen=1_000, approximate=True)
            await asyncio.sleep(0.5)


async def pipeline(runtime: Runtime, given: argparse.Namespace) -> bool:
    """Load both workers; whether they stayed flat."""
    await prepare(runtime)
    mix = Mix(people=given.people, pairs=True)
    workers = [await started(runtime, name) for name in ("ingestion", "writer")]
    try:
        await runtime.log.produce(topics.EVENTS.name, mix.new(100))
        await drained(runtime, seconds=200)  # both are up
        began, number = time.monotonic(), int(given.warming * 1_000)
        for _ in range(0, number, 1_000):
            await runtime.log.produce(topics.EVENTS.name, mix.new(1_000))
        await drained(runtime, seconds=600)
        highest = number / (time.monotonic() - began)
        rate = given.share * highest
        print(f"pipeline: {highest:,.0f} events/s at most; {rate:,.0f} from here, {given.people} people")

        async def behind() -> str:
            left = await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP)
            return f"  {left + await lag(runtime, topics.STORED_EVENTS.name, topics.WRITER_GROUP)} events behind"

        async with watching(given.every, behind) as watch:
            sent = await steadily(runtime, mix, rate, given.seconds)
        print(f"  {sent / given.seconds:,.0f} events/s were sent")
        return watch.verdict()
    finally:
        for worker in workers:
            worker.terminate()
            await worker.wait()


async def started(runtime: Runtime, name: str) -> asyncio.subprocess.Process:
    """A worker as a cluster runs it."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hedgerow", "worker", name),
        env=environment(runtime.settings, HEDGEROW_PROBES_PORT=str(free_port())),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def steadily(runtime: Runtime, mix: Mix, rate: float, seconds: float) -> int:
    """Events at this rate, twenty times a second; how many."""
    began, sent = time.monotonic(), 0
    while (at := time.monotonic() - began) < seconds:
        if (due := int(at * rate) - sent) > 0:
            await runtime.log.produce(topics.EVENTS.name, mix.new(due))
            sent += due
        await asyncio.sleep(0.05)
    return sent


def main() -> int:
    """0 when all of ours stayed flat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["capture", "pipeline"])
    parser.add_argument("--log", default="redis", choices=["redis", "kafka", "null"])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--every", type=float, default=30.0)
    parser.add_argument("--share", type=float, default=0.7)
    parser.add_argument("--warming", type=float, default=20.0)
    parser.add_argument("--people", type=int, default=5_000)
    given = parser.parse_args()
    if given.what == "capture":
        with log_server(given.log) as variables, served("protocol", **variables) as port:
            flat = uvloop.run(capture(port, variables.get("HEDGEROW_LOG_REDIS_URL"), given))
    else:
        with tempfile.TemporaryDirectory() as directory, support.running(Path(directory) / "engines") as opened:
            flat = asyncio.run(_on(opened, given))
    print("flat" if flat else "not flat")
    return 0 if flat else 1


async def _on(opened: Instance, given: argparse.Namespace) -> bool:
    async with support.fresh_runtime(opened) as runtime:
        return await pipeline(runtime, given)


if __name__ == "__main__":
    sys.exit(main())
