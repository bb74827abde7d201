"""What the log in memory offers beyond the contract: injected failures, and time that takes no time."""

import time
from datetime import UTC, datetime

import pytest

from libs.kit.clock import ManualClock
from libs.kit.errors import Fenced, LogFull, OutcomeUnknown, Unavailable
from libs.kit.eventlog import NewRecord, Topic
from libs.kit.eventlog.testing import MemoryEventLog

TOPIC = Topic("events", groups=("g",))
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


async def test_waiting_takes_no_time_on_a_manual_clock(clock: ManualClock) -> None:
    log = MemoryEventLog(clock)
    await log.ensure([TOPIC])
    start = time.monotonic()
    async with log.consumer(["events"], "g") as consumer:
        assert await consumer.fetch(max_records=10, timeout=3600) == []
    assert clock.monotonic() >= 3600
    assert time.monotonic() - start < 60


async def test_records_carry_the_clocks_time(clock: ManualClock) -> None:
    log = MemoryEventLog(clock)
    await log.ensure([TOPIC])
    await log.produce("events", [NewRecord(b"k", b"v")])
    assert [record.timestamp_ms for record in log.records("events")] == [int(START.timestamp() * 1000)]


async def test_failures_are_raised_in_order_written_or_not(clock: ManualClock) -> None:
    log = MemoryEventLog(clock)
    await log.ensure([TOPIC])
    log.fail_next(Unavailable("away"))
    log.fail_next(OutcomeUnknown("no answer"), written=True)
    with pytest.raises(Unavailable, match="away"):
        await log.produce("events", [NewRecord(b"k", b"1")])
    with pytest.raises(OutcomeUnknown):
        await log.produce("events", [NewRecord(b"k", b"2")])
    await log.produce("events", [NewRecord(b"k", b"3")])
    assert [record.value for record in log.records("events")] == [b"2", b"3"]


async def test_a_full_log_drains_as_positions_move(clock: ManualClock) -> None:
    log = MemoryEventLog(clock, partitions=1, capacity=10, admission=0.7)
    later = Topic("later", groups=("g",), admission=0.9)
    await log.ensure([TOPIC, later])
    await log.produce("events", [NewRecord(b"k", b"v")] * 7)
    with pytest.raises(LogFull):
        await log.produce("events", [NewRecord(b"k", b"v")])
    with pytest.raises(LogFull):
        await log.check()
    await log.produce("later", [NewRecord(b"k", b"v")])
    async with log.consumer(["events"], "g") as consumer:
        (batch,) = await consumer.fetch(max_records=100, timeout=1)
        await consumer.commit("events", 0, batch.next_offset)
    await log.produce("events", [NewRecord(b"k", b"v")])
    assert log.committed("events", "g") == {0: 7}
    assert [record.offset for record in log.records("events")] == [7]


async def test_a_silent_members_partitions_go_to_the_next_after_a_lease(clock: ManualClock) -> None:
    log = MemoryEventLog(clock, partitions=1, lease_seconds=10)
    await log.ensure([TOPIC])
    await log.produce("events", [NewRecord(b"k", b"v")])
    async with log.consumer(["events"], "g") as silent, log.consumer(["events"], "g") as other:
        (held,) = await silent.fetch(max_records=1, timeout=0)
        clock.advance(9)
        assert await other.fetch(max_records=1, timeout=0) == []
        clock.advance(2)
        (taken,) = await other.fetch(max_records=1, timeout=0)
        assert taken.records == held.records
        with pytest.raises(Fenced):
            await silent.commit("events", 0, held.next_offset)
        await other.commit("events", 0, taken.next_offset)
