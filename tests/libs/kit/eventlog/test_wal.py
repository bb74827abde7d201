"""The write-ahead log around a log that comes and goes: order, what is promised, and when it steps aside again."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from libs.kit import metrics
from libs.kit.clock import SystemClock
from libs.kit.errors import LogFull, OutcomeUnknown, PayloadTooLarge, Unavailable
from libs.kit.eventlog import NewRecord, Topic
from libs.kit.eventlog.block import RecordBlock
from libs.kit.eventlog.testing import MemoryEventLog
from libs.kit.eventlog.wal import FRAME_BYTES, WalOptions, WriteAheadLog, write_ahead
from libs.kit.eventlog.wal_files import WalInUse
from libs.kit.retry import RetryPolicy
from tests.support.scale import scaled

TOPIC = "events"


class Fickle(MemoryEventLog):
    """A log in memory that can be away, silent, or too small for a record."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), partitions=1)
        self.away = False
        self.silent = False
        self.largest = 10**9
        self.produces = 0

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        self.produces += 1
        if self.silent:
            await asyncio.sleep(3600)
        if self.away:
            raise Unavailable("away")
        if sum(len(record.value) for record in records) > self.largest:
            raise PayloadTooLarge("too large for the topic")
        await super().produce(topic, records)

    async def check(self) -> None:
        if self.away or self.silent:
            raise Unavailable("away")

    def values(self) -> list[bytes]:
        return [record.value for record in self.records(TOPIC)]


@pytest.fixture
async def fickle() -> Fickle:
    log = Fickle()
    await log.ensure([Topic(TOPIC)])
    return log


@asynccontextmanager
async def around(log: Fickle, directory: Path, **changes: Any) -> AsyncIterator[WriteAheadLog]:
    options = {"max_bytes": 10**9, "segment_bytes": 10**6, "after_seconds": 5.0, **changes}
    async with write_ahead(log, WalOptions(directory / "wal", **options), SystemClock()) as wal:
        yield wal


def records(*values: bytes) -> list[NewRecord]:
    return [NewRecord(b"key", value) for value in values]


async def caught_up(wal: WriteAheadLog) -> None:
    async with asyncio.timeout(20):
        while wal.state().behind:
            await asyncio.sleep(0.01)


async def test_it_is_ready_soon_beside_a_log_that_does_not_answer(fickle: Fickle, tmp_path: Path) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    fickle.check = never  # type: ignore[method-assign]
    async with around(fickle, tmp_path, after_seconds=0.05) as wal, asyncio.timeout(5):
        await wal.check()


async def test_while_the_log_is_there_the_disk_is_not_touched(fickle: Fickle, tmp_path: Path) -> None:
    async with around(fickle, tmp_path) as wal:
        await wal.produce(TOPIC, records(b"a", b"b"))
        await wal.check()
    assert fickle.values() == [b"a", b"b"]
    assert not list((tmp_path / "wal").glob("*.wal"))


async def test_records_that_are_bytes_reach_the_disk_as_they_are(fickle: Fickle, tmp_path: Path) -> None:
    """Cut into frames where they are more than one may hold; nothing makes objects of them on the way to the disk."""
    sent = [
        NewRecord((None, b"key")[i % 2], b"%d:" % i + b"x" * (FRAME_BYTES // 5), (("v", b"%d" % i),)) for i in range(12)
    ]
    block = RecordBlock.of(sent)
    async with around(fickle, tmp_path) as wal:
        fickle.away = True
        await wal.produce(TOPIC, block)
        assert block._records is None
        assert wal.state().records == 12
        written = b"".join(path.read_bytes() for path in sorted((tmp_path / "wal").glob("*.wal")))
        assert block.payload[: FRAME_BYTES // 2] in written
        assert written.count(b"\xa6" + TOPIC.encode()) == 3  # frames
        fickle.away = False
        await caught_up(wal)
    got = fickle.records(TOPIC)
    assert [(r.key, r.value, r.headers[0]) for r in got] == [(r.key, r.value, r.headers[0]) for r in sent]


async def test_an_outage_is_bridged_in_order(fickle: Fickle, tmp_path: Path) -> None:
    async with around(fickle, tmp_path) as wal:
        await wal.produce(TOPIC, records(b"0"))
        fickle.away = True
        for number in range(1, 50):
            await wal.produce(TOPIC, records(b"%d" % number))
        assert fickle.values() == [b"0"]
        state = wal.state()
        assert (state.behind, state.records) == (True, 49)
        assert "draining 49 records" in str(state)
        assert metrics.WAL_RECORDS._value.get() == 49
        assert metrics.WAL_BEHIND._value.get() == 1
        await wal.check()  # the disk takes events
        fickle.away = False
        await caught_up(wal)
        await wal.produce(TOPIC, records(b"last"))
        assert fickle.values() == [*(b"%d" % number for number in range(50)), b"last"]
        assert metrics.WAL_RECORDS._value.get() == metrics.WAL_BEHIND._value.get() == 0
    assert not list((tmp_path / "wal").glob("*.wal"))


async def test_an_unknown_outcome_goes_behind_with_the_same_records(fickle: Fickle, tmp_path: Path) -> None:
    async with around(fickle, tmp_path) as wal:
        fickle.fail_next(OutcomeUnknown("no answer"), written=True)
        await wal.produce(TOPIC, records(b"a"))
        await caught_up(wal)
    assert fickle.values() == [b"a", b"a"]


async def test_a_silent_log_is_given_up_on_after_a_while(fickle: Fickle, tmp_path: Path) -> None:
    async with around(fickle, tmp_path, after_seconds=0.05) as wal:
        fickle.silent = True
        await wal.produce(TOPIC, records(b"a"))
        assert fickle.values() == []
        before = fickle.produces
        await wal.produce(TOPIC, records(b"b"))
        assert fickle.produces <= before + 1  # the drain's own attempt; the new event did not wait for the log


async def test_what_is_too_large_for_the_log_is_the_callers_fault(fickle: Fickle, tmp_path: Path) -> None:
    async with around(fickle, tmp_path) as wal:
        fickle.largest = 10
        with pytest.raises(PayloadTooLarge):
            await wal.produce(TOPIC, records(b"x" * 11))
        assert not wal.state().behind


async def test_a_record_the_log_never_takes_does_not_hold_up_the_others(fickle: Fickle, tmp_path: Path) -> None:
    fickle.largest, fickle.away = 25, True
    lost = metrics.WAL_LOST.labels("too_large")._value.get()
    async with around(fickle, tmp_path) as wal:
        await wal.produce(TOPIC, records(*(b"%d" % number for number in range(10)), b"x" * 26, b"10"))
        await wal.produce(TOPIC, records(b"11"))
        fickle.away = False
        await caught_up(wal)
    assert fickle.values() == [b"%d" % number for number in range(12)]
    assert metrics.WAL_LOST.labels("too_large")._value.get() == lost + 1
    assert b"x" * 26 in (tmp_path / "wal" / "refused.wal").read_bytes()


async def test_after_a_restart_what_was_left_goes_first(fickle: Fickle, tmp_path: Path) -> None:
    fickle.away = True
    async with around(fickle, tmp_path) as wal:
        await wal.produce(TOPIC, records(b"old"))
    fickle.away = False
    async with around(fickle, tmp_path) as wal:
        await wal.produce(TOPIC, records(b"new"))
        await caught_up(wal)
    assert fickle.values() == [b"old", b"new"]


async def test_closing_sends_what_is_left_if_it_can(fickle: Fickle, tmp_path: Path) -> None:
    fickle.away = True
    async with around(fickle, tmp_path) as wal:
        await wal.produce(TOPIC, [NewRecord(b"key", b"%07d" % number) for number in range(20_000)])
        fickle.away = False
        async with asyncio.timeout(20):
            while not fickle.values():
                await asyncio.sleep(0.01)
    assert len(fickle.values()) == 20_000


async def full(wal: WriteAheadLog, its_records: list[NewRecord]) -> bool:
    """Whether the records were refused for want of room."""
    try:
        await wal.produce(TOPIC, its_records)
    except LogFull:
        return True
    return False


async def test_a_full_disk_budget_refuses(fickle: Fickle, tmp_path: Path) -> None:
    fickle.away = True
    async with around(fickle, tmp_path, max_bytes=50_000, segment_bytes=10_000) as wal:
        kept = 0
        while not await full(wal, records(b"%04d" % kept + b"x" * 996)):
            kept += 1
        assert 20 < kept < 50
        assert sum(path.stat().st_size for path in (tmp_path / "wal").glob("*.wal")) <= 50_000
        await wal.check()  # a small one still fits
        fickle.away = False
        await caught_up(wal)
        await wal.produce(TOPIC, records(b"again"))
    assert [value[:4] for value in fickle.values()] == [*(b"%04d" % number for number in range(kept)), b"agai"]


async def test_a_failing_disk_acknowledges_nothing(
    fickle: Fickle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fickle.away = True
    async with around(fickle, tmp_path) as wal:
        await wal.produce(TOPIC, records(b"kept"))
        with monkeypatch.context() as failing:
            failing.setattr(wal._files, "sync", _fails)
            answers = await asyncio.gather(
                *(wal.produce(TOPIC, records(b"lost%d" % number)) for number in range(3)), return_exceptions=True
            )
            with pytest.raises(Unavailable, match="disk failed"):
                await wal.check()
        assert [type(answer) for answer in answers] == [OutcomeUnknown] * 3
        await wal.produce(TOPIC, records(b"after"))
        fickle.away = False
        await caught_up(wal)
    assert fickle.values() == [b"kept", b"after"]


def _fails(descriptor: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


async def test_an_unknown_outcome_stays_one_when_the_disk_is_full(fickle: Fickle, tmp_path: Path) -> None:
    async with around(fickle, tmp_path, max_bytes=1_000) as wal:
        fickle.fail_next(OutcomeUnknown("no answer"), written=True)
        with pytest.raises(OutcomeUnknown):
            await wal.produce(TOPIC, records(b"x" * 2_000))
    assert len(fickle.values()) == 1


async def test_a_disk_that_cannot_be_read_for_a_while_holds_nothing_up_for_good(
    fickle: Fickle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.kit.eventlog.wal._PAUSES", RetryPolicy(cap_seconds=0.05))
    fickle.away = True
    async with around(fickle, tmp_path) as wal:
        read = wal._files.read
        monkeypatch.setattr(wal._files, "read", _fails)
        await wal.produce(TOPIC, records(b"a"))
        fickle.away = False
        await asyncio.sleep(0.2)
        assert fickle.values() == []
        monkeypatch.setattr(wal._files, "read", read)
        await caught_up(wal)
    assert fickle.values() == [b"a"]


async def test_one_sync_serves_all_that_wait(fickle: Fickle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fickle.away = True
    async with around(fickle, tmp_path) as wal:
        await wal.produce(TOPIC, records(b"first"))
        groups = []
        append = wal._files.append
        monkeypatch.setattr(wal._files, "append", lambda entries: (groups.append(len(entries)), append(entries)))
        await asyncio.gather(*(wal.produce(TOPIC, records(b"%d" % number)) for number in range(200)))
    assert sum(groups) == 200
    assert len(groups) < 10


async def test_a_large_produce_is_cut_into_small_frames(fickle: Fickle, tmp_path: Path) -> None:
    fickle.away = True
    values = [b"%04d" % number + b"x" * 10_000 for number in range(500)]
    async with around(fickle, tmp_path, segment_bytes=10**6) as wal:
        await wal.produce(TOPIC, records(*values))
        chunk = wal._files.read(1)
        assert chunk is not None
        assert chunk.size < 1.1 * 1024**2
        fickle.away = False
        await caught_up(wal)
    assert fickle.values() == values


async def test_steady_traffic_gets_past_the_disk_again_and_keeps_its_order(fickle: Fickle, tmp_path: Path) -> None:
    """Senders that never pause: each sends its next record once the one before is acknowledged."""
    sent: dict[int, int] = dict.fromkeys(range(8), 0)
    stopping = asyncio.Event()

    async def sender(wal: WriteAheadLog, name: int) -> None:
        while not stopping.is_set():
            await wal.produce(TOPIC, [NewRecord(b"%d" % name, b"%d:%d" % (name, sent[name]))])
            sent[name] += 1

    async with around(fickle, tmp_path) as wal:
        senders = [asyncio.create_task(sender(wal, name)) for name in sent]
        for _ in range(scaled(100, least=4)):
            fickle.away = True
            async with asyncio.timeout(20):
                while wal.state().records < 50:
                    await asyncio.sleep(0.005)
                fickle.away = False
                while wal.state().behind:
                    await asyncio.sleep(0.005)
            before = dict(sent)
            async with asyncio.timeout(20):
                while any(sent[name] < before[name] + 5 for name in sent):
                    await asyncio.sleep(0.005)
        stopping.set()
        await asyncio.gather(*senders)
        await caught_up(wal)
    values = fickle.values()
    for name, count in sent.items():
        mine = [int(value.split(b":")[1]) for value in values if value.startswith(b"%d:" % name)]
        assert mine == list(range(count))


async def test_a_directory_in_use_is_refused(fickle: Fickle, tmp_path: Path) -> None:
    async with around(fickle, tmp_path):
        with pytest.raises(WalInUse):
            async with around(fickle, tmp_path):
                pass
    async with around(fickle, tmp_path):
        pass
