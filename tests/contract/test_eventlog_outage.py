"""Kafka goes away and comes back: nothing acknowledged is lost, and nothing that was called unwritten turns up."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest

from libs.kit.clock import SystemClock
from libs.kit.errors import HedgerowError, OutcomeUnknown, PayloadTooLarge, Unavailable
from libs.kit.eventlog import Consumer, EventLog, NewRecord, Topic
from libs.kit.eventlog.open import open_eventlog
from tests.support.eventlogs import log_settings
from tests.support.kafka import KafkaBroker, private_broker

pytestmark = pytest.mark.networked

GROUP = "readers"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    broker = private_broker(tmp_path_factory.mktemp("kafka"))
    broker.launch()
    broker.wait_ready()
    yield broker
    broker.kill()


async def connect(broker: KafkaBroker, **changes: object) -> EventLog:
    return await open_eventlog(log_settings(eventlog="kafka", kafka_brokers=broker.brokers, **changes), SystemClock())


async def test_an_outage_of_the_broker(broker: KafkaBroker) -> None:
    log = await connect(broker, log_timeout_seconds=2)
    topic = Topic(f"t{uuid.uuid4().hex[:12]}", groups=(GROUP,))
    await log.ensure([topic])
    identity = await log.log_id(topic.name)
    acknowledged: list[bytes] = []
    outcomes: dict[bytes, HedgerowError] = {}
    stopping = asyncio.Event()

    async def produce(name: int) -> None:
        number = 0
        while not stopping.is_set():
            values = [b"%d:%d:%d" % (name, number, i) for i in range(10)]
            number += 1
            try:
                await log.produce(topic.name, [NewRecord(value, value) for value in values])
                acknowledged.extend(values)
            except Unavailable as exc:
                outcomes.update(dict.fromkeys(values, exc))
                await asyncio.sleep(0.1)

    async with asyncio.timeout(120), log.consumer([topic.name], GROUP) as consumer:
        producers = [asyncio.create_task(produce(name)) for name in range(4)]
        got = await read(consumer, 200)
        await broker.stop()
        away_from = len(acknowledged)
        while len(outcomes) < 80:
            await asyncio.sleep(0.1)
        with pytest.raises(Unavailable):
            await log.check()
        await broker.start()
        while len(acknowledged) < away_from + 200:
            await asyncio.sleep(0.1)
        stopping.set()
        await asyncio.gather(*producers)
        await log.produce(topic.name, [NewRecord(b"last%d" % i, b"last%d" % i) for i in range(20)])
        while not {b"last%d" % i for i in range(20)} | set(acknowledged) <= set(got):
            got += await read(consumer, 1)
    unknown = {value for value, exc in outcomes.items() if isinstance(exc, OutcomeUnknown)}
    surely_not = set(outcomes) - unknown
    assert surely_not, "no produce was called unwritten, so nothing was tested"
    assert not surely_not & set(got)
    assert await log.log_id(topic.name) == identity
    await log.close()


async def read(consumer: Consumer, count: int) -> list[bytes]:
    """At least `count` values, committed; a broker that is away is waited for."""
    values: list[bytes] = []
    while len(values) < count:
        try:
            for batch in await consumer.fetch(max_records=500, timeout=1):
                values += [record.value for record in batch.records]
                await consumer.commit(batch.topic, batch.partition, batch.next_offset)
        except HedgerowError:
            await asyncio.sleep(0.1)
    return values


async def test_a_process_may_start_before_the_broker(broker: KafkaBroker) -> None:
    await broker.stop()
    log = await connect(broker, log_timeout_seconds=2)
    with pytest.raises(Unavailable):
        await log.check()
    with pytest.raises(Unavailable) as away:
        await log.produce("events", [NewRecord(b"k", b"v")])
    assert not isinstance(away.value, OutcomeUnknown)
    async with log.consumer(["events"], GROUP) as consumer:
        with pytest.raises(Unavailable):
            await consumer.fetch(max_records=1, timeout=0.1)
        await broker.start()
        await log.ensure([Topic("events", groups=(GROUP,))])
        await log.produce("events", [NewRecord(b"k", b"v")])
        async with asyncio.timeout(30):
            assert await read(consumer, 1) == [b"v"]
    await log.close()


async def test_a_consumer_can_leave_while_the_broker_is_away(broker: KafkaBroker) -> None:
    log = await connect(broker, log_timeout_seconds=2)
    await log.ensure([Topic("left", groups=(GROUP,))])
    async with log.consumer(["left"], GROUP) as consumer:
        await consumer.fetch(max_records=1, timeout=1)
        await broker.stop()
    await log.close()
    await broker.start()


async def test_a_batch_the_topic_does_not_take_is_too_large(broker: KafkaBroker) -> None:
    log = await connect(broker, kafka_max_message_bytes=100_000)
    await log.ensure([Topic("small", groups=(GROUP,))])
    with pytest.raises(PayloadTooLarge):
        await log.produce("small", [NewRecord(b"k", b"x" * 200_000)])
    await log.produce("small", [NewRecord(b"k", b"fits")])
    async with asyncio.timeout(30), log.consumer(["small"], GROUP) as consumer:
        assert await read(consumer, 1) == [b"fits"]
    await log.close()


async def test_what_is_too_large_does_not_stand_for_its_neighbours(broker: KafkaBroker) -> None:
    """Produces that share a round: only the one at fault hears of it."""
    log = await connect(broker, kafka_max_message_bytes=100_000)
    await log.ensure([Topic("shared", groups=(GROUP,))])
    answers = await asyncio.gather(
        log.produce("shared", [NewRecord(b"k", b"first")]),
        log.produce("shared", [NewRecord(b"k", b"x" * 200_000)]),
        log.produce("shared", [NewRecord(b"k", b"second")]),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [type(None), PayloadTooLarge, type(None)]
    async with asyncio.timeout(30), log.consumer(["shared"], GROUP) as consumer:
        assert set(await read(consumer, 2)) == {b"first", b"second"}
    await log.close()


async def test_a_read_that_ended_unseen_does_not_stand_for_a_member_that_lives(broker: KafkaBroker) -> None:
    """Whoever stops waiting for a fetch and is then busy for long keeps its partitions by `keep_alive`."""
    longest = 1.0
    log = await connect(broker, kafka_max_poll_seconds=longest)
    topic = Topic(f"t{uuid.uuid4().hex[:12]}", groups=(GROUP,))
    await log.ensure([topic])
    async with asyncio.timeout(60), log.consumer([topic.name], GROUP) as consumer:
        while not consumer.assignments():
            await consumer.fetch(max_records=1, timeout=0.1)
        owned = dict(consumer.assignments())
        fetching = asyncio.create_task(consumer.fetch(max_records=1, timeout=1))
        await asyncio.sleep(0.1)
        fetching.cancel()
        await asyncio.wait([fetching])
        for _ in range(50):
            await consumer.keep_alive()
            await asyncio.sleep(longest / 10)
        assert consumer.assignments() == owned
    await log.close()
