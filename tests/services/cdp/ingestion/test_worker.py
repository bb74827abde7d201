"""How the loop overlaps: a batch is on its way to the log while the next one is committed, and no more than one."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from libs.kit.contracts import topics
from libs.kit.eventlog import EventLog, NewRecord
from libs.kit.runtime import Runtime
from services.cdp.ingestion import worker
from services.cdp.settings import IngestionSettings
from tests.support.captured import captured_new
from tests.support.pipeline import QUICK_INGESTION, lag, prepare, rest_of, until

BATCH = 10
ONE_LANE = QUICK_INGESTION.model_copy(update={"lanes": "live", "batch_records": BATCH, "members": 1})


class Gate:
    """A log that takes no rows before it is opened. asked: the names of the events of each produce of rows."""

    def __init__(self, log: EventLog):
        self._log = log
        self.open = asyncio.Event()
        self.asked: list[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        if topic == topics.STORED_EVENTS.name:
            self.asked.append([json.loads(record.value)["event"] for record in records])
            await self.open.wait()
        await self._log.produce(topic, records)


@asynccontextmanager
async def at_work(runtime: Runtime, gate: Gate, settings: IngestionSettings) -> AsyncIterator[None]:
    """Ingestion behind the gate, which is open at the end, so that it ends too."""
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(gated(runtime, gate), settings, stop))
    try:
        yield
    finally:
        gate.open.set()
        stop.set()
        await running


def gated(runtime: Runtime, gate: Gate) -> Runtime:
    """The same, with that log."""
    return dataclasses.replace(runtime, log=cast(EventLog, gate))


async def all_moved(runtime: Runtime) -> None:
    """Until the log's positions say that everything is settled."""

    async def moved() -> bool:
        return not await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP)

    await until(moved)


async def test_one_batch_is_on_its_way_while_the_next_is_committed(runtime: Runtime) -> None:
    await prepare(runtime)
    names = [f"e{number}" for number in range(5 * BATCH)]
    await runtime.log.produce(topics.EVENTS.name, [captured_new(event=name, distinct_id="one") for name in names])
    gate = Gate(runtime.log)

    async def committed() -> bool:
        row = await runtime.postgres.fetch_one("SELECT sum(next_offset)::int AS stands FROM hedgerow_log_position")
        return row is not None and row["stands"] == 2 * BATCH

    async with at_work(runtime, gate, ONE_LANE):
        await until(committed)
        assert gate.asked == [names[:BATCH]]
        assert await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP) == len(names)
        gate.open.set()
        await all_moved(runtime)
    assert [name for asked in gate.asked for name in asked] == names
    assert max(map(len, gate.asked)) <= BATCH
    async with runtime.log.tail(topics.STORED_EVENTS.name, last=1000) as tail:
        assert sorted(json.loads(record.value)["event"] for record in await rest_of(tail)) == sorted(names)


async def test_what_was_on_its_way_when_the_process_ended_comes_again(runtime: Runtime) -> None:
    await prepare(runtime)
    names = [f"e{number}" for number in range(2 * BATCH)]
    await runtime.log.produce(topics.EVENTS.name, [captured_new(event=name, distinct_id="one") for name in names])
    gate, stop = Gate(runtime.log), asyncio.Event()
    running = asyncio.create_task(worker.run(gated(runtime, gate), ONE_LANE, stop))

    async def asked() -> bool:
        return bool(gate.asked)

    await until(asked)
    running.cancel()  # as a process that is killed while a batch is on its way
    await asyncio.gather(running, return_exceptions=True)
    assert await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP) == len(names)
    gate.open.set()
    async with at_work(runtime, gate, ONE_LANE):
        await all_moved(runtime)
    async with runtime.log.tail(topics.STORED_EVENTS.name, last=1000) as tail:
        assert sorted(json.loads(record.value)["event"] for record in await rest_of(tail)) == sorted(names)


async def test_members_of_one_process_do_not_wait_for_each_other(runtime: Runtime) -> None:
    await prepare(runtime)
    gate = Gate(runtime.log)

    async def both_wait() -> bool:
        """The first one has all partitions until it has settled what it holds and the other one's are handed over."""
        gate.open.set()
        await all_moved(runtime)
        gate.open.clear()
        gate.asked.clear()
        people = (f"person {number}" for number in range(4 * BATCH))
        await runtime.log.produce(topics.EVENTS.name, [captured_new(event="e", distinct_id=one) for one in people])
        await asyncio.sleep(1)
        return len(gate.asked) == 2

    async with at_work(runtime, gate, ONE_LANE.model_copy(update={"members": 2})):
        await until(both_wait)
        gate.open.set()
        await all_moved(runtime)
    assert {"ingestion", "ingestion_1"} <= runtime.health.checks.keys()
