"""What `libs.kit.eventlog.base` promises, asked of every backend."""

import asyncio
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack

import pytest

from libs.fastpath import partition_of
from libs.kit.errors import Fenced, Unavailable
from libs.kit.eventlog import Consumer, EventLog, NewRecord, Record, Topic
from libs.kit.eventlog.block import RecordBlock
from tests.support.eventlogs import LEASE_SECONDS, Backend, MemoryBackend, RedisBackend
from tests.support.scale import scaled

GROUP = "readers"
PATIENCE = 20.0  # seconds; a broker may take a while to hand partitions out


ENGINES = (
    "valkey",
    pytest.param("redis", marks=pytest.mark.networked),
    pytest.param("kafka", marks=pytest.mark.networked),
)


@pytest.fixture(params=["memory", *ENGINES])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "memory":
        return MemoryBackend()
    if request.param in ("valkey", "redis"):
        return RedisBackend(request.getfixturevalue(f"{request.param}_log").url)
    return request.getfixturevalue("kafka_backend")


@pytest.fixture
async def log(backend: Backend) -> AsyncIterator[EventLog]:
    log = await backend.connect()
    yield log
    await log.close()


@pytest.fixture
async def topic(log: EventLog) -> str:
    name = f"t{uuid.uuid4().hex[:12]}"
    await log.ensure([Topic(name, groups=(GROUP,))])
    return name


def numbered(count: int, key: Callable[[int], bytes | None] = lambda i: b"key%d" % i) -> list[NewRecord]:
    return [NewRecord(key(i), b"value%d" % i) for i in range(count)]


async def drain(consumer: Consumer, count: int, *, commit: bool = True) -> list[Record]:
    """The next `count` records, committed batch by batch unless told otherwise."""
    records: list[Record] = []
    deadline = time.monotonic() + PATIENCE
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records arrived"
        for batch in await consumer.fetch(max_records=100, timeout=0.5):
            assert batch.records
            records += batch.records
            if commit:
                await consumer.commit(batch.topic, batch.partition, batch.next_offset)
    return records


async def owning(consumer: Consumer, count: int) -> None:
    """Wait until the member owns `count` partitions; it then reads from their positions."""
    deadline = time.monotonic() + PATIENCE
    while len(consumer.assignments()) != count:
        assert time.monotonic() < deadline, f"owns {sorted(consumer.assignments())}, not {count}"
        await consumer.fetch(max_records=1, timeout=0.1)
    await read_again(consumer)


async def together(*members: Consumer) -> None:
    """Let both members fetch until they have two partitions each; they then read from their positions."""
    deadline = time.monotonic() + PATIENCE
    while [len(member.assignments()) for member in members] != [2, 2]:
        assert time.monotonic() < deadline, [sorted(member.assignments()) for member in members]
        await asyncio.gather(*(member.fetch(max_records=1, timeout=0.2) for member in members))
        for member in members:
            await read_again(member)


async def read_again(consumer: Consumer) -> None:
    for (topic, partition), assignment in consumer.assignments().items():
        await consumer.rewind(topic, partition, assignment.position)


async def test_records_come_back_as_they_were_sent(log: EventLog, topic: str) -> None:
    sent = [
        NewRecord(
            bytes(range(256)), bytes(range(255, -1, -1)), (("token", b"phc_\x00\xff"), ("v", b"1"), ("token", b""))
        ),
        NewRecord(b"", b"", ()),
        NewRecord(b"plain", b"x" * 1_000_000),
    ]
    before = int(time.time() * 1000)
    await log.produce(topic, sent)
    async with log.consumer([topic], GROUP) as consumer:
        got = await drain(consumer, len(sent))
    key_of = {record.key: record for record in got}
    assert [(r.key, r.value, r.headers) for r in (key_of[new.key] for new in sent)] == [
        (new.key, new.value, new.headers) for new in sent
    ]
    assert all(before - 1 <= record.timestamp_ms <= time.time() * 1000 for record in got)


async def test_a_record_without_a_key_goes_round(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(8, key=lambda _: None))
    async with log.consumer([topic], GROUP) as consumer:
        got = await drain(consumer, 8)
    assert {record.key for record in got} == {None}
    assert {record.partition for record in got} == {0, 1, 2, 3}


async def test_partitions_are_kafkas(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(100))
    async with log.consumer([topic], GROUP) as consumer:
        got = await drain(consumer, 100)
    assert await log.partitions(topic) == 4
    assert all(record.partition == partition_of(record.key or b"", 4) for record in got)


async def test_records_of_a_key_keep_their_order(log: EventLog, topic: str) -> None:
    sent = numbered(200, key=lambda i: b"key%d" % (i % 7))
    for start in range(0, 200, 20):
        await log.produce(topic, sent[start : start + 20])
    async with log.consumer([topic], GROUP) as consumer:
        got = await drain(consumer, 200)
    for key in {new.key for new in sent}:
        assert [r.value for r in got if r.key == key] == [new.value for new in sent if new.key == key]
    for partition in range(4):
        offsets = [r.offset for r in got if r.partition == partition]
        assert offsets == list(range(len(offsets)))


async def test_what_is_not_committed_comes_back(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(10))
    for _ in range(2):
        async with log.consumer([topic], GROUP) as consumer:
            got = await drain(consumer, 10, commit=False)
            assert sorted(r.value for r in got) == sorted(new.value for new in numbered(10))
    async with log.consumer([topic], GROUP) as consumer:
        await drain(consumer, 10)
    await log.produce(topic, [NewRecord(b"later", b"later")])
    async with log.consumer([topic], GROUP) as consumer:
        assert [r.value for r in await drain(consumer, 1)] == [b"later"]


@pytest.mark.parametrize("form", ["objects", "bytes"])
async def test_a_produce_of_bytes_is_a_produce_of_their_records(log: EventLog, topic: str, form: str) -> None:
    """Empty and absent keys, headers, values from nothing to more than an entry or a batch holds, and many of them."""
    sent = [
        NewRecord(
            (None, b"", b"key%d" % (i % 13))[i % 3],
            b"%d:" % i + b"x" * (300_000 if i == 500 else i % 900),
            (("token", b"phc"), ("i", b"%d" % i))[: i % 3],
        )
        for i in range(1000)
    ]
    produced: Sequence[NewRecord] = RecordBlock.of(sent) if form == "bytes" else sent
    await log.produce(topic, produced)
    async with log.consumer([topic], GROUP) as consumer:
        got = await drain(consumer, len(sent))
    number = {record.value: i for i, record in enumerate(sent)}
    assert sorted(number[record.value] for record in got) == list(range(len(sent)))
    for record in got:
        new = sent[number[record.value]]
        assert (record.key, record.headers) == (new.key, new.headers)
        assert record.key is None or record.partition == partition_of(record.key, 4)
    for partition in range(4):
        held = [record for record in got if record.partition == partition]
        assert [number[record.value] for record in held] == sorted(number[record.value] for record in held)
        assert [record.offset for record in held] == list(range(len(held)))
    without_key = [record.partition for record in got if record.key is None]
    assert max(map(without_key.count, range(4))) - min(map(without_key.count, range(4))) <= 1


async def test_a_position_anywhere_in_one_produce_holds(log: EventLog, topic: str) -> None:
    """Committed in the middle, left, joined again, sought back and forth: what comes is what is at the position."""
    await log.produce(topic, RecordBlock.of(numbered(300, key=lambda _: b"one")))
    await log.produce(topic, RecordBlock.of(numbered(10, key=lambda _: b"one")))
    place = topic, partition_of(b"one", 4)
    async with log.consumer([topic], GROUP) as consumer:
        await drain(consumer, 310, commit=False)
        await consumer.commit(*place, 123)
    async with log.consumer([topic], GROUP) as consumer:
        assert [r.offset for r in await drain(consumer, 187, commit=False)] == list(range(123, 310))
        assert consumer.assignments()[place].position == 123
        for at in (299, 124, 305, 200):
            await consumer.rewind(*place, at)
            assert (await consumer.lag())[place] == 310 - at
            taken: list[Record] = []
            while len(taken) < 5:
                for batch in await consumer.fetch(max_records=2, timeout=PATIENCE):
                    assert len(batch.records) <= 2
                    taken += batch.records
            assert [(r.offset, r.value) for r in taken] == [
                (n, b"value%d" % (n if n < 300 else n - 300)) for n in range(at, at + len(taken))
            ]
        await consumer.commit(*place, 299)
    async with log.consumer([topic], GROUP) as consumer:
        assert [r.offset for r in await drain(consumer, 11)] == list(range(299, 310))
        assert sum((await consumer.lag()).values()) == 0


async def test_a_tail_may_start_inside_one_produce(log: EventLog, topic: str) -> None:
    await log.produce(topic, RecordBlock.of(numbered(50, key=lambda _: b"one")))
    async with log.tail(topic, last=7) as tail:
        got: list[Record] = []
        deadline = time.monotonic() + PATIENCE
        while len(got) < 7:
            assert time.monotonic() < deadline
            found = await tail.fetch(max_records=3, timeout=0.5)
            assert len(found) <= 3
            got += found
        assert [r.offset for r in got] == list(range(43, 50))
        assert tail.caught_up or await tail.fetch(max_records=3, timeout=0.2) == []


async def test_a_position_inside_a_batch_holds(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(5, key=lambda _: b"one"))
    partition = partition_of(b"one", 4)
    async with log.consumer([topic], GROUP) as consumer:
        await drain(consumer, 5, commit=False)
        await consumer.commit(topic, partition, 3)
    async with log.consumer([topic], GROUP) as consumer:
        assert [r.offset for r in await drain(consumer, 2)] == [3, 4]
        assert consumer.assignments()[topic, partition].position == 3


async def test_groups_do_not_know_of_each_other(log: EventLog, topic: str) -> None:
    await log.ensure([Topic(topic, groups=(GROUP, "others"))])
    await log.produce(topic, numbered(10))
    for group in (GROUP, "others"):
        async with log.consumer([topic], group) as consumer:
            assert len(await drain(consumer, 10)) == 10


async def test_an_empty_fetch_returns_after_its_timeout(log: EventLog, topic: str) -> None:
    async with log.consumer([topic], GROUP) as consumer:
        await owning(consumer, 4)
        start = time.monotonic()
        assert await consumer.fetch(max_records=10, timeout=0.4) == []
        assert 0.35 < time.monotonic() - start < PATIENCE


async def test_a_waiting_fetch_wakes_up_for_a_record(log: EventLog, topic: str, backend: Backend) -> None:
    async with log.consumer([topic], GROUP) as consumer:
        await owning(consumer, 4)
        waiting = asyncio.create_task(consumer.fetch(max_records=10, timeout=PATIENCE))
        await asyncio.sleep(0.3)
        await log.produce(topic, numbered(1))
        start = time.monotonic()
        assert [r.value for batch in await waiting for r in batch.records] == [b"value0"]
        assert time.monotonic() - start < PATIENCE / 2  # not at the end of its own time


async def test_a_fetch_takes_no_more_than_it_was_asked_for(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(50))
    seen = 0
    async with log.consumer([topic], GROUP) as consumer:
        while seen < 50:
            batches = await consumer.fetch(max_records=3, timeout=PATIENCE)
            taken = sum(len(batch.records) for batch in batches)
            assert 0 < taken <= 3
            assert all({r.partition for r in batch.records} == {batch.partition} for batch in batches)
            seen += taken


async def test_one_busy_partition_fills_a_batch(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(400, key=lambda _: b"one"))
    async with log.consumer([topic], GROUP) as consumer:
        await owning(consumer, 4)
        await consumer.rewind(topic, partition_of(b"one", 4), 0)
        (batch,) = await consumer.fetch(max_records=400, timeout=PATIENCE)
    assert len(batch.records) == 400


async def test_rewind_reads_again(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(6, key=lambda _: b"one"))
    partition = partition_of(b"one", 4)
    async with log.consumer([topic], GROUP) as consumer:
        await drain(consumer, 6, commit=False)
        await consumer.rewind(topic, partition, 2)
        assert [r.offset for r in await drain(consumer, 4)] == [2, 3, 4, 5]
        with pytest.raises(Fenced):
            await consumer.rewind("no-such-topic", 0, 0)


async def test_lag_counts_what_was_not_fetched(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(6, key=lambda _: b"one"))
    place = (topic, partition_of(b"one", 4))
    async with log.consumer([topic], GROUP) as consumer:
        await drain(consumer, 6)
        assert sum((await consumer.lag()).values()) == 0
        await consumer.rewind(*place, 2)
        assert (await consumer.lag())[place] == 4
        assert len(await consumer.lag()) == 4


async def test_members_share_and_leaving_gives_back_at_once(log: EventLog, topic: str, backend: Backend) -> None:
    await log.produce(topic, numbered(40))
    async with log.consumer([topic], GROUP) as first:
        await owning(first, 4)
        async with log.consumer([topic], GROUP) as second:
            await together(first, second)
            assert not set(first.assignments()) & set(second.assignments())
            assert set(first.assignments()) | set(second.assignments()) == {(topic, p) for p in range(4)}
        await owning(first, 4)
        assert {r.value for r in await drain(first, 40)} == {new.value for new in numbered(40)}


async def test_a_partition_that_came_back_is_another_assignment(log: EventLog, topic: str) -> None:
    async with log.consumer([topic], GROUP) as first:
        await owning(first, 4)
        before = dict(first.assignments())
        async with log.consumer([topic], GROUP) as second:
            await together(first, second)
            lent = list(second.assignments())
        await owning(first, 4)
        after = first.assignments()
        assert all(after[place] is not before[place] for place in lent)


async def test_a_former_owner_cannot_commit(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(40))
    async with log.consumer([topic], GROUP) as first:
        await drain(first, 40)
        async with log.consumer([topic], GROUP) as second:
            await together(first, second)
            for place in second.assignments():
                with pytest.raises(Fenced):
                    await first.commit(*place, 1)
            for place, assignment in second.assignments().items():
                await second.commit(*place, assignment.position)


async def test_keep_alive_keeps_partitions_through_a_long_batch(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(20))
    async with log.consumer([topic], GROUP) as first, log.consumer([topic], GROUP) as second:
        await together(first, second)
        batches = await first.fetch(max_records=100, timeout=PATIENCE)
        busy_until = time.monotonic() + 1.5 * LEASE_SECONDS
        while time.monotonic() < busy_until:
            await first.keep_alive()
            await second.fetch(max_records=100, timeout=0.1)
        for batch in batches:
            await first.commit(batch.topic, batch.partition, batch.next_offset)


async def test_several_topics_in_one_consumer(log: EventLog, topic: str) -> None:
    other = f"{topic}b"
    await log.ensure([Topic(other, groups=(GROUP,))])
    await log.produce(topic, numbered(5))
    await log.produce(other, numbered(7))
    async with log.consumer([topic, other], GROUP) as consumer:
        got = await drain(consumer, 12)
    assert [sum(r.topic == name for r in got) for name in (topic, other)] == [5, 7]


async def test_a_tail_sees_what_is_new_and_commits_nothing(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(5))
    async with log.tail(topic) as tail:
        assert await tail.fetch(max_records=10, timeout=0.2) == []
        await log.produce(topic, [NewRecord(b"new", b"new")])
        assert [r.value for r in await tail_all(tail.fetch, 1)] == [b"new"]
    async with log.consumer([topic], GROUP) as consumer:
        assert len(await drain(consumer, 6)) == 6


async def test_a_tail_may_start_before_the_end(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(9, key=lambda _: b"one"))
    async with log.tail(topic, last=4) as tail:
        assert [r.offset for r in await tail_all(tail.fetch, 4)] == [5, 6, 7, 8]


async def test_a_tail_says_when_it_has_caught_up(log: EventLog, topic: str) -> None:
    async with log.tail(topic, last=5) as tail:
        assert tail.caught_up  # there is nothing
    await log.produce(topic, numbered(30))
    async with log.tail(topic) as tail:
        assert tail.caught_up
    async with log.tail(topic, last=100) as tail:
        records: list[Record] = []
        deadline = time.monotonic() + PATIENCE
        while not tail.caught_up:
            assert time.monotonic() < deadline
            records += await tail.fetch(max_records=7, timeout=0.2)
        assert sorted(record.value for record in records) == sorted(one.value for one in numbered(30))


async def tail_all(fetch: Callable[..., object], count: int) -> Sequence[Record]:
    records: list[Record] = []
    deadline = time.monotonic() + PATIENCE
    while len(records) < count and time.monotonic() < deadline:
        records += await fetch(max_records=100, timeout=0.5)  # type: ignore[misc]
    return records


async def test_two_clients_see_one_log(log: EventLog, topic: str, backend: Backend) -> None:
    other = await backend.connect()
    try:
        await other.produce(topic, numbered(3))
        async with log.consumer([topic], GROUP) as consumer:
            assert len(await drain(consumer, 3)) == 3
        assert await other.log_id(topic) == await log.log_id(topic)
    finally:
        if backend.name != "memory":
            await other.close()


async def test_ensure_changes_nothing_that_exists(log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(3))
    identity = await log.log_id(topic)
    await asyncio.gather(*(log.ensure([Topic(topic, groups=(GROUP,))]) for _ in range(5)))
    assert await log.log_id(topic) == identity
    async with log.consumer([topic], GROUP) as consumer:
        assert len(await drain(consumer, 3)) == 3


async def test_a_topic_made_again_is_another_log(log: EventLog, topic: str, backend: Backend) -> None:
    await log.produce(topic, numbered(20))
    async with log.consumer([topic], GROUP) as consumer:
        await drain(consumer, 20)
    identity = await log.log_id(topic)
    await backend.delete(topic)
    other = await backend.connect()
    await other.ensure([Topic(topic, groups=(GROUP,))])
    assert await log.log_id(topic) != identity
    await log.produce(topic, [NewRecord(b"fresh", b"fresh")])
    async with log.consumer([topic], GROUP) as consumer:
        (record,) = await drain(consumer, 1)
    assert (record.value, record.offset) == (b"fresh", 0)
    if backend.name != "memory":
        await other.close()


async def test_a_topic_that_does_not_exist_is_unavailable(log: EventLog) -> None:
    with pytest.raises(Unavailable):
        await log.produce("never-made", numbered(1))
    with pytest.raises(Unavailable):
        await log.log_id("never-made")


async def test_check_passes_while_the_log_takes_records(log: EventLog, topic: str) -> None:
    await log.check()


async def test_nothing_to_produce_is_fine(log: EventLog, topic: str) -> None:
    await log.produce(topic, [])


@pytest.mark.parametrize("seed", range(scaled(50, least=2)))
async def test_members_come_and_go_and_every_record_is_read(
    log: EventLog, topic: str, backend: Backend, seed: int
) -> None:
    """Members that leave in order cause no copies, except on Kafka, where a rebalance interrupts those who stay."""
    chance = random.Random(seed)
    produced: list[bytes] = []
    seen: list[bytes] = []
    done = asyncio.Event()

    async def member() -> None:
        """Lives for some batches at a time, and holds a batch for a while before it commits."""
        while not done.is_set():
            async with log.consumer([topic], GROUP) as consumer:
                for _ in range(chance.randint(5, 20)):
                    for batch in await consumer.fetch(max_records=chance.randint(1, 40), timeout=0.2):
                        await asyncio.sleep(chance.random() * 0.02)
                        try:
                            await consumer.commit(batch.topic, batch.partition, batch.next_offset)
                        except Fenced:
                            continue
                        seen.extend(record.value for record in batch.records)

    async def produce() -> None:
        for number in range(60):
            values = [b"%d:%d" % (number, i) for i in range(10)]
            await log.produce(topic, [NewRecord(value, value) for value in values])
            produced.extend(values)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(2 * PATIENCE):
            while not set(produced) <= set(seen):
                await asyncio.sleep(0.05)
        done.set()

    await asyncio.gather(produce(), *(member() for _ in range(3)))
    assert set(seen) == set(produced)
    if backend.name == "redis":
        assert len(seen) == len(produced)


MEMBER = """
import asyncio, sys
from libs.kit.clock import SystemClock
from libs.kit.eventlog.open import open_eventlog
from libs.kit.eventlog.block import RecordBlock
from tests.support.eventlogs import log_settings

async def main(topic, group):
    log = await open_eventlog(log_settings(), SystemClock())
    async with log.consumer([topic], group) as consumer:
        while True:
            await consumer.fetch(max_records=5, timeout=0.2)
            print(len(consumer.assignments()), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("backend", ENGINES, indirect=True)  # a log in memory has no other process
async def test_a_killed_members_partitions_are_taken_over(backend: Backend, log: EventLog, topic: str) -> None:
    await log.produce(topic, numbered(40))
    async with AsyncExitStack() as stack:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MEMBER, topic, GROUP,
            env={**os.environ, **backend.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        stack.callback(lambda: child.returncode is None and child.send_signal(signal.SIGKILL))
        assert child.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while await child.stdout.readline() != b"4\n":
                pass
        child.send_signal(signal.SIGKILL)
        await child.wait()
        async with log.consumer([topic], GROUP) as consumer:
            assert {r.value for r in await drain(consumer, 40)} == {new.value for new in numbered(40)}
