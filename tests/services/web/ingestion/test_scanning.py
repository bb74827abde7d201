"""The newest records of a topic, within bounds, on each kind of log."""

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from libs.kit.clock import SystemClock
from libs.kit.contracts.topics import INGESTION_GROUP
from libs.kit.errors import Unavailable
from libs.kit.eventlog import EventLog, NewRecord, Topic
from services.web.ingestion.scanning import Scan, scan
from tests.support.eventlogs import KafkaBackend, RedisBackend
from tests.support.kafka import shared_broker
from tests.support.valkey import ValkeyServer, running_valkey


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with running_valkey() as started:
        yield started


@pytest.fixture(params=["valkey", pytest.param("kafka", marks=pytest.mark.networked)])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[EventLog]:
    if request.param == "kafka":
        log = await KafkaBackend(shared_broker().brokers).connect()
    else:
        log = await RedisBackend(request.getfixturevalue("server").url).connect()
    yield log
    await log.close()


async def looked(log: EventLog, topic: str, value: bytes, last: int) -> Scan:
    return await scan(log, topic, lambda record: record.value == value, last=last, clock=SystemClock(), seconds=20)


async def test_what_is_found_and_how_far_it_was_looked(log: EventLog) -> None:
    topic = f"t{uuid.uuid4().hex[:12]}"
    await log.ensure([Topic(topic, groups=(INGESTION_GROUP,))])
    assert await looked(log, topic, b"v0", 10) == Scan(None, 0, True)
    await log.produce(topic, [NewRecord(b"key", b"v%d" % number) for number in range(1500)])
    whole = await looked(log, topic, b"v3", 2000)
    assert whole.found is not None
    assert (whole.found.offset, whole.records, whole.reached_end) == (3, 1500, True)
    assert await looked(log, topic, b"v3", 100) == Scan(None, 100, True)
    with pytest.raises(Unavailable):
        await looked(log, "nowhere", b"v3", 10)


async def test_the_newest_of_several_is_found(log: EventLog) -> None:
    topic = f"t{uuid.uuid4().hex[:12]}"
    await log.ensure([Topic(topic, groups=(INGESTION_GROUP,))])
    await log.produce(topic, [NewRecord(b"key", value) for value in (b"a", b"b", b"a", b"b")])
    found = (await looked(log, topic, b"a", 10)).found
    assert found is not None
    assert found.offset == 2
