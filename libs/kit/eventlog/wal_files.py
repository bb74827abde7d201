"""The write-ahead log's directory: segments that are appended to, synced, read in order and removed once settled.

    DIR/lock              held (flock) by the one process that uses the directory
    DIR/position          up to where everything has reached the event log
    DIR/0000000001.wal    segments (`wal_format`), the lowest number the oldest
    DIR/refused.wal       records the event log will not take, in the same format, for people (`wal_refused`)
    DIR/*.damaged         a file whose first bytes were not a segment's; nothing reads it

Everything here blocks. One thread calls it, one call at a time. The counters may be read from anywhere.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from libs.kit import metrics
from libs.kit.crashpoints import crash_point
from libs.kit.eventlog.wal_format import (
    HEADER_BYTES,
    Entry,
    Frame,
    Packed,
    frame_bytes,
    frames,
    is_segment,
    segment_header,
    write_whole,
)
from libs.kit.eventlog.wal_refused import RefusedFile
from libs.kit.logging import get_logger

log = get_logger(__name__)

CRASH_POINTS = (
    "wal.before_write",
    "wal.after_write",
    "wal.after_sync",
    "wal.before_drain",
    "wal.after_drain",
    "wal.before_position",
    "wal.after_position",
    "wal.after_remove",
)

_POSITION = struct.Struct("<QQ")
Sync = Callable[[int], None]


class WalInUse(RuntimeError):
    """Another process has the directory open."""


class Place(NamedTuple):
    """An offset in a segment; places compare in the order of what was appended."""

    segment: int
    offset: int


START = Place(0, 0)


class Arriving(NamedTuple):
    """A payload and when it came, in milliseconds since the epoch."""

    packed: Packed
    arrived_ms: int


class Arrived(NamedTuple):
    """An entry and when it came, in milliseconds since the epoch."""

    entry: Entry
    arrived_ms: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one read returned, up to `end`. `frames` counts also those that were damaged and are not in `entries`."""

    entries: Sequence[Arrived]
    end: Place
    records: int
    size: int


@dataclass(slots=True)
class Segment:
    """A file that is open. What lies behind `end` was never acknowledged and is never read."""

    number: int
    path: Path
    descriptor: int
    end: int = HEADER_BYTES

    def read(self, length: int, offset: int) -> bytes:
        return os.pread(self.descriptor, length, offset)

    def frames_from(self, offset: int) -> Iterator[Frame]:
        return frames(self.number, self.read, max(offset, HEADER_BYTES), self.end)


@dataclass
class WalFiles:
    """An opened directory. Make it with `open_directory`; `close` gives the lock back.

    records, left_bytes, oldest_ms: what has not been settled yet. size_bytes: all segments, settled parts included.
    """

    directory: Path
    segment_bytes: int
    sync: Sync
    lock: int
    position: Place = START
    records: int = 0
    left_bytes: int = 0
    oldest_ms: int | None = None
    size_bytes: int = 0
    _segments: dict[int, Segment] = field(default_factory=dict)
    _active: Segment | None = None
    _last_number: int = 0
    _refused: RefusedFile = field(init=False)

    def __post_init__(self) -> None:
        self._refused = RefusedFile(self.directory, self.sync)

    def append(self, arriving: Sequence[Arriving]) -> None:
        """Return once everything is on disk, in this order. Raises OSError when that is not certain.

        After an error nothing more is written to that segment, and what was written without certainty is cut off: a
        page that could not be written is forgotten by the kernel, and a later sync that succeeds says nothing of it.
        """
        active = self._active
        try:
            if active is None or active.end >= self.segment_bytes:
                active = self._active = self._begin()
            written = b"".join([frame_bytes(active.number, packed, arrived_ms) for packed, arrived_ms in arriving])
            crash_point("wal.before_write")
            write_whole(active.descriptor, written, active.end)
            crash_point("wal.after_write")
            self.sync(active.descriptor)
            crash_point("wal.after_sync")
        except OSError:
            self._distrust(active)
            raise
        active.end += len(written)
        self.size_bytes += len(written)
        self.left_bytes += len(written)
        self.records += sum(packed.records for packed, _ in arriving)
        if self.oldest_ms is None:
            self.oldest_ms = arriving[0].arrived_ms

    def _begin(self) -> Segment:
        number = self._last_number + 1
        path = self.directory / f"{number:010}.wal"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_whole(descriptor, segment_header(number), 0)
            self.sync(descriptor)
            self._sync_directory()
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        self._last_number = number
        segment = self._segments[number] = Segment(number, path, descriptor)
        self.size_bytes += segment.end
        return segment

    def _distrust(self, segment: Segment | None) -> None:
        if segment is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(segment.descriptor, segment.end)
        self._active = None

    def read(self, max_bytes: int) -> Chunk | None:
        """The oldest entries that are not settled: at least one, then as many as fit. None when there are none."""
        entries: list[Arrived] = []
        place, size, count = self.position, 0, 0
        for segment in self._segments_from(self.position.segment):
            place = Place(segment.number, place.offset if segment.number == place.segment else HEADER_BYTES)
            for frame in segment.frames_from(place.offset):
                place = Place(segment.number, frame.end)
                count += frame.records
                size += frame.end - frame.start
                if frame.payload is None:
                    self._damaged(segment, frame)
                else:
                    entries.append(Arrived(frame.entry(), frame.arrived_ms))
                if size >= max_bytes:
                    return Chunk(entries, place, count, size)
            if place.offset < segment.end:
                self._give_up(segment, place.offset)
        if count:
            return Chunk(entries, place, count, size)
        self.records, self.left_bytes, self.oldest_ms = 0, 0, None
        return None

    def _segments_from(self, number: int) -> list[Segment]:
        return [self._segments[known] for known in sorted(self._segments) if known >= number]

    def _damaged(self, segment: Segment, frame: Frame) -> None:
        metrics.WAL_LOST.labels("damaged").inc(frame.records)
        log.error("wal_frame_damaged", file=str(segment.path), offset=frame.start, records=frame.records)

    def _give_up(self, segment: Segment, offset: int) -> None:
        """From here on the segment cannot be followed, though it could when it was written."""
        metrics.WAL_CUT_BYTES.inc(segment.end - offset)
        log.error("wal_segment_damaged", file=str(segment.path), at=offset, bytes=segment.end - offset)
        segment.end = offset
        if segment is self._active:
            self._active = None

    def settle(self, chunk: Chunk) -> None:
        """The event log has everything up to the end of `chunk`: remember that durably, remove what is behind it."""
        crash_point("wal.before_position")
        self._move(chunk.end)
        self.records -= chunk.records
        self.left_bytes -= chunk.size
        self._look_for_oldest()
        self._remove_before(chunk.end.segment)

    def clear(self) -> None:
        """Remove the last segment too, when nothing in it is left to read."""
        if self.records or not self._segments:
            return
        after = Place(self._last_number + 1, HEADER_BYTES)
        self._move(after)
        self._remove_before(after.segment)

    def _move(self, place: Place) -> None:
        """Not being able to write the position means copies after a crash: no reason to stop."""
        self.position = place
        try:
            self._write_position(place)
        except OSError as exc:
            log.warning("wal_position_not_written", error=str(exc))
        crash_point("wal.after_position")

    def _write_position(self, place: Place) -> None:
        packed = _POSITION.pack(*place)
        temporary = self.directory / "position.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_whole(descriptor, packed + struct.pack("<I", crc32(packed)), 0)
            self.sync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(self.directory / "position")
        self._sync_directory()

    def _remove_before(self, number: int) -> None:
        for known in sorted(self._segments):
            if known >= number:
                break
            segment = self._segments.pop(known)
            if segment is self._active:
                self._active = None
            os.close(segment.descriptor)
            self.size_bytes -= segment.end
            with contextlib.suppress(OSError):  # it lies before the position: the next start removes it
                segment.path.unlink()
            crash_point("wal.after_remove")

    def _look_for_oldest(self) -> None:
        for segment in self._segments_from(self.position.segment):
            offset = self.position.offset if segment.number == self.position.segment else HEADER_BYTES
            for frame in segment.frames_from(offset):
                self.oldest_ms = frame.arrived_ms
                return
        self.oldest_ms = None

    def set_aside(self, entry: Entry, now_ms: int) -> bool:
        """Keep records that nobody will take, up to a bound; whether there was room (and a disk) for them."""
        return self._refused.add(entry, now_ms)

    def close(self) -> None:
        """Let go of all files and of the lock; what is not settled stays for the next one."""
        for segment in self._segments.values():
            os.close(segment.descriptor)
        self._segments.clear()
        self._active = None
        os.close(self.lock)

    def recover(self) -> None:
        """Find what an earlier process left: cut torn tails, drop what was settled, count the rest."""
        self.position = self._stored_position()
        paths = {int(path.stem): path for path in self.directory.glob("*.wal") if path.stem.isdigit()}
        self._last_number = max([*paths, self.position.segment - 1, 0])
        for number in sorted(paths):
            if number < self.position.segment:
                paths[number].unlink()
            else:
                self._recover_segment(number, paths[number])
        self._sync_directory()
        self.clear()

    def _stored_position(self) -> Place:
        try:
            stored = (self.directory / "position").read_bytes()
        except FileNotFoundError:
            return START
        packed, crc = stored[: _POSITION.size], stored[_POSITION.size :]
        if crc != struct.pack("<I", crc32(packed)):
            log.error("wal_position_damaged")  # then all that is kept is sent once more
            return START
        return Place(*_POSITION.unpack(packed))

    def _recover_segment(self, number: int, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR)
        size = os.fstat(descriptor).st_size
        segment = Segment(number, path, descriptor, size)
        if not is_segment(segment.read(HEADER_BYTES, 0), number):
            os.close(descriptor)
            self._put_away(path, size)
            return
        start = min(self.position.offset, size) if number == self.position.segment else HEADER_BYTES
        segment.end, records, oldest_ms = _last_whole(segment.frames_from(start), start)
        self.records += records
        self.left_bytes += segment.end - start
        self.oldest_ms = oldest_ms if self.oldest_ms is None else self.oldest_ms
        if segment.end < size:
            self._cut(segment, size)
        self.size_bytes += segment.end
        self._segments[number] = segment

    def _put_away(self, path: Path, size: int) -> None:
        """No segment begins like this. An empty or torn one held nothing that was acknowledged."""
        if size < HEADER_BYTES:
            path.unlink()
            return
        metrics.WAL_CUT_BYTES.inc(size)
        log.error("wal_segment_damaged", file=str(path), bytes=size)
        path.rename(path.with_suffix(".damaged"))

    def _cut(self, segment: Segment, size: int) -> None:
        metrics.WAL_CUT_BYTES.inc(size - segment.end)
        log.warning("wal_tail_cut", file=str(segment.path), at=segment.end, bytes=size - segment.end)
        os.ftruncate(segment.descriptor, segment.end)
        self.sync(segment.descriptor)

    def _sync_directory(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)


def open_directory(directory: Path, *, segment_bytes: int, sync: Sync = os.fsync) -> WalFiles:
    """Take the directory and recover what is in it. Raises WalInUse, NewerFormat or OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files = WalFiles(directory, segment_bytes, sync, lock)
        files.recover()
    except BlockingIOError as exc:
        os.close(lock)
        raise WalInUse(f"another process uses the write-ahead log in {directory}") from exc
    except BaseException:
        os.close(lock)
        raise
    return files


def _last_whole(found: Iterable[Frame], start: int) -> tuple[int, int, int | None]:
    """Where the last whole frame ends, how many records lie before that, and when the first of them came."""
    end, records, passed, oldest_ms = start, 0, 0, None
    for frame in found:
        passed += frame.records
        if frame.payload is not None:
            end, records = frame.end, passed
            oldest_ms = frame.arrived_ms if oldest_ms is None else oldest_ms
    return end, records, oldest_ms
