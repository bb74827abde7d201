import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kit.clock import ManualClock
from libs.kit.errors import Unavailable
from libs.kit.eventlog import Assignment, Batch, Record
from services.cdp.consuming import (
    Fetches,
    InTurns,
    Limits,
    Loop,
    Pulse,
    Reader,
    count,
    cut,
    fetch,
    joined,
    kept_alive,
    ownership,
    still_ours,
)

TOPIC = "t"


def batch(partition: int, start: int, number: int, size: int = 1) -> Batch:
    records = [Record(TOPIC, partition, start + n, None, b"x" * size, (), 0) for n in range(number)]
    return Batch(TOPIC, partition, records)


class Script:
    """A consumer that answers from a list; an exception in it is raised."""

    def __init__(self, *answers: Sequence[Batch] | Exception):
        self.answers = list(answers)
        self.asked: list[int] = []
        self.owned = {(TOPIC, 0): Assignment(TOPIC, 0, 0)}
        self.beats = 0

    async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Batch]:
        self.asked.append(max_records)
        answer = self.answers.pop(0) if self.answers else ()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def keep_alive(self) -> None:
        self.beats += 1
        raise Unavailable("the log is away")

    async def commit(self, topic: str, partition: int, next_offset: int) -> None: ...

    def assignments(self) -> Mapping[tuple[str, int], Assignment]:
        return self.owned

    async def rewind(self, topic: str, partition: int, offset: int) -> None: ...

    async def lag(self) -> Mapping[tuple[str, int], int]:
        raise Unavailable("the log is away")


def limits(records: int = 100, size: int = 1000, linger: float = 0.001) -> Limits:
    return Limits(records, size, linger, 0.1)


async def test_what_was_fetched_survives_a_fetch_that_fails_behind_it() -> None:
    """The consumer stands behind it already: raised away, its records would be skipped by the next commit."""
    consumer = Script([batch(0, 0, 2)], Unavailable("the log has just been killed"))
    got = await fetch(consumer, limits())
    assert [(one.partition, one.next_offset) for one in got] == [(0, 2)]


async def test_small_batch_waits_a_moment_and_grows() -> None:
    consumer = Script([batch(0, 0, 2)], [batch(0, 2, 3), batch(1, 0, 1)])
    consumer.owned[TOPIC, 1] = Assignment(TOPIC, 1, 0)
    got = await fetch(consumer, limits())
    assert {(one.partition, len(one.records)) for one in got} == {(0, 5), (1, 1)}
    assert consumer.asked == [100, 98]


async def test_large_batch_goes_at_once() -> None:
    consumer = Script([batch(0, 0, 50)], [batch(0, 50, 50)])
    assert count(await fetch(consumer, limits())) == 50
    assert count(await fetch(Script(), limits())) == 0


async def test_batch_of_large_records_goes_at_once() -> None:
    """Its number may never reach half of the limit: a log with a backlog would be waited for in every turn."""
    consumer = Script([batch(0, 0, 5, size=100)], [batch(0, 5, 5)])
    assert count(await fetch(consumer, limits(records=100, size=1000))) == 5
    assert consumer.asked == [100]


def test_partition_that_came_back_starts_again() -> None:
    [whole] = joined([batch(0, 10, 5), batch(0, 12, 5)])
    assert [record.offset for record in whole.records] == list(range(10, 17))
    [again] = joined([batch(0, 10, 5), batch(0, 3, 2)])
    assert [record.offset for record in again.records] == [3, 4]


@given(
    shape=st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=8), max_size=5),
    records=st.integers(1, 7),
    size=st.integers(1, 80),
)
def test_pieces_hold_everything_once_in_order_within_the_limits(
    shape: list[list[int]], records: int, size: int
) -> None:
    batches = [
        Batch(TOPIC, partition, [Record(TOPIC, partition, n, None, b"x" * s, (), 0) for n, s in enumerate(sizes)])
        for partition, sizes in enumerate(shape)
    ]
    pieces = cut(batches, limits(records, size))
    flat = [record for piece in pieces for one in piece for record in one.records]
    assert flat == [record for one in batches for record in one.records]
    for piece in pieces:
        held = [len(record.value) for one in piece for record in one.records]
        assert len(held) <= records
        assert sum(held) <= max([size, *held]) + size // 8
        assert all(one.records for one in piece)


def test_ownership_ends_with_the_assignment_even_when_we_get_it_again() -> None:
    consumer, one = Script(), batch(0, 0, 1)
    owned = ownership(consumer, [one])
    assert still_ours(consumer, one, owned)
    consumer.owned = {(TOPIC, 0): Assignment(TOPIC, 0, 0)}
    assert not still_ours(consumer, one, owned)
    assert not still_ours(consumer, batch(1, 0, 1), ownership(consumer, [batch(1, 0, 1)]))


async def test_membership_goes_on_while_the_log_is_away() -> None:
    consumer = Script()
    async with kept_alive(consumer):
        async with asyncio.timeout(60):
            while consumer.beats < 2:
                await asyncio.sleep(0.02)


async def test_outage_of_the_log_is_waited_out() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    pulse = Pulse(clock)
    loop = Loop("writer", clock, asyncio.Event(), pulse)
    consumer = Script(Unavailable("away"), Unavailable("away"), [batch(0, 0, 60)])
    async with Reader(loop, consumer) as reader:
        assert count((await reader.next(limits()))[0]) == 60
    with pytest.raises(Unavailable, match="waiting: away"):
        await pulse.check()
    pulse.beat()
    await pulse.check()
    clock.advance(121)
    with pytest.raises(Unavailable, match="no progress"):
        await pulse.check()


def offsets(batches: Sequence[Batch]) -> list[int]:
    return [record.offset for one in batches for record in one.records]


def loop_of(name: str = "writer") -> Loop:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    return Loop(name, clock, asyncio.Event(), Pulse(clock))


async def turns_of_the_loop() -> None:
    """Whatever can be done without us is done."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_backlog_is_fetched_while_a_batch_is_worked_on() -> None:
    consumer = Script([batch(0, 0, 60)], [batch(0, 60, 70)], [batch(0, 130, 2)])
    async with Reader(loop_of(), consumer) as reader:
        first, _ = await reader.next(limits())
        await turns_of_the_loop()
        assert consumer.asked == [100, 100]
        second, owned = await reader.next(limits())
        assert (offsets(first), offsets(second)) == (list(range(60)), list(range(60, 130)))
        assert still_ours(reader.consumer, second[0], owned)


async def test_nothing_is_fetched_ahead_of_a_small_batch() -> None:
    """What comes while it is worked on makes one larger batch."""
    consumer = Script([batch(0, 0, 3)], [], [batch(0, 3, 3)])
    async with Reader(loop_of(), consumer) as reader:
        assert offsets((await reader.next(limits()))[0]) == [0, 1, 2]
        await turns_of_the_loop()
        assert len(consumer.asked) == 2  # one, and one more after a moment


async def test_little_that_was_fetched_ahead_grows() -> None:
    consumer = Script([batch(0, 0, 60)], [batch(0, 60, 2)], [batch(0, 62, 3)])
    async with Reader(loop_of(), consumer) as reader:
        await reader.next(limits())
        assert offsets((await reader.next(limits()))[0]) == list(range(60, 65))


async def test_what_was_fetched_ahead_of_a_change_of_hands_is_left_alone() -> None:
    """The partition starts again at its committed position: its records come once more, under the new ownership."""
    consumer = Script([batch(0, 0, 60)], [batch(0, 60, 70)], [batch(0, 60, 50)])
    async with Reader(loop_of(), consumer) as reader:
        await reader.next(limits())
        await turns_of_the_loop()
        consumer.owned = {(TOPIC, 0): Assignment(TOPIC, 0, 60)}
        second, owned = await reader.next(limits())
        assert offsets(second) == list(range(60, 110))
        assert still_ours(reader.consumer, second[0], owned)


async def test_partition_that_leaves_while_little_grows_is_left_out() -> None:
    class Leaving(Script):
        async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Batch]:
            if len(self.answers) == 1:
                self.owned = {**self.owned, (TOPIC, 0): Assignment(TOPIC, 0, 60)}
            return await super().fetch(max_records=max_records, timeout=timeout)

    consumer = Leaving([batch(0, 0, 60), batch(1, 0, 1)], [batch(0, 60, 2), batch(1, 1, 1)], [batch(1, 2, 1)])
    consumer.owned[TOPIC, 1] = Assignment(TOPIC, 1, 0)
    async with Reader(loop_of(), consumer) as reader:
        await reader.next(limits())
        second, _ = await reader.next(limits())
        assert [(one.partition, len(one.records)) for one in second] == [(1, 2)]


async def test_fetch_ahead_that_fails_is_made_again() -> None:
    consumer = Script([batch(0, 0, 60)], Unavailable("killed"), [batch(0, 60, 60)])
    async with Reader(loop_of(), consumer) as reader:
        await reader.next(limits())
        await turns_of_the_loop()
        assert offsets((await reader.next(limits()))[0]) == list(range(60, 120))


async def test_batch_grows_beside_the_work_on_the_one_before() -> None:
    """However long that takes, without a fetch that waits: the work needs the consumer too."""

    class Never(Script):
        async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Batch]:
            assert timeout == 0
            return await super().fetch(max_records=max_records, timeout=timeout)

    consumer = Never([], [batch(0, 0, 2)], Unavailable("killed"), [batch(0, 2, 3)])
    work: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    async with Reader(loop_of(), consumer) as reader:
        task = asyncio.create_task(reader.next(limits(), work))
        async with asyncio.timeout(60):
            while consumer.answers:
                await asyncio.sleep(0.01)
        assert not task.done()
        work.set_exception(Unavailable("what became of the work is not the reader's affair"))
        got, owned = await task
        assert offsets(got) == [0, 1, 2, 3, 4]
        assert consumer.asked[:4] == [100, 100, 98, 98]
        assert still_ours(reader.consumer, got[0], owned)
    assert isinstance(work.exception(), Unavailable)


async def test_full_batch_does_not_wait_for_the_work_on_the_one_before() -> None:
    """Nothing is read ahead of it: this work, and it, are all that is held."""
    consumer = Script([batch(0, 0, 50)], [batch(0, 50, 40)], [batch(0, 90, 9)])
    work: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    async with Reader(loop_of(), consumer) as reader:
        assert offsets((await reader.next(limits(), work))[0]) == list(range(90))
        await turns_of_the_loop()
        assert consumer.asked == [100, 50]
        assert not work.done()


async def test_nothing_came_beside_the_work() -> None:
    """Then the next record is waited for as ever."""
    consumer = Script([], [batch(0, 0, 60)])
    work: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    work.set_result(True)
    async with Reader(loop_of(), consumer) as reader:
        assert count((await reader.next(limits(linger=0), work))[0]) == 60


async def test_partition_that_leaves_beside_the_work_is_left_out() -> None:
    consumer = Script([batch(0, 0, 2), batch(1, 0, 1)], [batch(1, 1, 1)])
    consumer.owned[TOPIC, 1] = Assignment(TOPIC, 1, 0)
    work: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    async with Reader(loop_of(), consumer) as reader:
        task = asyncio.create_task(reader.next(limits(), work))
        async with asyncio.timeout(60):
            while len(consumer.answers) == 2:
                await asyncio.sleep(0)
        consumer.owned = {**consumer.owned, (TOPIC, 0): Assignment(TOPIC, 0, 0)}
        work.set_result(True)
        got, _ = await task
        assert [(one.partition, len(one.records)) for one in got] == [(1, 2)]


@pytest.mark.parametrize(
    ("held", "room"),
    [
        ([], 100),
        ([batch(0, 0, 10, size=1)], 90),
        ([batch(0, 0, 10, size=50)], 10),
        ([batch(0, 0, 5, size=50), batch(0, 5, 5, size=50)], 10),
        ([batch(0, 0, 10, size=500)], 1),
    ],
)
async def test_room_is_what_fits_by_number_and_by_size(held: list[Batch], room: int) -> None:
    consumer = Script()
    fetches = Fetches(consumer)
    for one in held:
        fetches.add([one], ownership(consumer, [one]))
    await fetches.grow(limits(records=100, size=1000))
    assert consumer.asked == [room]


def test_rest_of_a_fetch_is_no_piece_of_its_own() -> None:
    assert [count(piece) for piece in cut([batch(0, 0, 22, size=50)], limits(100, 1000))] == [22]
    assert [count(piece) for piece in cut([batch(0, 0, 23, size=50)], limits(100, 1000))] == [20, 3]
    assert [count(piece) for piece in cut([batch(0, 0, 102)], limits(100, 1000))] == [100, 2]


async def test_calls_of_a_consumer_come_one_after_the_other() -> None:
    under_way: list[str] = []

    class Slow(Script):
        async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Batch]:
            return await self._alone("fetch") or ()

        async def keep_alive(self) -> None:
            await self._alone("keep_alive")

        async def commit(self, topic: str, partition: int, next_offset: int) -> None:
            await self._alone("commit")

        async def _alone(self, name: str) -> None:
            under_way.append(name)
            await turns_of_the_loop()
            assert under_way == [name]
            under_way.clear()

    consumer = InTurns(Slow())
    calls = (consumer.fetch(max_records=1, timeout=0), consumer.keep_alive(), consumer.commit(TOPIC, 0, 1))
    await asyncio.gather(*calls)
