"""What only the log in Redis Streams promises: its memory, its trimming, and what a killed server leaves behind."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from libs.kit.clock import SystemClock
from libs.kit.errors import Fenced, HedgerowError, LogFull, OutcomeUnknown, Unavailable
from libs.kit.eventlog import EventLog, NewRecord, Topic, redis_consumer
from libs.kit.eventlog.open import open_eventlog
from tests.support.eventlogs import log_settings
from tests.support.valkey import ValkeyServer, running_valkey

GROUP = "readers"
PATIENCE = 30.0  # seconds; what is waited for comes long before, unless the machine is busy elsewhere


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with running_valkey(max_memory_mb=24) as server:
        yield server


@pytest.fixture
async def log(server: ValkeyServer) -> AsyncIterator[EventLog]:
    async with Redis.from_url(server.url) as client:
        await client.flushall()
    log = await connect(server)
    yield log
    await log.close()


async def connect(server: ValkeyServer, **changes: object) -> EventLog:
    return await open_eventlog(log_settings(log_redis_url=server.url, **changes), SystemClock())


def unique(*groups: str, admission: float | None = None) -> Topic:
    return Topic(f"t{uuid.uuid4().hex[:12]}", groups=groups, admission=admission)


async def fill(log: EventLog, topic: str) -> int:
    """Produce until the log refuses; how many records it took."""
    taken = 0
    batch = [NewRecord(b"key%d" % i, b"x" * 2000) for i in range(50)]
    while taken < 100_000:
        try:
            await log.produce(topic, batch)
        except LogFull:
            return taken
        taken += len(batch)
    raise AssertionError("the log never filled up")


async def read_all(log: EventLog, topic: str, count: int) -> list[bytes]:
    """Read and commit `count` records."""
    values: list[bytes] = []
    async with asyncio.timeout(PATIENCE), log.consumer([topic], GROUP) as consumer:
        while len(values) < count:
            for batch in await consumer.fetch(max_records=1000, timeout=1):
                values += [record.value for record in batch.records]
                await consumer.commit(batch.topic, batch.partition, batch.next_offset)
    return values


async def test_a_full_log_refuses_new_events_serves_the_stages_behind_and_drains(
    log: EventLog, server: ValkeyServer
) -> None:
    first, second = unique(GROUP), unique(GROUP, admission=0.9)
    await log.ensure([first, second])
    taken = await fill(log, first.name)
    stricter = await connect(server, log_admission_ratio=0.6)  # 0.7 is where `fill` stopped, give or take a batch
    with pytest.raises(LogFull):
        await stricter.check()
    await stricter.close()
    await log.produce(second.name, [NewRecord(b"k", b"v")])
    assert len(await read_all(log, first.name, taken)) == taken
    await log.check()
    await log.produce(first.name, [NewRecord(b"k", b"v")])
    assert await fill(log, first.name) > taken // 2


async def test_a_refused_produce_writes_nothing(log: EventLog) -> None:
    topic = unique(GROUP)
    await log.ensure([topic])
    taken = await fill(log, topic.name)
    await read_all(log, topic.name, taken)
    async with log.consumer([topic.name], GROUP) as consumer:
        assert await consumer.fetch(max_records=10, timeout=0.2) == []


async def test_positions_move_at_maxmemory_itself(log: EventLog, server: ValkeyServer) -> None:
    topic = unique(GROUP, admission=2.0)  # only the server's own limit is left
    await log.ensure([topic])
    taken = await fill(log, topic.name)
    async with Redis.from_url(server.url) as client:
        info = await client.info("memory")
        assert info["used_memory"] > 0.95 * info["maxmemory"]
    assert len(await read_all(log, topic.name, taken)) == taken
    await log.produce(topic.name, [NewRecord(b"k", b"v")])


async def test_a_large_produce_that_meets_the_mark_half_way_says_so(log: EventLog) -> None:
    topic = unique(GROUP)
    await log.ensure([topic])
    # It goes out in requests of up to 4 MiB: the first ones fit under 70% of 24 MiB, and then one does not.
    with pytest.raises(OutcomeUnknown):
        await log.produce(topic.name, [NewRecord(b"k", b"x" * 1_000_000) for _ in range(18)])


async def test_trimming_waits_for_the_slowest_declared_group(log: EventLog, server: ValkeyServer) -> None:
    topic = unique(GROUP, "slow")
    await log.ensure([topic])
    await log.close()
    log = await connect(server, log_tail_records=0)
    await log.produce(topic.name, [NewRecord(b"one", b"%d" % i) for i in range(100)])
    await read_all(log, topic.name, 100)
    assert await kept(server, topic.name) == 100
    async with log.consumer([topic.name], "slow") as consumer:
        (batch,) = await consumer.fetch(max_records=100, timeout=PATIENCE)
        await consumer.commit(batch.topic, batch.partition, 60)
        assert await kept(server, topic.name) == 40
        await consumer.commit(batch.topic, batch.partition, 100)
    assert await kept(server, topic.name) == 0
    await log.produce(topic.name, [NewRecord(b"one", b"next")])
    async with log.consumer([topic.name], GROUP) as consumer:
        ((record,),) = [batch.records for batch in await consumer.fetch(max_records=10, timeout=PATIENCE)]
    assert record.offset == 100
    await log.close()


async def test_what_was_committed_stays_a_while_for_tails(log: EventLog, server: ValkeyServer) -> None:
    topic = unique(GROUP)
    await log.ensure([topic])
    await log.produce(topic.name, [NewRecord(b"one", b"%d" % i) for i in range(1500)])
    await read_all(log, topic.name, 1500)
    assert await kept(server, topic.name) == 1000
    async with log.tail(topic.name, last=10) as tail:
        assert [record.value for record in await tail.fetch(max_records=100, timeout=PATIENCE)] == [
            b"%d" % i for i in range(1490, 1500)
        ]


async def test_a_topic_nobody_commits_is_bounded(log: EventLog, server: ValkeyServer) -> None:
    topic = unique()
    await log.ensure([topic])
    await log.close()
    log = await connect(server, log_uncommitted_records=200)
    for _ in range(20):
        await log.produce(topic.name, [NewRecord(b"one", b"x" * 100) for _ in range(100)])
    assert 200 <= await kept(server, topic.name) < 400
    await log.close()


async def test_dead_letters_never_take_the_room_of_events(log: EventLog, server: ValkeyServer) -> None:
    dead, events = unique(admission=0.97), unique(GROUP)
    await log.ensure([dead, events])
    for _ in range(60):
        await log.produce(dead.name, [NewRecord(b"%d" % i, b"x" * 100_000) for i in range(10)])
    async with Redis.from_url(server.url) as client:
        assert (await client.info("memory"))["used_memory"] < 0.25 * 24 * 1024 * 1024
    assert await kept(server, dead.name) > 4
    await log.produce(events.name, [NewRecord(b"k", b"v")])


async def kept(server: ValkeyServer, topic: str) -> int:
    """Entries of all partitions on the server."""
    async with Redis.from_url(server.url) as client:
        identity = (await client.hget(f"log:{{{topic}}}", "id")).decode()
        return sum([await client.xlen(f"log:{{{topic}}}:{identity}:{partition}") for partition in range(4)])


async def test_a_silent_owner_is_fenced_once_another_took_its_partitions(log: EventLog) -> None:
    topic = unique(GROUP)
    await log.ensure([topic])
    await log.produce(topic.name, [NewRecord(b"one", b"1"), NewRecord(b"one", b"2")])
    async with log.consumer([topic.name], GROUP) as silent, log.consumer([topic.name], GROUP) as other:
        (held,) = await silent.fetch(max_records=10, timeout=PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while len(other.assignments()) < 4:
                await other.fetch(max_records=10, timeout=0.2)
        # It does not know yet: the server must say no, in the very script that would move the position.
        assert (held.topic, held.partition) in silent.assignments()
        with pytest.raises(Fenced):
            await silent.commit(held.topic, held.partition, held.next_offset)
        assert (held.topic, held.partition) not in silent.assignments()
        await other.commit(held.topic, held.partition, held.next_offset)


async def test_a_surplus_partition_is_given_up_only_when_settled(log: EventLog) -> None:
    topic = unique(GROUP)
    await log.ensure([topic])
    await log.produce(topic.name, [NewRecord(b"key%d" % i, b"v") for i in range(40)])
    async with log.consumer([topic.name], GROUP) as first, log.consumer([topic.name], GROUP) as second:
        batches = list(await first.fetch(max_records=100, timeout=PATIENCE))
        while len(batches) < 4:
            batches += await first.fetch(max_records=100, timeout=PATIENCE)
        for _ in range(4):  # it keeps fetching, as a loop does that commits later
            await first.fetch(max_records=10, timeout=0.3)
            await second.fetch(max_records=10, timeout=0.3)
        assert len(first.assignments()) == 4
        for batch in batches:
            await first.commit(batch.topic, batch.partition, batch.next_offset)
        async with asyncio.timeout(PATIENCE):
            while len(second.assignments()) != 2:
                await first.fetch(max_records=10, timeout=0.2)
                assert await second.fetch(max_records=10, timeout=0.2) == []


@pytest.fixture
def own_server() -> Iterator[ValkeyServer]:
    with running_valkey() as server:
        yield server


async def test_what_was_acknowledged_survives_a_killed_server(own_server: ValkeyServer) -> None:
    """Also: a produce that was under way is OutcomeUnknown, one while it is away Unavailable, and then it goes on."""
    log = await connect(own_server)
    topic = unique(GROUP)
    await log.ensure([topic])
    identity = await log.log_id(topic.name)
    acknowledged: list[bytes] = []
    in_doubt: list[bytes] = []
    outcomes: list[HedgerowError] = []
    sent = 0

    async def produce() -> None:
        nonlocal sent
        while not outcomes:
            values = [b"%d" % (sent + i) for i in range(20)]
            sent += 20
            try:
                await log.produce(topic.name, [NewRecord(value, value) for value in values])
                acknowledged.extend(values)
            except HedgerowError as exc:
                outcomes.append(exc)
                if isinstance(exc, OutcomeUnknown):
                    in_doubt.extend(values)

    async def kill() -> None:
        while len(acknowledged) < 2000:
            await asyncio.sleep(0.001)
        await asyncio.to_thread(own_server.kill)

    async with asyncio.timeout(60):
        await asyncio.gather(*(produce() for _ in range(4)), kill())
    assert all(isinstance(exc, Unavailable) for exc in outcomes)
    with pytest.raises(Unavailable) as away:
        await log.produce(topic.name, [NewRecord(b"away", b"away")])
    assert not isinstance(away.value, OutcomeUnknown)
    with pytest.raises(Unavailable):
        await log.check()
    await asyncio.to_thread(own_server.start)
    assert await log.log_id(topic.name) == identity
    await log.produce(topic.name, [NewRecord(b"back", b"back")])
    got = await read_all(log, topic.name, len(acknowledged) + 1)
    assert set(acknowledged) | {b"back"} <= set(got)
    assert set(got) <= set(acknowledged) | set(in_doubt) | {b"back"}
    assert len(got) == len(set(got))
    await log.close()


async def test_a_produce_without_an_answer_has_an_unknown_outcome(own_server: ValkeyServer) -> None:
    """The server is stopped as a process, so the request leaves and no answer comes."""
    log = await connect(own_server, log_timeout_seconds=2)
    topic = unique(GROUP)
    await log.ensure([topic])
    await log.produce(topic.name, [NewRecord(b"k", b"before")])
    own_server.freeze()
    try:
        with pytest.raises(OutcomeUnknown):
            await log.produce(topic.name, [NewRecord(b"k", b"in doubt")])
    finally:
        own_server.thaw()
    await log.produce(topic.name, [NewRecord(b"k", b"after")])
    values = await read_all(log, topic.name, 2)
    assert values[0] == b"before"
    assert b"after" in values or b"after" in await read_all(log, topic.name, 1)
    await log.close()


async def test_a_consumer_goes_on_after_the_server_was_away(own_server: ValkeyServer) -> None:
    log = await connect(own_server)
    topic = unique(GROUP)
    await log.ensure([topic])
    async with log.consumer([topic.name], GROUP) as consumer, log.tail(topic.name) as tail:
        await consumer.fetch(max_records=10, timeout=0.1)
        own_server.kill()
        with pytest.raises(Unavailable):
            await consumer.fetch(max_records=10, timeout=10)
        with pytest.raises(Unavailable):
            await tail.fetch(max_records=10, timeout=0.5)
        own_server.start()
        await log.produce(topic.name, [NewRecord(b"k", b"v")])
        (batch,) = await consumer.fetch(max_records=10, timeout=PATIENCE)
        await consumer.commit(batch.topic, batch.partition, batch.next_offset)
        assert [record.value for record in await tail.fetch(max_records=10, timeout=PATIENCE)] == [b"v"]
    await log.close()


async def test_a_consumer_notices_that_its_topic_was_made_again(log: EventLog, server: ValkeyServer) -> None:
    topic = unique(GROUP)
    await log.ensure([topic])
    await log.produce(topic.name, [NewRecord(b"one", b"%d" % i) for i in range(5)])
    async with log.consumer([topic.name], GROUP) as consumer:
        (batch,) = await consumer.fetch(max_records=10, timeout=PATIENCE)
        before = consumer.assignments()[batch.topic, batch.partition]
        async with Redis.from_url(server.url) as client:
            await client.flushall()
        await log.ensure([topic])
        with pytest.raises(Fenced):
            await consumer.commit(batch.topic, batch.partition, batch.next_offset)
        await log.produce(topic.name, [NewRecord(b"one", b"new")])
        (again,) = await consumer.fetch(max_records=10, timeout=PATIENCE)
        assert [(record.offset, record.value) for record in again.records] == [(0, b"new")]
        assert consumer.assignments()[again.topic, again.partition] is not before


async def test_a_read_that_fails_half_way_skips_nothing(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch reads several times; what it has when one of them fails is given out, not passed over."""
    topic = unique(GROUP)
    await log.ensure([topic])
    values = [b"%d" % n for n in range(20)]
    await log.produce(topic.name, [NewRecord(b"%d" % n, value) for n, value in enumerate(values)])
    whole = redis_consumer.read_streams
    reads = 0

    async def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal reads
        reads += 1
        if reads == 2:
            raise Unavailable("the server has just been killed")
        return await whole(*arguments, **{**options, "limit": 5})

    monkeypatch.setattr(redis_consumer, "read_streams", failing)
    got: list[bytes] = []
    async with asyncio.timeout(PATIENCE), log.consumer([topic.name], GROUP) as consumer:
        while len(got) < len(values):
            for batch in await consumer.fetch(max_records=20, timeout=1):
                got += [record.value for record in batch.records]
    assert reads > 2
    assert sorted(got, key=int) == values
