"""What only the log in Redis Streams promises: its memory, its trimming, and what a killed server leaves behind."""

import asyncio
import os
import random
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import msgspec
import pytest
from redis.asyncio import Redis

from libs.fastpath import partition_of, pieces
from libs.kit.clock import SystemClock
from libs.kit.errors import Fenced, HedgerowError, LogFull, OutcomeUnknown, Unavailable
from libs.kit.eventlog import EventLog, NewRecord, Topic
from libs.kit.eventlog.block import RecordBlock
from libs.kit.eventlog.open import open_eventlog
from libs.kit.eventlog.redis_streams import (
    ENTRY_BYTES,
    ENTRY_RECORDS,
    Incarnation,
    StreamReader,
    entry_head,
    read_entry,
)
from libs.kit.eventlog.redis_wire import Wire
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
    batch = [NewRecord(b"key%d" % i, os.urandom(2000)) for i in range(50)]
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
        await log.produce(topic.name, [NewRecord(b"k", os.urandom(1_000_000)) for _ in range(18)])


async def test_trimming_waits_for_the_slowest_declared_group(log: EventLog, server: ValkeyServer) -> None:
    topic = unique(GROUP, "slow")
    await log.ensure([topic])
    await log.close()
    log = await connect(server, log_tail_records=0)
    for start, end in ((0, 60), (60, 100)):  # an entry each
        await log.produce(topic.name, [NewRecord(b"one", b"%d" % i) for i in range(start, end)])
    await read_all(log, topic.name, 100)
    assert await kept(server, topic.name) == 100
    async with log.consumer([topic.name], "slow") as consumer:
        (batch,) = await consumer.fetch(max_records=100, timeout=PATIENCE)
        await consumer.commit(batch.topic, batch.partition, 59)
        assert await kept(server, topic.name) == 100
        await consumer.commit(batch.topic, batch.partition, 60)
        assert await kept(server, topic.name) == 40
        await consumer.commit(batch.topic, batch.partition, 99)
        assert await kept(server, topic.name) == 40
    async with log.consumer([topic.name], "slow") as consumer:
        (left,) = await consumer.fetch(max_records=100, timeout=PATIENCE)
        assert [(record.offset, record.value) for record in left.records] == [(99, b"99")]
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
    assert 1000 <= await kept(server, topic.name) < 1000 + ENTRY_RECORDS
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
        await log.produce(dead.name, [NewRecord(b"%d" % i, os.urandom(100_000)) for i in range(10)])
    async with Redis.from_url(server.url) as client:
        assert (await client.info("memory"))["used_memory"] < 0.25 * 24 * 1024 * 1024
    assert await kept(server, dead.name) > 4
    await log.produce(events.name, [NewRecord(b"k", b"v")])


async def kept(server: ValkeyServer, topic: str) -> int:
    """Records of all partitions on the server."""
    return sum([len(read_entry(topic, 0, entry)) for entry in await entries(server, topic)])


async def entries(server: ValkeyServer, topic: str) -> list[Any]:
    """What the server has of all partitions, as it answers it."""
    wire = Wire(server.url, 5)
    try:
        streams = [await stream_of(wire, topic, partition) for partition in range(4)]
        return [entry for stream in streams for entry in await wire.call("XRANGE", stream, "-", "+")]
    finally:
        await wire.close()


async def stream_of(wire: Wire, topic: str, partition: int) -> str:
    identity = (await wire.call("HGET", f"log:{{{topic}}}", "id")).decode()
    return f"log:{{{topic}}}:{identity}:{partition}"


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
    whole = StreamReader.read
    reads = 0

    async def failing(reader: StreamReader, positions: Any, **options: Any) -> Any:
        nonlocal reads
        reads += 1
        if reads == 2:
            raise Unavailable("the server has just been killed")
        return await whole(reader, positions, **{**options, "limit": 5})

    monkeypatch.setattr(StreamReader, "read", failing)
    got: list[bytes] = []
    async with asyncio.timeout(PATIENCE), log.consumer([topic.name], GROUP) as consumer:
        while len(got) < len(values):
            for batch in await consumer.fetch(max_records=20, timeout=1):
                got += [record.value for record in batch.records]
    assert reads > 2
    assert sorted(got, key=int) == values


async def test_an_entry_is_bounded_and_a_larger_record_has_its_own(log: EventLog, server: ValkeyServer) -> None:
    topic = unique(GROUP)
    await log.ensure([topic])
    sizes = [10] * 600 + [1000] * 100 + [3 * ENTRY_BYTES] + [10] * 5
    await log.produce(topic.name, [NewRecord(b"one", b"x" * size) for size in sizes])
    held = [read_entry(topic.name, 0, entry) for entry in await entries(server, topic.name)]
    assert [len(record.value) for records in held for record in records] == sizes
    assert [record.offset for records in held for record in records] == list(range(len(sizes)))
    assert all(len(records) <= ENTRY_RECORDS for records in held)
    assert all(len(records) == 1 or sum(len(r.value) for r in records) <= ENTRY_BYTES for records in held)
    assert len(held) < 10


@pytest.mark.parametrize(
    ("values", "compressed"),
    [([b"{}" * 50] * 200, True), ([os.urandom(100)] * 5, False), ([os.urandom(100) for _ in range(200)], False)],
    ids=["alike", "few", "nothing to gain"],
)
async def test_large_entries_are_kept_compressed(
    log: EventLog, server: ValkeyServer, values: list[bytes], compressed: bool
) -> None:
    topic = unique(GROUP)
    await log.ensure([topic])
    await log.produce(topic.name, [NewRecord(b"one", value) for value in values])
    (entry,) = await entries(server, topic.name)
    assert (len(entry[1][1]) < sum(map(len, values)) / 4) == compressed
    assert [record.value for record in read_entry(topic.name, 0, entry)] == values
    async with log.consumer([topic.name], GROUP) as consumer:
        (batch,) = await consumer.fetch(max_records=1000, timeout=5)
    assert [record.value for record in batch.records] == values


async def test_what_the_first_form_left_in_a_log_is_read(log: EventLog, server: ValkeyServer) -> None:
    """A record an entry, numbered by the server, and no ends: a server that was filled before an upgrade."""
    topic = unique(GROUP)
    await log.ensure([topic])
    wire = Wire(server.url, 5)
    stream = await stream_of(wire, topic.name, partition_of(b"one", 4))
    for number in range(3):
        head = msgspec.msgpack.encode((1_700_000_000_000 + number, b"one", (("v", b"1"),)))
        await wire.call("XADD", stream, "0-*", "m", head, "v", b"%d" % number)
    await wire.close()
    await log.ensure([topic])
    await log.produce(topic.name, [NewRecord(b"one", b"3"), NewRecord(b"one", b"4")])
    async with log.consumer([topic.name], GROUP) as consumer:
        got = [record for batch in await consumer.fetch(max_records=10, timeout=PATIENCE) for record in batch.records]
        assert sum((await consumer.lag()).values()) == 0
    assert [(record.offset, record.value) for record in got] == [(n, b"%d" % n) for n in range(5)]
    assert (got[1].key, got[1].headers, got[1].timestamp_ms) == (b"one", (("v", b"1"),), 1_700_000_000_001)


async def test_a_read_goes_on_inside_an_entry(log: EventLog, server: ValkeyServer) -> None:
    """Whatever the sizes of entries and fetches and wherever one begins, the same records come."""
    chance = random.Random(7)
    topic = unique(GROUP)
    await log.ensure([topic])
    total = 0
    for _ in range(30):
        count = chance.choice((1, 1, 7, 60, 300))
        await log.produce(topic.name, [NewRecord(b"one", b"%d" % n) for n in range(total, total + count)])
        total += count
    place = topic.name, partition_of(b"one", 4)
    async with asyncio.timeout(60), log.consumer([topic.name], GROUP) as consumer:
        await consumer.fetch(max_records=1, timeout=PATIENCE)
        for _ in range(60):
            at = chance.randrange(total)
            await consumer.rewind(*place, at)
            for _ in range(chance.randint(1, 4)):
                most = chance.choice((1, 3, 100, 700))
                found = [r for batch in await consumer.fetch(max_records=most, timeout=0) for r in batch.records]
                assert [(r.offset, r.value) for r in found] == [
                    (n, b"%d" % n) for n in range(at, min(at + most, total))
                ]
                at += len(found)


async def test_small_entries_are_asked_for_together_and_large_ones_few_at_a_time() -> None:
    """Sizes of a read are told from the last one, so the second one is right."""
    asked: list[int] = []

    class Server:
        def __init__(self, piece: bytes, records: int):
            self.piece, self.records = piece, records

        async def call(self, *command: Any) -> Any:
            count, position = command[2], int(command[-1][2:])
            asked.append(count)
            ids = [position + (n + 1) * self.records for n in range(count)]
            return [[command[-2].encode(), [[b"0-%d" % last, [b"b", self.piece]] for last in ids]]]

    source = Incarnation("t", "id", 1), 0
    for size, records, within in ((10, 1, (150, 256)), (ENTRY_BYTES, 1, (1, 32)), (100, 50, (1, 6))):
        payload = RecordBlock.of([NewRecord(b"k", b"x" * size)] * records).payload
        ((_, _, piece),) = pieces(payload, entry_head(1), 1, 0, 1000, 10**9)[0]
        reader = StreamReader(cast(Wire, Server(piece, records)))
        position = 0
        asked.clear()
        while len(asked) < 3:
            ((_, batch),) = await reader.read({source: position}, limit=250, block_seconds=0)
            position = batch.next_offset
        assert within[0] <= asked[-1] <= within[1], (size, records, asked)
