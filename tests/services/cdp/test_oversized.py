"""Topics that somebody else made take less than ours: what is too large for one is left out, alone."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from libs.kit.clock import SystemClock
from libs.kit.contracts import topics
from libs.kit.eventlog import EventLog, Record
from libs.kit.eventlog.open import open_eventlog
from libs.kit.outcomes import drops_of, team_owner
from libs.kit.runtime import Runtime
from services.cdp.ingestion import worker
from tests.support.captured import captured_new
from tests.support.eventlogs import log_settings
from tests.support.kafka import KafkaBroker, private_broker
from tests.support.pipeline import QUICK_INGESTION, prepare

pytestmark = pytest.mark.networked


@asynccontextmanager
async def opened(broker: KafkaBroker, **changes: object) -> AsyncIterator[EventLog]:
    log = await open_eventlog(log_settings(eventlog="kafka", kafka_brokers=broker.brokers, **changes), SystemClock())
    try:
        yield log
    finally:
        await log.close()


async def read(log: EventLog, topic: str, number: int) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(90), log.tail(topic, last=100) as tail:
        while len(found) < number:
            found += await tail.fetch(max_records=100, timeout=1)
    return found


async def test_a_row_that_is_too_large_holds_nobody_up(runtime: Runtime, tmp_path: Path) -> None:
    await prepare(runtime)
    broker = private_broker(tmp_path)
    broker.launch()
    broker.wait_ready()
    try:
        async with opened(broker, kafka_max_message_bytes=100_000, log_partitions=1) as small:
            await small.ensure([topics.STORED_EVENTS])
        async with opened(broker, log_partitions=1) as log:
            await log.ensure(topics.ALL)
            sizes = {"a": 10, "b": 300_000, "c": 10, "d": 200_000, "e": 10}
            sent = [captured_new(event=name, properties={"x": "y" * size}) for name, size in sizes.items()]
            await log.produce(topics.EVENTS.name, sent)
            stop = asyncio.Event()
            running = asyncio.create_task(
                worker.run(
                    dataclasses.replace(runtime, log=log), QUICK_INGESTION.model_copy(update={"lanes": "live"}), stop
                )
            )
            try:
                rows = {json.loads(record.value)["event"] for record in await read(log, topics.STORED_EVENTS.name, 3)}
                warnings = [json.loads(record.value) for record in await read(log, topics.WARNINGS.name, 2)]
            finally:
                stop.set()
                await running
    finally:
        broker.kill()
    assert rows == {"a", "c", "e"}
    assert {warning["type"] for warning in warnings} == {"message_size_too_large"}
    details = [json.loads(warning["details"]) for warning in warnings]
    assert {each["event"] for each in details} == {"b", "d"}
    for each in details:
        [drop] = await drops_of(runtime.state, [team_owner(1)], each["eventUuid"])
        assert (drop.step, drop.reason) == ("ingestion", "message_size_too_large")
