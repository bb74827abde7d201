"""Records that the event log will not take (larger than their topic allows), kept on disk for people.

    DIR/refused.wal         where a running process adds them, in the write-ahead log's format, as segment 0
    DIR/refused.replaying   those that are being sent again; left behind by a replay that was cut off

May be read and replayed beside the process that uses the directory: a record is added under a lock on the file itself,
and a replay gives the file another name under that same lock, so none is added to what is about to be removed.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from libs.kit.errors import PayloadTooLarge
from libs.kit.eventlog.base import EventLog, NewRecord
from libs.kit.eventlog.wal_format import (
    HEADER_BYTES,
    Entry,
    Frame,
    frame_bytes,
    frames,
    is_segment,
    packed,
    segment_header,
    write_whole,
)
from libs.kit.logging import get_logger

log = get_logger(__name__)

NAME = "refused.wal"
REPLAYING = "refused.replaying"
# How many bytes are kept.
MOST_BYTES = 64 * 1024**2
_SEGMENT = 0


class ReplayRuns(RuntimeError):
    """Somebody replays the same directory."""


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record, and when it was refused (epoch milliseconds)."""

    topic: str
    record: NewRecord
    at_ms: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many records the event log took, and how many it refused again."""

    sent: int
    refused: int


class RefusedFile:
    """Where one directory's refused records are added."""

    def __init__(self, directory: Path, sync: Callable[[int], None] = os.fsync):
        self._path = directory / NAME
        self._sync = sync
        self._whole: tuple[int, int] = (0, 0)  # inode and size of what was last seen to be whole

    def add(self, entry: Entry, at_ms: int) -> bool:
        """Keep records; whether there was room (and a disk) for them."""
        frames_bytes = b"".join([frame_bytes(_SEGMENT, one, at_ms) for one in packed(entry.topic, entry.records)])
        try:
            with _locked(self._path) as descriptor:
                return self._add(descriptor, frames_bytes)
        except OSError as exc:
            log.warning("wal_refused_not_kept", error=str(exc))
            return False

    def _add(self, descriptor: int, packed: bytes) -> bool:
        end = self._end(descriptor)
        if end + len(packed) > MOST_BYTES:
            return False
        try:
            write_whole(descriptor, packed if end else segment_header(_SEGMENT) + packed, end)
            self._sync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
        found = os.fstat(descriptor)
        self._whole = found.st_ino, found.st_size
        return True

    def _end(self, descriptor: int) -> int:
        """Behind the last whole frame: what follows a torn one could not be read."""
        found = os.fstat(descriptor)
        if found.st_size == 0 or self._whole == (found.st_ino, found.st_size):
            return found.st_size
        end = 0
        for frame in _frames(descriptor):
            end = frame.end
        os.ftruncate(descriptor, end)
        return end


def refused_in(directory: Path) -> Iterator[RefusedRecord]:
    """All that are kept, oldest first. Damaged ones are left out."""
    for name in (REPLAYING, NAME):
        with contextlib.suppress(FileNotFoundError), (directory / name).open("rb") as file:
            yield from _records(file.fileno())


async def replay_refused(event_log: EventLog, directory: Path, now_ms: Callable[[], int]) -> Replayed:
    """Send all of them to their topics again; those that are still too large are kept as before.

    Raises what the log raises when it does not take one for another reason, and ReplayRuns: then nothing is removed,
    and the next replay begins with the first one again. Those that were sent are copies, and found to be copies.
    """
    sent = refused = 0
    with _alone(directory):
        for path in _to_replay(directory):
            again: list[RefusedRecord] = []
            with path.open("rb") as file:
                for one in _records(file.fileno()):
                    try:
                        await event_log.produce(one.topic, [one.record])
                        sent += 1
                    except PayloadTooLarge:
                        again.append(one)
            keeper = RefusedFile(directory)
            kept = [keeper.add(Entry(one.topic, [one.record]), now_ms()) for one in again]
            refused += len(again)
            if all(kept):
                path.unlink()
    return Replayed(sent, refused)


def _to_replay(directory: Path) -> Iterator[Path]:
    """What a replay left, and then what came since."""
    replaying = directory / REPLAYING
    if replaying.exists():
        yield replaying
    if not replaying.exists() and (directory / NAME).exists():
        with _locked(directory / NAME):
            (directory / NAME).rename(replaying)
        yield replaying


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file under its own lock, and still under its own name."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _same(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as exc:
        raise ReplayRuns(f"the refused records in {directory} are being replayed already") from exc
    finally:
        os.close(descriptor)


def _frames(descriptor: int) -> Iterator[Frame]:
    size = os.fstat(descriptor).st_size
    if is_segment(os.pread(descriptor, HEADER_BYTES, 0), _SEGMENT):
        yield from frames(_SEGMENT, lambda length, at: os.pread(descriptor, length, at), HEADER_BYTES, size)


def _records(descriptor: int) -> Iterator[RefusedRecord]:
    for frame in _frames(descriptor):
        if frame.payload is None:
            log.error("wal_refused_damaged", records=frame.records, at=frame.start)
            continue
        entry = frame.entry()
        for record in entry.records:
            yield RefusedRecord(entry.topic, record, frame.arrived_ms)
