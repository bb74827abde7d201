"""What both loops share: batches of the right size, a member that stays alive while it waits, and its health."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

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

    async def fetched(self, consumer: Consumer, limits: Limits) -> Sequence[Batch]:
        """The next records; empty when there are none, or when `stop` was set. An outage of the log is waited out."""
        batches: Sequence[Batch] = ()
        async for attempt in until_settled(self.clock, self.stop, on_retry=self.retried):
            with attempt:
                batches = await fetch(consumer, limits)
                await self._report_lag(consumer)
        return batches

    async def _report_lag(self, consumer: Consumer) -> None:
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
    have = count(first)
    if not first or not limits.linger_seconds or have >= limits.records // 2:
        return first
    await asyncio.sleep(limits.linger_seconds)
    try:
        more = await consumer.fetch(max_records=limits.records - have, timeout=0)
    except HedgerowError as exc:
        # The consumer stands behind `first` now: let go of, it would be skipped by the next commit, and lost.
        log.info("batch_not_grown", error=exc.detail)
        return first
    return joined([*first, *more])


def joined(batches: Iterable[Batch]) -> list[Batch]:
    """One batch per partition, in offset order.

    A partition that went and came back between two fetches starts again before where it was: the later fetch counts.
    """
    records: dict[tuple[str, int], list[Record]] = {}
    for batch in batches:
        whole = records.setdefault((batch.topic, batch.partition), [])
        first = batch.records[0].offset
        whole[:] = [*(record for record in whole if record.offset < first), *batch.records]
    return [Batch(topic, partition, whole) for (topic, partition), whole in records.items()]


def cut(batches: Sequence[Batch], limits: Limits) -> list[list[Batch]]:
    """The batches in pieces within the limits; a record larger than the limit goes alone. Order stays."""
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
    return pieces


def count(batches: Iterable[Batch]) -> int:
    """Records in all of them."""
    return sum(len(batch.records) for batch in batches)


def ownership(consumer: Consumer, batches: Iterable[Batch]) -> Ownership:
    """The assignments under which batches were fetched; ask right after fetching."""
    assignments = consumer.assignments()
    return {(batch.topic, batch.partition): assignments.get((batch.topic, batch.partition)) for batch in batches}


def still_ours(consumer: Consumer, batch: Batch, owned: Ownership) -> bool:
    """Whether a batch belongs to the ownership it was fetched under. A partition that went and came back starts again
    at its committed position: moving it for an old batch would skip what that batch left undone."""
    assignment = owned.get((batch.topic, batch.partition))
    return assignment is not None and consumer.assignments().get((batch.topic, batch.partition)) is assignment


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
