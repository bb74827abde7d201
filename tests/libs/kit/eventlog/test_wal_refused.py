"""Records that the log refused: kept, shown and sent again, beside a process that goes on adding some."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from libs.kit.clock import SystemClock
from libs.kit.errors import PayloadTooLarge, Unavailable
from libs.kit.eventlog import NewRecord, Topic
from libs.kit.eventlog.testing import MemoryEventLog
from libs.kit.eventlog.wal_format import Entry
from libs.kit.eventlog.wal_refused import (
    NAME,
    REPLAYING,
    RefusedFile,
    Replayed,
    ReplayRuns,
    refused_in,
    replay_refused,
)

TOPIC = "events"


class Limited(MemoryEventLog):
    """A log in memory with a largest record, that may be away after so many."""

    largest = 10**9
    takes = 10**9

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        if not self.takes:
            raise Unavailable("away")
        if sum(len(record.value) for record in records) > self.largest:
            raise PayloadTooLarge("too large for the topic")
        self.takes -= 1
        await super().produce(topic, records)


@pytest.fixture
async def log() -> Limited:
    log = Limited(SystemClock(), partitions=1)
    await log.ensure([Topic(TOPIC)])
    return log


def of(number: int, size: int = 10) -> Entry:
    return Entry(TOPIC, [NewRecord(b"k", b"%0*d" % (size, number), (("arrived", b"1"),))])


def numbers(directory: Path) -> list[int]:
    return [int(one.record.value) for one in refused_in(directory)]


def sent(log: Limited) -> list[int]:
    return [int(record.value) for record in log.records(TOPIC)]


def now_ms() -> int:
    return 7_000


async def test_they_are_sent_as_they_were_and_gone(log: Limited, tmp_path: Path) -> None:
    refused = RefusedFile(tmp_path)
    assert all(refused.add(of(number), 1_000 + number) for number in range(3))
    assert [(one.topic, one.at_ms) for one in refused_in(tmp_path)] == [(TOPIC, 1_000 + n) for n in range(3)]
    assert await replay_refused(log, tmp_path, now_ms) == Replayed(3, 0)
    assert sent(log) == [0, 1, 2]
    assert dict(log.records(TOPIC)[0].headers) == {"arrived": b"1"}
    assert numbers(tmp_path) == []
    assert refused.add(of(9), 2_000)
    assert numbers(tmp_path) == [9]
    assert await replay_refused(log, tmp_path, now_ms) == Replayed(1, 0)
    assert await replay_refused(log, tmp_path, now_ms) == Replayed(0, 0)


async def test_what_is_still_too_large_stays(log: Limited, tmp_path: Path) -> None:
    refused = RefusedFile(tmp_path)
    log.largest = 20
    for number, size in enumerate((10, 30, 10)):
        refused.add(of(number, size), 1_000)
    assert await replay_refused(log, tmp_path, now_ms) == Replayed(2, 1)
    assert sent(log) == [0, 2]
    assert numbers(tmp_path) == [1]
    assert not (tmp_path / REPLAYING).exists()


async def test_a_replay_that_is_cut_off_loses_none(log: Limited, tmp_path: Path) -> None:
    refused = RefusedFile(tmp_path)
    for number in range(3):
        refused.add(of(number), 1_000)
    log.takes = 2
    with pytest.raises(Unavailable):
        await replay_refused(log, tmp_path, now_ms)
    refused.add(of(3), 1_000)
    assert numbers(tmp_path) == [0, 1, 2, 3]
    log.takes = 100
    assert await replay_refused(log, tmp_path, now_ms) == Replayed(4, 0)
    assert sent(log) == [0, 1, 0, 1, 2, 3]
    assert os.listdir(tmp_path) == []


async def test_none_is_lost_between_a_process_that_adds_and_replays(log: Limited, tmp_path: Path) -> None:
    """The process opens the file anew for each record; the replay moves it away at any moment."""
    refused, number = RefusedFile(tmp_path, sync=lambda _: None), 300

    def adding() -> None:
        for each in range(number):
            assert refused.add(of(each), 1_000)

    thread = threading.Thread(target=adding)
    thread.start()
    replays = 0
    while thread.is_alive():
        replays += (await replay_refused(log, tmp_path, now_ms)).sent > 0
    thread.join()
    await replay_refused(log, tmp_path, now_ms)
    assert sent(log) == list(range(number))
    assert replays > 0


async def test_one_replay_at_a_time(log: Limited, tmp_path: Path) -> None:
    RefusedFile(tmp_path).add(of(0), 1_000)

    class Nested(Limited):
        async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
            with pytest.raises(ReplayRuns):
                await replay_refused(log, tmp_path, now_ms)
            await log.produce(topic, records)

    assert await replay_refused(Nested(SystemClock(), partitions=1), tmp_path, now_ms) == Replayed(1, 0)
    assert sent(log) == [0]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_behind_a_torn_one_the_next_can_be_read(tmp_path: Path, cut: int) -> None:
    for number in range(2):
        RefusedFile(tmp_path).add(of(number), 1_000)
    path = tmp_path / NAME
    os.truncate(path, path.stat().st_size - cut)
    assert numbers(tmp_path) == [0]
    assert RefusedFile(tmp_path).add(of(2), 1_000)
    assert numbers(tmp_path) == [0, 2]


def test_a_file_that_never_was_one_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"HGW")
    assert numbers(tmp_path) == []
    assert RefusedFile(tmp_path).add(of(1), 1_000)
    assert numbers(tmp_path) == [1]


def test_there_is_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.kit.eventlog.wal_refused.MOST_BYTES", 200)
    refused = RefusedFile(tmp_path)
    assert [refused.add(of(number, 50), 1_000) for number in range(3)] == [True, False, False]
    assert numbers(tmp_path) == [0]
