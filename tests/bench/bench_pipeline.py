"""Events from the log to ClickHouse on embedded engines: how many a second, what each costs where, how late they are.

    python -m tests.bench.bench_pipeline [events, 40000 by default] [--people 100000] [--rate 4000] [--seconds 8]

The mix of tests/bench/mix.py, of people who are all in PostgreSQL. Ingestion and writer run in a process each, as on a
cluster, and both are up and warm before anything is measured. First the log is filled and drained; then events come at
a steady rate, and how late each row was is noted.
CPU is that of the processes themselves, so other work on the machine changes the rate and hardly the CPU an event.
In-run baselines: decisions alone (bench_decide), and ClickHouse inserting the very same rows with nothing beside it,
as lines of text and as columns.
"""

import argparse
import asyncio
import json
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import psutil

from libs.kit.contracts import topics
from libs.kit.eventlog import Record
from libs.kit.heap import settle
from libs.kit.postgres import _Connection
from libs.kit.runtime import Runtime, open_runtime
from libs.kit.settings import KitSettings
from services.cdp.ingestion.persons import person_uuid
from services.cdp.settings import IngestionSettings, WriterSettings
from services.cdp.writer.rows import Row, packed, row
from services.cdp.writer.store import EventStore
from tests.bench import bench_decide
from tests.bench.mix import Mix, visitor_id
from tests.support import engines as support
from tests.support.cdp_process import environment
from tests.support.pipeline import drained, lag, prepare, stored

CHUNK = 1_000
WARM = 3_000
# Members that start one after the other hand partitions over at the beats of their leases; who starts does not count.
SHARED_OUT_SECONDS = 5.0
# of a row: its arrival in epoch milliseconds, seconds until it was stored, seconds until it was in the writer's topic
Lateness = tuple[int, float, float]
STAGES = {
    "Valkey": ("valkey",),
    "PostgreSQL": ("postgres",),
    "ClickHouse": ("hedgerow.embedded.clickhouse",),
    "ingestion": ("bench_pipeline", "ingestion"),
    "writer": ("bench_pipeline", "writer"),
}


async def measure(number: int, people: int, rate: int, seconds: float) -> None:
    """Print everything the module speaks of."""
    with tempfile.TemporaryDirectory() as directory:
        context = support.running(Path(directory) / "engines")
        opened = await asyncio.to_thread(context.__enter__)
        try:
            async with support.fresh_runtime(opened) as runtime:
                await prepare(runtime)
                await _populate(runtime, people)
                mix = Mix(people=people)
                await _drain(runtime, mix, number)
                await _steady(runtime, mix, rate, seconds)
                await _clickhouse_alone(runtime, number)
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)
    bench_decide.measure(min(number, 10_000))


async def _drain(runtime: Runtime, mix: Mix, number: int) -> None:
    """Both workers have imported and met everything before the clock starts: without that, a second of imports and of
    first times is divided among the events, and is most of what the writer seems to cost."""
    backlog = [mix.new(min(CHUNK, number - start)) for start in range(0, number, CHUNK)]
    size = sum(len(record.value) for batch in backlog for record in batch) / number
    print(f"{number} events of {size:.0f} bytes, {mix.people} people")
    async with Workers(runtime) as workers:
        await _warm(runtime, mix)
        print(f"processes: {workers.pids}", flush=True)
        filling, begun = _cpu(), time.perf_counter()
        for batch in backlog:
            await runtime.log.produce(topics.EVENTS.name, batch)
        before, first = _cpu(), time.perf_counter()
        undecided = await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP)
        unwritten = undecided + await lag(runtime, topics.STORED_EVENTS.name, topics.WRITER_GROUP)
        await drained(runtime, seconds=600)
        took, used = time.perf_counter() - first, _cpu()
    told = workers.told
    assert await stored(runtime) == (number + WARM, number + WARM)
    print(
        f"drained: {unwritten / took:,.0f} events/s, log to rows ({number / (took + first - begun):,.0f} with filling)"
    )
    left = {"ingestion": undecided, "PostgreSQL": undecided, "writer": unwritten, "ClickHouse": unwritten}
    spent = {stage: (used[stage] - before[stage]) / left.get(stage, unwritten) * 1e6 for stage in STAGES}
    print("CPU, us an event: " + ", ".join(f"{stage} {micros:.0f}" for stage, micros in spent.items()))
    total = sum(spent.values())
    print(f"  together {total:.0f}, so two cores with nothing else to do carry {2e6 / total:,.0f} events/s")
    print(f"  and Valkey while the log was filled {(before['Valkey'] - filling['Valkey']) / number * 1e6:.0f}")
    print(f"database statements per 1,000 events: {told['ingestion']['statements'] / (number + WARM) * 1000:.1f}")
    memory = ", ".join(f"{name} {told[name]['memory_mb']:.0f} MB" for name in told)
    print(f"memory of the workers afterwards: {memory}")


async def _warm(runtime: Runtime, mix: Mix) -> None:
    await runtime.log.produce(topics.EVENTS.name, mix.new(WARM))
    await drained(runtime, seconds=120)


async def _steady(runtime: Runtime, mix: Mix, rate: int, seconds: float) -> None:
    batches = [mix.new(rate // 20) for _ in range(int(seconds * 20))]
    async with Workers(runtime) as workers:
        await _warm(runtime, mix)
        await asyncio.sleep(SHARED_OUT_SECONDS)
        since_ms, began = time.time() * 1000, time.monotonic()
        for number, batch in enumerate(batches):
            await asyncio.sleep(max(0.0, began + number / 20 - time.monotonic()))
            await runtime.log.produce(topics.EVENTS.name, batch)
        took = time.monotonic() - began
        await drained(runtime, seconds=120)
    rows = [times for arrived_ms, *times in workers.told["writer"]["late"] if arrived_ms >= since_ms]
    whole, first = ([_at(sorted(column), share) for share in (50, 99)] for column in zip(*rows, strict=True))
    sent = sum(len(batch) for batch in batches)
    print(f"at {sent / took:,.0f} events/s: rows are late by p50 {whole[0]:.2f} s, p99 {whole[1]:.2f} s", end="")
    print(f"; of it until ingestion had passed them on {first[0]:.2f} and {first[1]:.2f}")


def _at(values: list[float], share: int) -> float:
    return values[(len(values) - 1) * share // 100]


async def _clickhouse_alone(runtime: Runtime, number: int) -> None:
    async with runtime.log.tail(topics.STORED_EVENTS.name, last=min(number, 20_000) // 4) as tail:
        records: list[Record] = []
        while more := await tail.fetch(max_records=20_000, timeout=0.2):
            records += more
    rows = [made for record in records if isinstance(made := row(record, "alone"), Row)]
    store = EventStore(runtime.clickhouse, None, refill_seconds=1)
    partitions = {one.record.partition for one in rows}
    numbers = dict.fromkeys(partitions, await store.take_over("alone", partitions))
    began = time.process_time()
    block, inside, lines = packed(rows)
    packing = (time.process_time() - began) / len(rows) * 1e6
    assert not lines
    spent: dict[str, list[float]] = {"lines": [], "columns": []}
    for _ in range(3):
        for form in spent:
            before, began = _cpu()["ClickHouse"], time.perf_counter()
            await store.insert("alone", inside, numbers, block if form == "columns" else b"")
            spent[form] += [_cpu()["ClickHouse"] - before, time.perf_counter() - began]
    for form, figures in spent.items():
        used, took = (statistics.median(figures[at::2]) / len(rows) for at in (0, 1))
        print(
            f"baseline, ClickHouse alone, {len(rows)} of these rows in one insert as {form}: "
            f"{used * 1e6:.0f} us of CPU a row, {1 / took:,.0f} rows/s"
        )
    print(f"  and {packing:.0f} us of the writer to make columns of a row")


# --- what is there beforehand


async def _populate(runtime: Runtime, people: int) -> None:
    """Everybody is known already, as after their first page view."""
    properties = Mix().person_properties()
    async with runtime.postgres.transaction() as connection:
        keys = [(visitor_id(number), person_uuid(1, visitor_id(number))) for number in range(people)]
        names, uuids = [name for name, _ in keys], [uuid for _, uuid in keys]
        await connection.execute(
            "INSERT INTO posthog_person (team_id, uuid, created_at, properties, last_seen_at) "
            "SELECT 1, uuid, now(), $2::text::jsonb, now() FROM unnest($1::uuid[]) AS made (uuid)",
            *(uuids, json.dumps(properties)),
        )
        await connection.execute(
            "INSERT INTO posthog_persondistinctid (team_id, distinct_id, person_uuid) "
            "SELECT 1, name, uuid FROM unnest($1::text[], $2::uuid[]) AS made (name, uuid)",
            *(names, uuids),
        )
    async with runtime.postgres.connection() as connection:
        await connection.execute("ANALYZE posthog_person")
        await connection.execute("ANALYZE posthog_persondistinctid")


# --- processes


class Workers:
    """Ingestion and writer, in a process each. told: what they say of themselves at their end."""

    def __init__(self, runtime: Runtime):
        self._environment = environment(runtime.settings)
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self.told: dict[str, Any] = {}

    @property
    def pids(self) -> dict[str, int]:
        """For whoever wants to look into them."""
        return {name: child.pid for name, child in self._children.items()}

    async def __aenter__(self) -> "Workers":
        for name in ("ingestion", "writer"):
            self._children[name] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.bench.bench_pipeline", "--worker", name),
                env=self._environment,
                stdout=asyncio.subprocess.PIPE,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        for name, child in self._children.items():
            child.send_signal(signal.SIGTERM)
            printed = (await child.communicate())[0]
            self.told[name] = json.loads(printed.decode().splitlines()[-1])


def _cpu() -> dict[str, float]:
    """Seconds of CPU of each stage's processes, with those of PostgreSQL that have ended."""
    spent = dict.fromkeys(STAGES, 0.0)
    for process in psutil.Process().children(recursive=True):
        try:
            line, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        for stage, marks in STAGES.items():
            if all(mark in line for mark in marks):
                spent[stage] += times.user + times.system + times.children_user + times.children_system
                break
    return spent


# --- a worker's process


async def work(name: str) -> None:
    """Run one worker until SIGTERM, then print what it says of itself."""
    from services.cdp.ingestion import worker as ingestion
    from services.cdp.writer import worker as writer

    late: list[Lateness] = []
    stop, statements = asyncio.Event(), [0]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(EventStore, "insert", _timed(EventStore.insert, late)))
        for method in ("execute", "fetch", "fetchrow", "fetchval"):
            counted = _counted(getattr(_Connection, method), statements)
            stack.enter_context(mock.patch.object(_Connection, method, counted))
        async with open_runtime(KitSettings()) as runtime:
            settle()
            if name == "ingestion":
                await ingestion.run(runtime, IngestionSettings(), stop)
            else:
                await writer.run(runtime, WriterSettings(), stop)
    memory = psutil.Process().memory_info().rss / 2**20
    print(json.dumps({"statements": statements[0], "late": late, "memory_mb": memory}))


def _timed(insert: Any, late: list[Lateness]) -> Any:
    async def timed(store: EventStore, log_id: str, rows: list[Row], *more: Any) -> None:
        await insert(store, log_id, rows, *more)
        now = time.time()
        for one in rows:
            arrived = one.arrived_ms / 1000
            late.append((one.arrived_ms, now - arrived, one.record.timestamp_ms / 1000 - arrived))

    return timed


def _counted(method: Any, statements: list[int]) -> Any:
    async def counted(*args: Any, **more: Any) -> Any:
        statements[0] += 1
        return await method(*args, **more)

    return counted


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("events", nargs="?", type=int, default=40_000)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=4_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--worker", default="")
    given = parser.parse_args()
    if given.worker:
        import uvloop

        uvloop.run(work(given.worker))
    else:
        asyncio.run(measure(given.events, given.people, given.rate, given.seconds))
