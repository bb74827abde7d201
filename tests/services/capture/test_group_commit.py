"""Group commit: one produce for what comes together, each told its own fate, memory bounded."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.kit.errors import LogFull, OutcomeUnknown, PayloadTooLarge, Unavailable
from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.block import RecordBlock
from services.capture.group_commit import MOST_BYTES, MOST_RECORDS, GroupCommit, LogBacklog, Waiting
from tests.support.capturing import KeptLog


class ByTopic(KeptLog):
    """Fails for the topics it is told to, and waits until `durable`."""

    def __init__(self, **failures: Exception):
        super().__init__()
        self.failures = failures
        self.produces = 0
        self.durable = asyncio.Event()
        self.durable.set()

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        self.produces += 1
        await self.durable.wait()
        if error := self.failures.get(topic):
            raise error
        await super().produce(topic, records)


class Told(Waiting):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.errors: list[object] = []

    def told(self, error: Exception | None) -> None:
        self.errors.append(error)


def record(number: int = 0, size: int = 10) -> NewRecord:
    return NewRecord(b"k", b"%d" % number + b"x" * size)


async def test_what_comes_in_one_turn_is_one_produce_in_order() -> None:
    log, told = ByTopic(), Told()
    commit = GroupCommit(log, 10**6)  # type: ignore[arg-type]  # not a whole log
    for number in range(10):
        commit.submit("t", [record(number), record(number + 100)], told)
    await commit.drain()
    assert told.errors == 10 * [None]
    assert log.produces == 1
    assert log.records == [record(number + more) for number in range(10) for more in (0, 100)]
    assert commit.waiting_bytes == 0


async def test_blocks_stay_bytes_on_their_way_to_the_log() -> None:
    taken: list[tuple[bytes, int, int]] = []

    class Bytes(ByTopic):
        async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
            assert isinstance(records, RecordBlock)
            taken.append((records.payload, len(records), records.size))

    blocks = [RecordBlock.of([record(number), record(number + 100)]) for number in range(3)]
    expected = b"".join([block.payload for block in blocks]), 6, sum(block.size for block in blocks)

    log, told = Bytes(), Told()
    commit = GroupCommit(log, 10**6)  # type: ignore[arg-type]  # not a whole log
    for block in blocks:
        commit.submit("t", block, told)
    assert commit.waiting_bytes == expected[2]
    await commit.drain()
    assert (taken, told.errors) == ([expected], 3 * [None])
    assert [block._records for block in blocks] == [None, None, None]  # nobody decoded them


@pytest.mark.parametrize(("count", "size"), [(MOST_RECORDS, 1), (20, MOST_BYTES // 5)])
async def test_groups_are_bounded(count: int, size: int) -> None:
    log, told = ByTopic(), Told()
    commit = GroupCommit(log, 10**9)  # type: ignore[arg-type]  # not a whole log
    for number in range(count + 1):
        commit.submit("t", [record(number, size)], told)
    await commit.drain()
    assert log.produces == (2 if size == 1 else 6)
    assert {kept.value for kept in log.records} == {record(number, size).value for number in range(count + 1)}
    assert told.errors == (count + 1) * [None]


@pytest.mark.parametrize("failure", [LogFull("full"), Unavailable("away"), KeyError("bug")])
async def test_neighbours_share_a_failure(failure: Exception) -> None:
    log, told = ByTopic(t=failure), Told()
    commit = GroupCommit(log, 10**6)  # type: ignore[arg-type]  # not a whole log
    for number in range(3):
        commit.submit("t", [record(number)], told)
    await commit.drain()
    assert told.errors == 3 * [failure]


async def test_a_request_of_two_topics_is_told_once_when_both_have_answered() -> None:
    full = LogFull("full")
    for failures, expected in (({}, None), ({"b": full}, full)):
        log, told = ByTopic(**failures), Told()
        commit = GroupCommit(log, 10**6)  # type: ignore[arg-type]  # not a whole log
        commit.submit_all({"a": [record()], "b": [record()]}, told)
        await commit.drain()
        assert told.errors == [expected]


async def test_half_a_request_that_is_too_large_is_no_refusal() -> None:
    log, told = ByTopic(b=PayloadTooLarge("no")), Told()
    commit = GroupCommit(log, 10**6)  # type: ignore[arg-type]  # not a whole log
    commit.submit_all({"a": [record()], "b": [record()]}, told)
    await commit.drain()
    assert isinstance(told.errors[0], OutcomeUnknown)


async def test_what_waits_is_bounded_but_one_request_is_always_taken() -> None:
    log, told = ByTopic(), Told()
    log.durable.clear()
    commit = GroupCommit(log, 1000)  # type: ignore[arg-type]  # not a whole log
    commit.submit("t", [record(0, 5000)], told)
    with pytest.raises(LogBacklog):
        commit.submit("t", [record(1, 1)], told)
    log.durable.set()
    await commit.drain()
    commit.submit("t", [record(1, 1)], told)
    await commit.drain()
    assert told.errors == [None, None]


async def test_one_who_fails_on_hearing_does_not_keep_it_from_the_others() -> None:
    log, told = ByTopic(), Told()
    commit = GroupCommit(log, 10**6)  # type: ignore[arg-type]  # not a whole log

    class Fails(Waiting):
        def told(self, error: Exception | None) -> None:
            raise ValueError(error)

    commit.submit("t", [record()], Fails())
    commit.submit("t", [record()], told)
    await commit.drain()
    assert told.errors == [None]
