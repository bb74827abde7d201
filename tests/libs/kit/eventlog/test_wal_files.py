"""The write-ahead log's directory: what is on disk after a crash, a power cut, a full disk and a failing one."""

import contextlib
import errno
import os
import random
import resource
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.wal_files import Arrived, Arriving, WalFiles, WalInUse, open_directory
from libs.kit.eventlog.wal_format import HEADER_BYTES, Entry, NewerFormat, frames, is_segment, packed
from tests.support.scale import scaled

EVERYTHING = 10**9


def opened(directory: Path, **changes: Any) -> WalFiles:
    return open_directory(directory, **{"segment_bytes": 10**6, **changes})


def unsynced(descriptor: int) -> None:
    """For tests of what is read back, which open the directory hundreds of times."""


def settled(files: WalFiles, max_bytes: int = EVERYTHING) -> None:
    """Settle the oldest entries."""
    chunk = files.read(max_bytes)
    assert chunk is not None
    files.settle(chunk)


def append(files: WalFiles, entries: Sequence[Arrived]) -> None:
    files.append(
        [Arriving(one, arrived_ms) for entry, arrived_ms in entries for one in packed(entry.topic, entry.records)]
    )


def entry(number: int, size: int = 20) -> Arrived:
    return Arrived(Entry("events", [NewRecord(b"k%d" % number, b"v" * size)]), 1_000 + number)


def numbers(files: WalFiles, max_bytes: int = EVERYTHING) -> list[int]:
    """Which entries are left, without settling them."""
    chunk = files.read(max_bytes)
    return [] if chunk is None else [int((entry.records[0].key or b"")[1:]) for entry, _ in chunk.entries]


def segments(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.wal"))


def test_entries_outlive_the_process(tmp_path: Path) -> None:
    files = opened(tmp_path)
    append(files, [entry(0), entry(1)])
    append(files, [entry(2)])
    assert (files.records, files.oldest_ms) == (3, 1_000)
    files.close()
    again = opened(tmp_path)
    assert (again.records, again.oldest_ms) == (3, 1_000)
    assert again.left_bytes == files.left_bytes
    append(again, [entry(3)])
    assert numbers(again) == [0, 1, 2, 3]
    again.close()


def test_what_is_settled_is_gone_and_its_files_too(tmp_path: Path) -> None:
    files = opened(tmp_path, segment_bytes=HEADER_BYTES + 1)
    for number in range(4):
        append(files, [entry(number)])
    assert len(segments(tmp_path)) == 4
    chunk = files.read(1)
    assert chunk is not None
    files.settle(chunk)
    assert (files.records, files.oldest_ms) == (3, 1_001)
    second = files.read(1)
    assert second is not None
    files.settle(second)
    assert len(segments(tmp_path)) == 3
    files.close()
    again = opened(tmp_path)
    assert numbers(again) == [2, 3]
    assert len(segments(tmp_path)) == 3
    settled(again, EVERYTHING)
    assert (again.records, again.left_bytes, again.oldest_ms) == (0, 0, None)
    again.clear()
    assert segments(tmp_path) == []
    assert again.size_bytes == 0
    append(again, [entry(9)])
    again.close()
    assert numbers(opened(tmp_path)) == [9]


def test_clearing_keeps_what_came_meanwhile(tmp_path: Path) -> None:
    files = opened(tmp_path)
    append(files, [entry(0)])
    chunk = files.read(EVERYTHING)
    assert chunk is not None
    append(files, [entry(1)])
    files.settle(chunk)
    files.clear()
    assert numbers(files) == [1]


def test_a_directory_has_one_process(tmp_path: Path) -> None:
    files = opened(tmp_path)
    with pytest.raises(WalInUse):
        opened(tmp_path)
    files.close()
    opened(tmp_path).close()


def test_a_torn_tail_is_cut_at_the_last_whole_record_wherever_it_tore(tmp_path: Path) -> None:
    files = opened(tmp_path / "whole")
    ends = []
    for number in range(3):
        append(files, [entry(number)])
        ends.append(files.size_bytes)
    files.close()
    whole = (tmp_path / "whole" / "0000000001.wal").read_bytes()
    assert ends[-1] == len(whole)
    for cut in range(len(whole)):
        directory = tmp_path / f"cut{cut}"
        directory.mkdir()
        (directory / "0000000001.wal").write_bytes(whole[:cut])
        again = opened(directory, sync=unsynced)
        left = sum(end <= cut for end in ends)
        assert numbers(again) == list(range(left))
        assert again.records == left
        if left:
            assert (directory / "0000000001.wal").stat().st_size == ends[left - 1]
        append(again, [entry(7)])
        assert numbers(again) == [*range(left), 7]
        again.close()
        shutil.rmtree(directory)


def test_damage_at_every_byte_of_an_older_segment_spares_the_newer_one(tmp_path: Path) -> None:
    files = opened(tmp_path / "whole", segment_bytes=HEADER_BYTES + 100)
    for number in range(4):
        append(files, [entry(number)])
    files.close()
    assert len(segments(tmp_path / "whole")) == 2
    first = tmp_path / "whole" / "0000000001.wal"
    whole = first.read_bytes()
    last = numbers(opened(tmp_path / "whole"))[-1]
    for at in range(len(whole)):
        directory = tmp_path / f"at{at}"
        shutil.copytree(tmp_path / "whole", directory)
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        (directory / first.name).write_bytes(damaged)
        again = opened(directory, sync=unsynced)
        left = numbers(again)
        assert left == sorted(set(left))
        assert left[-1] == last
        assert len(left) < 4
        assert again.records >= len(left)
        chunk = again.read(EVERYTHING)
        assert chunk is not None
        again.settle(chunk)
        assert again.read(EVERYTHING) is None
        assert again.records == 0
        again.close()
        shutil.rmtree(directory)


def test_damage_while_it_is_open_is_passed_over(tmp_path: Path) -> None:
    files = opened(tmp_path)
    append(files, [entry(0)])
    append(files, [entry(1)])
    with (tmp_path / "0000000001.wal").open("r+b") as raw:
        raw.seek(HEADER_BYTES)
        raw.write(b"\xff" * 24)
    assert files.read(EVERYTHING) is None
    assert files.records == 0
    append(files, [entry(2)])
    assert numbers(files) == [2]


def test_a_position_that_cannot_be_read_sends_everything_again(tmp_path: Path) -> None:
    files = opened(tmp_path)
    append(files, [entry(0)])
    append(files, [entry(1)])
    settled(files, 1)
    files.close()
    stored = (tmp_path / "position").read_bytes()
    for at in range(len(stored)):
        damaged = bytearray(stored)
        damaged[at] ^= 1
        (tmp_path / "position").write_bytes(damaged)
        again = opened(tmp_path)
        assert numbers(again) == [0, 1]
        again.close()
        (tmp_path / "position").write_bytes(stored[:at])
        again = opened(tmp_path)
        assert numbers(again) == [0, 1]
        again.close()
    (tmp_path / "position").write_bytes(stored)
    assert numbers(opened(tmp_path)) == [1]


def test_numbers_are_not_used_twice(tmp_path: Path) -> None:
    """A position of before must never hide a segment of later."""
    for number in range(3):
        files = opened(tmp_path)
        append(files, [entry(number)])
        settled(files, EVERYTHING)
        files.clear()
        files.close()
    files = opened(tmp_path)
    append(files, [entry(3)])
    assert segments(tmp_path) == ["0000000004.wal"]
    files.close()
    assert numbers(opened(tmp_path)) == [3]


def test_a_file_that_is_no_segment_is_put_away(tmp_path: Path) -> None:
    (tmp_path / "0000000003.wal").write_bytes(b"x" * 100)
    files = opened(tmp_path)
    assert files.read(EVERYTHING) is None
    assert (tmp_path / "0000000003.damaged").exists()
    append(files, [entry(1)])
    assert segments(tmp_path) == ["0000000004.wal"]


def test_a_directory_of_a_later_release_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = opened(tmp_path)
    with monkeypatch.context() as later:
        later.setattr("libs.kit.eventlog.wal_format.VERSION", 2)
        append(files, [entry(0)])
    files.close()
    before = (tmp_path / "0000000001.wal").read_bytes()
    with pytest.raises(NewerFormat):
        opened(tmp_path)
    assert (tmp_path / "0000000001.wal").read_bytes() == before


class Disk:
    """Syncs for real, and fails when told to."""

    def __init__(self) -> None:
        self.failures = 0

    def sync(self, descriptor: int) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EIO, "a sync that failed")
        os.fsync(descriptor)


def test_a_segment_is_not_trusted_after_a_failed_sync(tmp_path: Path) -> None:
    disk = Disk()
    files = opened(tmp_path, sync=disk.sync)
    append(files, [entry(0)])
    disk.failures = 1
    with pytest.raises(OSError, match="failed"):
        append(files, [entry(1)])
    assert numbers(files) == [0]
    append(files, [entry(2)])
    assert segments(tmp_path) == ["0000000001.wal", "0000000002.wal"]
    assert numbers(files) == [0, 2]
    files.close()
    assert numbers(opened(tmp_path)) == [0, 2]


def test_a_segment_that_cannot_be_begun_leaves_nothing(tmp_path: Path) -> None:
    disk = Disk()
    files = opened(tmp_path, sync=disk.sync)
    for _ in range(3):
        disk.failures = 1
        with pytest.raises(OSError, match="failed"):
            append(files, [entry(1)])
    assert segments(tmp_path) == []
    assert files.size_bytes == 0
    append(files, [entry(2)])
    assert numbers(files) == [2]


@contextlib.contextmanager
def no_file_larger_than(limit: int) -> Iterator[None]:
    """The kernel refuses to write beyond `limit`: part of a write may succeed, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_did_not_fit_on_the_disk_is_not_there(tmp_path: Path) -> None:
    files = opened(tmp_path)
    append(files, [entry(0)])
    with no_file_larger_than(5_000), pytest.raises(OSError, match="too large"):
        append(files, [entry(1, 1_000), entry(2, 10_000)])
    assert (tmp_path / "0000000001.wal").stat().st_size == files.size_bytes
    append(files, [entry(3)])
    assert numbers(files) == [0, 3]
    files.close()
    assert numbers(opened(tmp_path)) == [0, 3]


def test_refused_records_are_kept_for_people(tmp_path: Path) -> None:
    files = opened(tmp_path)
    for number in range(2):
        assert files.set_aside(*entry(number))
    files.close()
    data = (tmp_path / "refused.wal").read_bytes()
    assert is_segment(data[:HEADER_BYTES], 0)
    found = list(frames(0, lambda length, offset: data[offset : offset + length], HEADER_BYTES, len(data)))
    assert [frame.entry() for frame in found] == [entry(number).entry for number in range(2)]
    again = opened(tmp_path)
    assert again.read(EVERYTHING) is None  # it is no segment
    with no_file_larger_than(100):
        assert not again.set_aside(*entry(3))


class PowerCut:
    """A disk that keeps of each file what was synced, and forgets or keeps the rest as it likes."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.synced = {path.name: path.read_bytes() for path in directory.glob("*")}

    def sync(self, descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_file():
            self.synced[path.name] = path.read_bytes()

    def cut(self, source: random.Random, into: Path) -> None:
        into.mkdir()
        for path in self.directory.glob("*"):
            data = path.read_bytes()
            certain = self.synced.get(path.name, b"")
            if path.suffix == ".wal" and len(data) > len(certain):
                rest = bytearray(data[len(certain) :])
                for _ in range(source.randrange(3)):
                    rest[source.randrange(len(rest))] = 0
                data = certain + bytes(rest[: source.randrange(len(rest) + 1)])
            (into / path.name).write_bytes(data)


@pytest.mark.parametrize("seed", range(scaled(1_000, least=20)))
def test_what_was_acknowledged_outlives_a_power_cut(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    kept: list[int] = []
    number = 0
    directory = tmp_path / "0"
    for life in range(4):
        power = PowerCut(directory)
        files = open_directory(directory, segment_bytes=source.choice([1, 300, 2_000]), sync=power.sync)
        found = numbers(files)
        # What was never acknowledged may be there too, behind what was.
        assert found[: len(kept)] == kept
        assert found == sorted(found)
        kept = found
        for _ in range(source.randrange(12)):
            group = range(number, number + source.randint(1, 4))
            number = group.stop
            if source.random() < 0.3 and (chunk := files.read(source.choice([1, 200, EVERYTHING]))):
                files.settle(chunk)
                kept = kept[chunk.records :]
            append(files, [entry(n, source.randrange(80)) for n in group])
            kept += group
        if source.random() < 0.7:  # the power fails while a group is written
            power.sync = lambda descriptor: _fail()  # type: ignore[method-assign]
            files.sync = power.sync
            with pytest.raises(OSError, match="gone"):
                append(files, [entry(n, source.randrange(80)) for n in range(number, number + 3)])
            number += 3
        power.cut(source, tmp_path / str(life + 1))
        files.close()
        directory = tmp_path / str(life + 1)


def _fail() -> None:
    raise OSError("gone")
