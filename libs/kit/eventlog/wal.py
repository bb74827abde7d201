"""A log that takes over while the event log is away: what it acknowledges is synced to a local disk first.

`WriteAheadLog` is an `EventLog` around another one. It is past the disk (`produce` goes straight through) until the log
does not take something in time; from then on it is *behind*: every produce is appended to the directory, and one task
sends what is there, oldest first. Behind, nothing goes straight through, so records of a key keep their order. When
little is left, new produces are held back for the moment it takes to send that, and then go straight through again.

What may be in the log already (an unknown outcome) is appended all the same: readers expect copies, and the writer
drops those with the same uuid. One thread does all that blocks, so one sync serves every produce that waits for it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from libs.kit import metrics
from libs.kit.clock import Clock
from libs.kit.contracts.arrival import with_arrival
from libs.kit.crashpoints import crash_point
from libs.kit.errors import HedgerowError, LogFull, OutcomeUnknown, PayloadTooLarge, Unavailable
from libs.kit.eventlog.base import Consumer, EventLog, NewRecord, Tail, Topic
from libs.kit.eventlog.wal_files import Arrived, Arriving, Chunk, WalFiles, open_directory
from libs.kit.eventlog.wal_format import Entry, packed
from libs.kit.logging import get_logger
from libs.kit.retry import RetryPolicy

log = get_logger(__name__)
T = TypeVar("T")

# A frame, and so what one damaged byte can cost, is no larger than this (or one record).
FRAME_BYTES = 1024**2
# What one sync covers, and what is sent to the event log at a time.
GROUP_BYTES = 8 * 1024**2
CHUNK_BYTES = 2 * 1024**2
# What may wait for a sync; beyond it, a produce is refused.
WAITING_BYTES = 64 * 1024**2
# A frame's share of a file that is not its payload, or a little more.
_OVERHEAD_BYTES = 50
# For so long after a failure of the disk, `check` says that new events cannot be kept.
_DISK_FAILURE_SECONDS = 5.0
_PAUSES = RetryPolicy(base_seconds=0.1, cap_seconds=2.0)


@dataclass(frozen=True)
class WalOptions:
    """directory: one per process. max_bytes: beyond it, produces are refused while the log is away.

    after_seconds: how long the log may take to acknowledge before the disk takes over.
    """

    directory: Path
    max_bytes: int
    segment_bytes: int
    after_seconds: float


@dataclass(frozen=True)
class WalState:
    """What health and people want to know. age_seconds: of the oldest record that the log does not have."""

    behind: bool
    records: int
    size_bytes: int
    age_seconds: float

    def __str__(self) -> str:
        if not self.behind:
            return "write-ahead log: empty"
        return (
            f"write-ahead log: draining {self.records} records, {self.size_bytes} bytes on disk, "
            f"the oldest {self.age_seconds:.0f} s old"
        )


@dataclass(slots=True)
class Waiting:
    """One produce's records, until they are synced."""

    arriving: Sequence[Arriving]
    size: int
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class WriteAheadLog:
    """`EventLog`: that of `behind_it`, but for `produce` and `check`. Make it with `write_ahead`."""

    def __init__(
        self, behind_it: EventLog, files: WalFiles, thread: ThreadPoolExecutor, options: WalOptions, clock: Clock
    ):
        self._log = behind_it
        self._files = files
        self._thread = thread
        self._options = options
        self._clock = clock
        self._behind = False
        self._reachable = False  # whether the log took the last thing it was sent from here
        self._closing = False
        self._disk_failed_at = float("-inf")
        self._waiting: deque[Waiting] = deque()
        self._waiting_bytes = 0
        self._committing: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._hold: asyncio.Event | None = None
        if files.records:
            self._fall_behind("records were left by an earlier process")

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        """Return when every record is durable: in the log, or on this disk on its way there.

        Raises LogFull (no room on the disk either) and Unavailable when nothing was kept, OutcomeUnknown when the disk
        failed, or the log did not answer and the disk has no room, PayloadTooLarge as the log does, if it was asked.
        """
        if not records:
            return
        if self._hold is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.after_seconds):
                    await self._hold.wait()
        unknown: Exception | None = None
        if not self._behind:
            try:
                async with asyncio.timeout(self._options.after_seconds):
                    await self._log.produce(topic, records)
                return
            except (TimeoutError, OutcomeUnknown) as exc:
                unknown = exc
                self._fall_behind(repr(exc))
            except Unavailable as exc:
                self._fall_behind(repr(exc))
        try:
            await self._append(topic, records)
        except Unavailable as exc:
            if unknown is None:
                raise
            raise OutcomeUnknown(f"the event log may have the records; {exc.detail}") from unknown

    def _fall_behind(self, reason: str) -> None:
        if self._behind:
            return
        log.warning("wal_takes_over", reason=reason)
        self._behind = True
        self._reachable = False
        self._draining = asyncio.create_task(self._drain())
        self._tell()

    async def _append(self, topic: str, records: Sequence[NewRecord]) -> None:
        now_ms = int(self._clock.now().timestamp() * 1000)
        parts = packed(topic, records, FRAME_BYTES)
        size = sum(len(part.payload) + _OVERHEAD_BYTES for part in parts)
        self._admit(size, len(records))
        waiting = Waiting([Arriving(part, now_ms) for part in parts], size)
        self._waiting.append(waiting)
        self._waiting_bytes += size
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        await waiting.done
        metrics.WAL_APPENDED.inc(len(records))

    def _admit(self, size: int, records: int) -> None:
        if self._closing:
            raise Unavailable("the write-ahead log is being closed")
        if self._waiting and self._waiting_bytes + size > WAITING_BYTES:
            metrics.WAL_REFUSED.labels("busy").inc(records)
            raise Unavailable("the write-ahead log's disk is too slow for what is produced")
        if self._files.size_bytes + self._waiting_bytes + size > self._options.max_bytes:
            metrics.WAL_REFUSED.labels("full").inc(records)
            raise LogFull("the event log is away and the write-ahead log is full")

    async def _commit(self) -> None:
        """Sync group after group, until nobody waits."""
        while self._waiting:
            group = self._take()
            arriving = [one for waiting in group for one in waiting.arriving]
            error: Exception | None = None
            try:
                with metrics.WAL_SYNC_SECONDS.time():
                    await self._in_thread(self._files.append, arriving)
            except OSError as exc:
                log.error("wal_disk_failed", error=str(exc))
                self._disk_failed_at = self._clock.monotonic()
                metrics.WAL_REFUSED.labels("disk").inc(sum(one.packed.records for one in arriving))
                error = OutcomeUnknown(f"the write-ahead log's disk failed: {exc}")
            except Exception as exc:  # a mistake of ours: those who wait must hear of it
                error = exc
            for waiting in group:
                self._waiting_bytes -= waiting.size
                if waiting.done.done():
                    continue
                if error is None:
                    waiting.done.set_result(None)
                else:
                    waiting.done.set_exception(error)
            self._tell()
        self._committing = None

    def _take(self) -> list[Waiting]:
        group = [self._waiting.popleft()]
        size = group[0].size
        while self._waiting and size + self._waiting[0].size <= GROUP_BYTES:
            group.append(self._waiting.popleft())
            size += group[-1].size
        return group

    async def _drain(self) -> None:
        """Send everything, oldest first, however long the log is away; then let produces go straight through."""
        while True:
            try:
                if await self._drained():
                    break
            except Exception as exc:  # a disk that fails, or a mistake of ours: this task is the only one that sends
                log.exception("wal_drain_failed", exc_info=exc)
                self._release()
                await self._clock.sleep(_PAUSES.cap_seconds)
            self._tell()
        cleared = self._in_thread(self._files.clear)  # queued before anything a produce may append from now on
        self._behind, self._draining = False, None
        self._release()
        self._tell()
        log.info("wal_drained")
        await cleared
        self._tell()

    async def _drained(self) -> bool:
        """Send one chunk; whether there was nothing to send, nor anything on its way to the disk."""
        chunk = await self._in_thread(self._files.read, CHUNK_BYTES)
        if chunk is not None:
            await self._deliver(chunk)
            await self._in_thread(self._files.settle, chunk)
            metrics.WAL_DRAINED.inc(chunk.records)
            self._hold_when_little_is_left()
        elif self._committing is not None:
            await asyncio.wait([self._committing])
        else:
            return self._files.records == 0  # a group may have been synced since the read
        return False

    def _hold_when_little_is_left(self) -> None:
        """Under steady traffic there is always something left: without a hold it would never end."""
        if self._hold is None and self._files.left_bytes + self._waiting_bytes <= CHUNK_BYTES:
            self._hold = asyncio.Event()

    def _release(self) -> None:
        if self._hold is not None:
            self._hold.set()
            self._hold = None

    async def _deliver(self, chunk: Chunk) -> None:
        """Return once the log has the chunk's records, or has refused single ones for good."""
        left: deque[tuple[str, Sequence[NewRecord]]] = deque(_by_topic(chunk.entries).items())
        failures = 0
        while left:
            try:
                if failures:
                    await self._log.check()  # cheaper than another attempt, which may leave copies
                crash_point("wal.before_drain")
                await self._send_first(left)
                crash_point("wal.after_drain")
                failures, self._reachable = 0, True
            except Exception as exc:  # a dependency that is broken, or a mistake of ours: neither may lose what is here
                failures += 1
                self._reachable = False
                self._release()
                if not isinstance(exc, HedgerowError):
                    log.exception("wal_drain_failed", exc_info=exc)
                elif failures == 1:
                    log.info("wal_waits", reason=exc.detail)
                self._tell()
                await self._clock.sleep(max(0.05, _PAUSES.delay(min(failures, 10))))

    async def _send_first(self, left: "deque[tuple[str, Sequence[NewRecord]]]") -> None:
        """Send the first run of records; one that is too large is halved until the record at fault stands alone."""
        topic, records = left[0]
        try:
            await self._log.produce(topic, records)
            left.popleft()
        except PayloadTooLarge as exc:
            left.popleft()
            if len(records) == 1:
                await self._refuse(topic, records, exc)
            else:
                middle = len(records) // 2
                left.extendleft([(topic, records[middle:]), (topic, records[:middle])])

    async def _refuse(self, topic: str, records: Sequence[NewRecord], exc: PayloadTooLarge) -> None:
        metrics.WAL_LOST.labels("too_large").inc(len(records))
        now_ms = int(self._clock.now().timestamp() * 1000)
        kept = await self._in_thread(lambda: self._files.set_aside(Entry(topic, records), now_ms))
        log.error("wal_record_refused", topic=topic, bytes=len(records[0].value), reason=exc.detail, set_aside=kept)

    def state(self) -> WalState:
        """How things stand."""
        oldest_ms = self._files.oldest_ms
        age = 0.0 if oldest_ms is None else max(0.0, self._clock.now().timestamp() - oldest_ms / 1000)
        return WalState(self._behind, self._files.records, self._files.size_bytes, age)

    def _tell(self) -> None:
        state = self.state()
        metrics.WAL_BEHIND.set(state.behind)
        metrics.WAL_BYTES.set(state.size_bytes)
        metrics.WAL_RECORDS.set(state.records)
        metrics.WAL_OLDEST_SECONDS.set(state.age_seconds)

    async def check_room(self) -> None:
        """Raise unless the disk can take a new event now."""
        if self._clock.monotonic() - self._disk_failed_at < _DISK_FAILURE_SECONDS:
            raise Unavailable("the write-ahead log's disk failed")
        self._admit(0, 0)

    async def check(self) -> None:
        """Raise Unavailable unless a new event can be kept now, by the log or by the disk. A log that does not answer
        is not waited for longer than a produce would."""
        if not self._behind:
            with contextlib.suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(self._options.after_seconds):
                    await self._log.check()
                return
        await self.check_room()

    async def close(self) -> None:
        """Sync what waits, send what is left if the log takes it, and give the directory back.

        The log behind stays open: it belongs to whoever opened it.
        """
        self._closing = True
        if self._draining is not None and self._reachable:
            await asyncio.wait([self._draining], timeout=self._options.after_seconds)
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.wait([self._draining])
        self._release()
        if self._committing is not None:
            await asyncio.wait([self._committing])
        await self._in_thread(self._files.close)
        self._thread.shutdown()

    def _in_thread(self, call: "Callable[..., T]", *arguments: object) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    async def ensure(self, topics: Sequence[Topic]) -> None:
        await self._log.ensure(topics)

    async def log_id(self, topic: str) -> str:
        return await self._log.log_id(topic)

    async def partitions(self, topic: str) -> int:
        return await self._log.partitions(topic)

    def consumer(self, topics: Sequence[str], group: str) -> AbstractAsyncContextManager[Consumer]:
        return self._log.consumer(topics, group)

    def tail(self, topic: str, *, last: int = 0) -> AbstractAsyncContextManager[Tail]:
        return self._log.tail(topic, last=last)


@asynccontextmanager
async def write_ahead(behind_it: EventLog, options: WalOptions, clock: Clock) -> AsyncIterator[WriteAheadLog]:
    """A write-ahead log in front of `behind_it`. Raises WalInUse when another process has the directory.

    What an earlier process left there is read through first: about a second per GiB.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="wal")
    loop = asyncio.get_running_loop()
    try:
        files = await loop.run_in_executor(
            thread, lambda: open_directory(options.directory, segment_bytes=options.segment_bytes)
        )
    except BaseException:
        thread.shutdown()
        raise
    wal = WriteAheadLog(behind_it, files, thread, options, clock)
    try:
        yield wal
    finally:
        await wal.close()


def _by_topic(entries: Sequence[Arrived]) -> dict[str, list[NewRecord]]:
    """One run of records a topic: order matters within a topic only. Each says when it came: what is sent here may be
    on the log already, and is found to be a copy however long it waited."""
    runs: dict[str, list[NewRecord]] = {}
    for entry, arrived_ms in entries:
        runs.setdefault(entry.topic, []).extend(
            NewRecord(record.key, record.value, with_arrival(record.headers, arrived_ms)) for record in entry.records
        )
    return runs
