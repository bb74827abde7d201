"""What the loops share: batches of the right size, read ahead of the work; a member that stays alive; its health."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from libs.kit import metrics
from libs.kit.clock import Clock
from libs.kit.errors import HedgerowError, Unavailable
from libs.kit.eventlog import Assignment, Batch, Consumer, Record
from libs.kit.logging import get_logger
from libs.kit.retry import until_settled

log = get_logger(__name__)

Ownership = Mapping[tuple[str, int], Assignment | None]

STUCK_AFTER_SECONDS = 120.0
_ALIVE_EVERY_SECONDS = 0.5
_LAG_EVERY_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is worked on at once, and how long a small batch may wait to grow."""

    records: int
    bytes: int
    linger_seconds: float
    fetch_seconds: float


@dataclass(slots=True)
class Pulse:
    """Says whether a loop makes progress, and what it waits for when it does not."""

    clock: Clock
    waiting_for: str | None = None
    _beat_at: float = 0.0

    def __post_init__(self) -> None:
        self.beat()

    def beat(self) -> None:
        """A turn of the loop is done."""
        self._beat_at = self.clock.monotonic()
        self.waiting_for = None

    async def check(self) -> None:
        """For kit.health: raises when a batch is being retried, or nothing has moved for two minutes."""
        if self.waiting_for:
            raise Unavailable(f"waiting: {self.waiting_for}")
        if self.clock.monotonic() - self._beat_at > STUCK_AFTER_SECONDS:
            raise Unavailable("no progress")


@dataclass(slots=True)
class Loop:
    """One consumer loop's way of trying again. `worker` names it in metrics and logs."""

    worker: str
    clock: Clock
    stop: asyncio.Event
    pulse: Pulse
    _lag_reported_at: float = float("-inf")

    def retried(self, error: HedgerowError) -> None:
        """Called between two attempts."""
        self.pulse.waiting_for = error.detail
        metrics.CONSUMER_RETRIES.labels(self.worker, error.code).inc()
        log.warning("batch_retried", worker=self.worker, code=error.code, error=error.detail)

    async def report_lag(self, consumer: Consumer) -> None:
        """Once in a while."""
        if self.clock.monotonic() - self._lag_reported_at < _LAG_EVERY_SECONDS:
            return
        self._lag_reported_at = self.clock.monotonic()
        try:
            for (topic, partition), records in (await consumer.lag()).items():
                metrics.CONSUMER_LAG.labels(self.worker, topic, str(partition)).set(records)
        except HedgerowError as exc:  # a figure is missing; what was fetched is not
            log.info("lag_unknown", worker=self.worker, error=exc.detail)


async def fetch(consumer: Consumer, limits: Limits) -> Sequence[Batch]:
    """One fetch; when it brings little, another one a moment later, so that few and large batches are written."""
    first = await consumer.fetch(max_records=limits.records, timeout=limits.fetch_seconds)
    return await grown(consumer, limits, first, ownership(consumer, first)) if first else first


async def grown(consumer: Consumer, limits: Limits, first: Sequence[Batch], owned: Ownership) -> Sequence[Batch]:
    """What was fetched under that ownership, with what comes in a moment when it is little. What is no longer ours is
    left out, so that the caller may ask for the ownership of all of it."""
    fetches = Fetches(consumer)
    fetches.add(first, owned)
    if limits.linger_seconds and not is_enough(first, limits):
        await asyncio.sleep(limits.linger_seconds)
        await fetches.grow(limits)
    return fetches.ours()


class Fetches:
    """What several fetches brought, as one batch. How much that is is counted as it comes: a batch that grows for long
    is never looked through again."""

    def __init__(self, consumer: Consumer):
        self._consumer = consumer
        self._fetched: list[tuple[Sequence[Batch], Ownership]] = []
        self.records = 0
        self.bytes = 0

    def add(self, batches: Sequence[Batch], owned: Ownership) -> None:
        """What was fetched under that ownership."""
        if batches:
            self._fetched.append((batches, owned))
            self.records += count(batches)
            self.bytes += byte_count(batches)

    async def grow(self, limits: Limits) -> None:
        """Fetch what the log has by now, up to the limits. Without an answer there is nothing more."""
        try:
            more = await self._consumer.fetch(max_records=self._room(limits), timeout=0)
        except HedgerowError as exc:
            # The consumer stands behind what is held: let go of, it would be skipped by the next commit, and lost.
            log.info("batch_not_grown", error=exc.detail)
        else:
            self.add(more, ownership(self._consumer, more))

    def is_full(self, limits: Limits) -> bool:
        """As much as is worked on at once, nearly: what is missing is not worth another fetch."""
        return self.records >= limits.records * 7 // 8 or self.bytes >= limits.bytes * 7 // 8

    def ours(self) -> list[Batch]:
        """All of it that belongs to the ownership it was fetched under."""
        return joined(
            batch for batches, owned in self._fetched for batch in batches if still_ours(self._consumer, batch, owned)
        )

    def _room(self, limits: Limits) -> int:
        """How many more records may be worked on at once, if they are as large as these."""
        fitting = (limits.bytes - self.bytes) * self.records // self.bytes if self.bytes else limits.records
        return max(1, min(limits.records - self.records, fitting))


def is_enough(batches: Sequence[Batch], limits: Limits) -> bool:
    """Half of what is worked on at once, by number or by size: so much came because the log holds more of it."""
    return count(batches) >= limits.records // 2 or byte_count(batches) >= limits.bytes // 2


def joined(batches: Iterable[Batch]) -> list[Batch]:
    """One batch per partition, in offset order.

    A partition that went and came back between two fetches starts again before where it was: the later fetch counts.
    """
    records: dict[tuple[str, int], list[Record]] = {}
    for batch in batches:
        whole = records.setdefault((batch.topic, batch.partition), [])
        first = batch.records[0].offset
        if whole and whole[-1].offset >= first:
            whole[:] = [record for record in whole if record.offset < first]
        whole += batch.records
    return [Batch(topic, partition, whole) for (topic, partition), whole in records.items()]


def cut(batches: Sequence[Batch], limits: Limits) -> list[list[Batch]]:
    """The batches in pieces within the limits; a record larger than the limit goes alone. Order stays. A fetch brings a
    little more than it is asked for: up to an eighth of the bytes stay with the piece before, since a piece has its
    price whatever is in it."""
    pieces: list[list[Batch]] = [[]]
    records = size = 0
    for batch in batches:
        part: list[Record] = []
        for record in batch.records:
            if records and (records >= limits.records or size + len(record.value) > limits.bytes):
                if part:
                    pieces[-1].append(Batch(batch.topic, batch.partition, part))
                pieces.append([])
                part, records, size = [], 0, 0
            part.append(record)
            records += 1
            size += len(record.value)
        if part:
            pieces[-1].append(Batch(batch.topic, batch.partition, part))
    if len(pieces) > 1 and _is_a_rest(pieces[-1], pieces[-2], limits):
        pieces[-2:] = [joined([*pieces[-2], *pieces[-1]])]
    return pieces


def _is_a_rest(last: Sequence[Batch], before: Sequence[Batch], limits: Limits) -> bool:
    return byte_count(last) <= limits.bytes // 8 and count(last) + count(before) <= limits.records


def count(batches: Iterable[Batch]) -> int:
    """Records in all of them."""
    return sum(len(batch.records) for batch in batches)


def byte_count(batches: Iterable[Batch]) -> int:
    """Bytes of all their values."""
    return sum([len(record.value) for batch in batches for record in batch.records])


def ownership(consumer: Consumer, batches: Iterable[Batch]) -> Ownership:
    """The assignments under which batches were fetched; ask right after fetching."""
    assignments = consumer.assignments()
    return {(batch.topic, batch.partition): assignments.get((batch.topic, batch.partition)) for batch in batches}


def still_ours(consumer: Consumer, batch: Batch, owned: Ownership) -> bool:
    """Whether a batch belongs to the ownership it was fetched under. A partition that went and came back starts again
    at its committed position: moving it for an old batch would skip what that batch left undone."""
    assignment = owned.get((batch.topic, batch.partition))
    return assignment is not None and consumer.assignments().get((batch.topic, batch.partition)) is assignment


class InTurns:
    """A consumer that several tasks may use at once: one call begins when the last one has ended."""

    def __init__(self, consumer: Consumer):
        self._consumer = consumer
        self._turn = asyncio.Lock()

    async def fetch(self, *, max_records: int, timeout: float) -> Sequence[Batch]:
        async with self._turn:
            return await self._consumer.fetch(max_records=max_records, timeout=timeout)

    async def keep_alive(self) -> None:
        async with self._turn:
            await self._consumer.keep_alive()

    async def commit(self, topic: str, partition: int, next_offset: int) -> None:
        async with self._turn:
            await self._consumer.commit(topic, partition, next_offset)

    def assignments(self) -> Mapping[tuple[str, int], Assignment]:
        return self._consumer.assignments()

    async def rewind(self, topic: str, partition: int, offset: int) -> None:
        async with self._turn:
            await self._consumer.rewind(topic, partition, offset)

    async def lag(self) -> Mapping[tuple[str, int], int]:
        async with self._turn:
            return await self._consumer.lag()


class Reader:
    """The batches of one loop. While the log holds more, the next one is fetched as one is settled: the loop would
    otherwise wait in turn for the log and for what is behind it. At most one batch is held beside the one at work.
    A loop that prepares a batch while the one before is being settled says so (`next`), and reads no further ahead.

    consumer: for all that is asked of the consumer meanwhile.
    """

    def __init__(self, loop: Loop, consumer: Consumer):
        self.consumer = InTurns(consumer)
        self._loop = loop
        self._ahead: asyncio.Task[tuple[Sequence[Batch], Ownership]] | None = None

    async def __aenter__(self) -> "Reader":
        return self

    async def __aexit__(self, *_: object) -> None:
        """What was fetched and not asked for comes back to whoever reads next: nothing of it is committed."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)

    async def next(
        self, limits: Limits, beside: asyncio.Future[Any] | None = None
    ) -> tuple[Sequence[Batch], Ownership]:
        """The next records and the ownership they were fetched under; none when there are none, or when the loop is
        to stop. An outage of the log is waited out.

        beside: the work on the batch before. As long as it takes, what comes makes one larger batch, up to the limits;
        it is all that is held beside that work, so nothing is read ahead of it."""
        first, owned = await self._fetched_ahead()
        first = [batch for batch in first if still_ours(self.consumer, batch, owned)]
        if beside is not None:
            batches = await self._grown_beside(beside, limits, first, owned)
        else:
            batches = await grown(self.consumer, limits, first, owned) if first else ()
        batches = batches or await self._waited_for(limits)
        owned = ownership(self.consumer, batches)
        if beside is None and is_enough(batches, limits):
            self._ahead = asyncio.create_task(self._fetch_ahead(limits.records))
        await self._loop.report_lag(self.consumer)
        return batches, owned

    async def _waited_for(self, limits: Limits) -> Sequence[Batch]:
        batches: Sequence[Batch] = ()
        async for attempt in until_settled(self._loop.clock, self._loop.stop, on_retry=self._loop.retried):
            with attempt:
                batches = await fetch(self.consumer, limits)
        return batches

    async def _grown_beside(
        self, work: asyncio.Future[Any], limits: Limits, first: Sequence[Batch], owned: Ownership
    ) -> Sequence[Batch]:
        """Never waits in a fetch: whoever does the work needs the consumer too."""
        fetches = Fetches(self.consumer)
        fetches.add(first, owned)
        patience = asyncio.create_task(_both(work, limits.linger_seconds))
        try:
            while not fetches.is_full(limits):
                last = patience.done()
                await fetches.grow(limits)
                if last:
                    break
                await asyncio.wait((patience,), timeout=_LOOK_EVERY_SECONDS)
        finally:
            patience.cancel()
        return fetches.ours()

    async def _fetch_ahead(self, records: int) -> tuple[Sequence[Batch], Ownership]:
        batches = await self.consumer.fetch(max_records=records, timeout=0)
        return batches, ownership(self.consumer, batches)

    async def _fetched_ahead(self) -> tuple[Sequence[Batch], Ownership]:
        task, self._ahead = self._ahead, None
        if task is None:
            return (), {}
        try:
            return await task
        except HedgerowError as exc:  # nothing was passed over: the fetch that follows will meet it again
            log.info("not_fetched_ahead", error=exc.detail)
            return (), {}


async def _both(work: asyncio.Future[Any], seconds: float) -> None:
    """Until the work has ended, however, and that much time has passed."""
    await asyncio.gather(asyncio.wait((work,)), asyncio.sleep(seconds))


@asynccontextmanager
async def kept_alive(consumer: Consumer) -> AsyncIterator[None]:
    """Membership goes on while a batch takes its time. What keep_alive raises is met again by the next commit."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(_ALIVE_EVERY_SECONDS)
            try:
                await consumer.keep_alive()
            except HedgerowError as exc:
                log.warning("keep_alive_failed", error=exc.detail)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
