"""The writer's loop. What the log holds is inserted once; the position moves last. See docs/adr/0007.

At every start, on every partition that becomes ours, and after every insert whose outcome is unknown:
  1. shut the door: inserts that carry an older number are refused from now on (docs/adr/0044)
  2. end what still runs there, whoever started it;  3. read which offsets from the position on are stored;
  4. insert only the others, under a fresh id;       5. feed what is stored again to sessions, which a view fills
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from libs.kit import metrics
from libs.kit.contracts.topics import DEAD_LETTERS, STORED_EVENTS, WRITER_GROUP
from libs.kit.crashpoints import crash_point
from libs.kit.errors import Fenced, OutcomeUnknown, QueryRefused, Unavailable
from libs.kit.eventlog import Assignment, Batch, Consumer, NewRecord
from libs.kit.logging import get_logger
from libs.kit.retry import until_settled
from libs.kit.runtime import Runtime
from services.cdp.consuming import Limits, Loop, Ownership, Pulse, Reader, count, cut, kept_alive, still_ours
from services.cdp.dead_letters import dead_letter
from services.cdp.settings import WriterSettings
from services.cdp.writer.copies import SeenWindow
from services.cdp.writer.decide import Decision, decide, halves, in_doubt, inserts, linger, orphans
from services.cdp.writer.rows import Packed, Row, Unusable, packed, row
from services.cdp.writer.store import EventStore
from services.cdp.writer.tables_worker import write_tables

WORKER = "writer"
# The next batch grows while the last one is inserted, and then for as long again: one that was begun as soon as
# ClickHouse is free would be half as large, with twice the inserts, parts and merges for the same rows.
_WAIT_PER_WORK = 2
log = get_logger(__name__)


async def run(runtime: Runtime, settings: WriterSettings, stop: asyncio.Event) -> None:
    """Write events, and beside them what tells of persons, until `stop` is set. Raises what no retry can mend."""
    async with asyncio.TaskGroup() as group:
        group.create_task(write_tables(runtime, settings, stop))
        group.create_task(_write_events(runtime, settings, stop))


async def _write_events(runtime: Runtime, settings: WriterSettings, stop: asyncio.Event) -> None:
    pulse = Pulse(runtime.clock)
    runtime.health.add(WORKER, pulse.check)
    loop = Loop(WORKER, runtime.clock, stop, pulse)
    limits = Limits(settings.batch_records, settings.batch_bytes, settings.linger_seconds, settings.fetch_seconds)
    async with (
        runtime.log.consumer([STORED_EVENTS.name], WRITER_GROUP) as consumer,
        Reader(loop, consumer) as reader,
        Writer(runtime, settings, reader.consumer, loop) as writer,
    ):
        while not stop.is_set():
            wait = linger(_WAIT_PER_WORK * writer.took, settings.linger_seconds, settings.max_linger_seconds)
            batches, owned = await reader.next(replace(limits, linger_seconds=wait), writer.under_way)
            if not await writer.ready():
                return
            for piece in cut(batches, limits):
                if piece and not await writer.take(piece, owned):
                    return


@dataclass(slots=True)
class Partition:
    """What we know of a partition we own. number: with which we took it over. stored: offsets from the position on that
    are in ClickHouse already.

    doubtful: an insert of ours has not been heard of since, or was refused since somebody else took over; nothing is
    believed before `_recover` has looked.
    """

    owned: Assignment
    position: int
    number: int
    stored: set[int] = field(default_factory=set)
    doubtful: bool = False


@dataclass(slots=True)
class Tally:
    """What became of a batch; counted once it is settled."""

    inserted: int = 0
    copies: int = 0
    dead: list[NewRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch as far as it can be brought while the one before is still being inserted.

    asked: rows that must be looked up, once that one is stored. When there are none, `decision` is made and `packed`
    holds its inserts. recoveries: how often the writer had recovered then; after another time all of it is void."""

    batches: Sequence[Batch]
    tally: Tally
    rows: Sequence[Row]
    asked: Sequence[Row]
    decision: Decision | None
    packed: Sequence[Packed]
    recoveries: int


class Writer:
    """The state of one member: its partitions, what it remembers having seen, and the batch it is settling.

    While one batch is inserted the next one is prepared, and no third one begun. Batches are inserted and their
    positions moved one after the other; a batch that cannot be settled stops the one behind it."""

    def __init__(self, runtime: Runtime, settings: WriterSettings, consumer: Consumer, loop: Loop):
        self._clock = runtime.clock
        self._log = runtime.log
        self._consumer = consumer
        self._loop = loop
        self._store = EventStore(
            runtime.clickhouse, runtime.settings.clickhouse_cluster, refill_seconds=settings.refill_seconds
        )
        window_ms = int(settings.duplicate_window_hours * 3_600_000)
        self._seen = SeenWindow(window_ms, settings.seen_filter_mebibytes * 1024 * 1024)
        self._partitions: dict[int, Partition] = {}
        self._log_id = ""
        self._recoveries = 0
        # seconds that the last batch took, from its first row to its position
        self.took = 0.0
        self.under_way: asyncio.Task[bool] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """What is under way is brought to its end, unless something failed."""
        if kind is None:
            await self._settled()
        elif self.under_way is not None:
            self.under_way.cancel()
            await asyncio.gather(self.under_way, return_exceptions=True)

    async def ready(self) -> bool:
        """Recover what became ours since the last call, so that its first batch need not wait. False when stopped.
        Raises what ended a batch that `take` began."""
        if self.under_way is not None and not self.under_way.done():
            return True  # the next batch looks before it is inserted
        if not await self._settled():
            return False
        self._loop.pulse.beat()
        async with kept_alive(self._consumer):
            return await self._recovered()

    async def take(self, batches: Sequence[Batch], owned: Ownership) -> bool:
        """Prepare a batch, and begin to settle it as soon as the one before is settled. False when `stop` ended that
        one's attempts; raises what ended them otherwise."""
        began = self._clock.monotonic()
        prepared = self._prepared(batches, owned)
        preparing = self._clock.monotonic() - began
        if not await self._settled():
            return False
        self.under_way = asyncio.create_task(self._taken(batches, owned, prepared, preparing))
        return True

    async def _taken(self, batches: Sequence[Batch], owned: Ownership, prepared: Prepared, preparing: float) -> bool:
        began = self._clock.monotonic()
        async with kept_alive(self._consumer):
            settled = await self._settle_until_done(batches, owned, prepared)
        self.took = preparing + self._clock.monotonic() - began
        return settled

    async def _settled(self) -> bool:
        """Wait for the batch under way, if there is one. False when `stop` ended its attempts."""
        task, self.under_way = self.under_way, None
        return await task if task is not None else True

    async def _recovered(self) -> bool:
        async for attempt in until_settled(self._clock, self._loop.stop, on_retry=self._loop.retried):
            with attempt:
                await self._recover()
                return True
        return False

    async def _settle_until_done(self, batches: Sequence[Batch], owned: Ownership, prepared: Prepared | None) -> bool:
        """Insert, then move. False when `stop` ended the attempts: the batch comes back at the next start."""
        metrics.CONSUMER_BATCH_SIZE.labels(WORKER).observe(count(batches))
        async for attempt in until_settled(self._clock, self._loop.stop, on_retry=self._loop.retried):
            with attempt:
                first, prepared = prepared, None  # what an attempt leaves behind is looked at anew
                try:
                    await self._settle(batches, owned, first)
                except OutcomeUnknown:
                    self._doubt()
                    raise
                except Fenced as exc:
                    self._doubt()
                    raise Unavailable(f"Partitions changed hands: {exc.detail}") from exc
                self._loop.pulse.beat()
                return True
        return False

    def _doubt(self) -> None:
        for partition in self._partitions.values():
            partition.doubtful = True

    async def _settle(self, batches: Sequence[Batch], owned: Ownership, prepared: Prepared | None) -> None:
        await self._recover()
        if prepared is None or prepared.recoveries != self._recoveries:
            prepared = self._prepared(batches, owned)
        tally = prepared.tally
        waiting = await self._inserted(prepared, owned)
        while waiting:
            waiting = await self._inserted(self._looked_through(waiting, prepared.batches, tally), owned)
        if tally.dead:
            crash_point("writer.before_dead_letters")
            await self._log.produce(DEAD_LETTERS.name, tally.dead)
            crash_point("writer.after_dead_letters")
        for batch in prepared.batches:
            await self._moved(batch, owned)
        _count(tally)

    def _prepared(self, batches: Sequence[Batch], owned: Ownership) -> Prepared:
        """Of the batches that are ours and known to us; what is not known yet is void after `_recover` anyway."""
        known = {number: state.owned for number, state in self._partitions.items()}
        ours = [
            batch
            for batch in batches
            if still_ours(self._consumer, batch, owned)
            and known.get(batch.partition) is owned[batch.topic, batch.partition]
        ]
        tally = Tally()
        with metrics.CONSUMER_STEP_SECONDS.labels(WORKER, "rows").time():
            rows = self._rows(ours, tally)
            return self._looked_through(rows, ours, tally)

    def _looked_through(self, rows: Sequence[Row], batches: Sequence[Batch], tally: Tally) -> Prepared:
        """From here on every row is remembered: the next batch is compared with this one before it is stored."""
        asked = in_doubt(rows, self._seen)
        for one in rows:
            self._seen.add(one.key, one.arrived_ms)
        metrics.SEEN_LOOKUPS.labels("maybe").inc(len(asked))
        metrics.SEEN_LOOKUPS.labels("new").inc(len(rows) - len(asked))
        decision = None if asked else decide(rows, frozenset())
        parts = [packed(piece) for piece in inserts(decision.fresh)] if decision else []
        return Prepared(batches, tally, rows, asked, decision, parts, self._recoveries)

    def _rows(self, batches: Sequence[Batch], tally: Tally) -> list[Row]:
        """The rows that are not stored yet, in order."""
        rows: list[Row] = []
        for batch in batches:
            stored = self._partitions[batch.partition].stored
            for record in batch.records:
                if record.offset in stored:
                    tally.inserted += 1
                elif isinstance(made := row(record, self._log_id), Unusable):
                    log.warning("unusable_record", worker=WORKER, reason=made.reason, offset=record.offset)
                    tally.dead.append(dead_letter(record, made.reason, "row", self._clock.now()))
                else:
                    rows.append(made)
        return rows

    async def _inserted(self, prepared: Prepared, owned: Ownership) -> list[Row]:
        """Insert what is no copy. Returns rows that were taken for copies of one that ClickHouse then refused."""
        tally, decision, parts = prepared.tally, prepared.decision, prepared.packed
        if decision is None:
            with metrics.CONSUMER_STEP_SECONDS.labels(WORKER, "lookup").time():
                since = min(one.arrived_ms for one in prepared.asked) - self._seen.window_ms
                decision = decide(prepared.rows, await self._store.stored_copies(prepared.asked, since))
            parts = [packed(piece) for piece in inserts(decision.fresh)]
        refused: list[tuple[Row, str]] = []
        with metrics.CONSUMER_STEP_SECONDS.labels(WORKER, "insert").time():
            for number, part in enumerate(parts):
                if number:
                    crash_point("writer.between_inserts")
                refused += await self._insert(part, prepared.batches, owned)
        for one, why in refused:
            log.warning("row_refused", worker=WORKER, error=why[:300], offset=one.record.offset)
            tally.dead.append(dead_letter(one.record, "refused_by_clickhouse", "insert", self._clock.now()))
        waiting = orphans(decision.copies, [one for one, _ in refused])
        tally.inserted += len(decision.fresh) - len(refused)
        tally.copies += len(decision.copies) - len(waiting)
        return waiting

    async def _insert(self, part: Packed, batches: Sequence[Batch], owned: Ownership) -> list[tuple[Row, str]]:
        """Insert rows, and return those that ClickHouse refuses."""
        lines = part.lines
        if part.block:
            try:
                await self._stored(part.inside, batches, owned, part.block)
            except QueryRefused as exc:
                # the lines will tell which row is at fault, if one is
                log.warning("block_refused", worker=WORKER, error=exc.detail[:300], rows=len(part.inside))
                lines = [*part.inside, *lines]
        return await self._insert_lines(lines, batches, owned) if lines else []

    async def _insert_lines(
        self, rows: Sequence[Row], batches: Sequence[Batch], owned: Ownership
    ) -> list[tuple[Row, str]]:
        """Halves are tried until a refusal stands alone."""
        try:
            await self._stored(rows, batches, owned)
        except QueryRefused as exc:
            if len(rows) == 1:
                return [(rows[0], exc.detail)]
            first, second = halves(rows)
            return [*await self._insert_lines(first, batches, owned), *await self._insert_lines(second, batches, owned)]
        return []

    async def _stored(
        self, rows: Sequence[Row], batches: Sequence[Batch], owned: Ownership, block: bytes = b""
    ) -> None:
        """One insert, as the owner. Raises what EventStore.insert does."""
        await self._confirm(batches, owned)
        crash_point("writer.before_insert")
        numbers = {number: state.number for number, state in self._partitions.items()}
        await self._store.insert(self._log_id, rows, numbers, block)
        crash_point("writer.after_insert")
        for one in rows:
            self._partitions[one.record.partition].stored.add(one.record.offset)

    async def _confirm(self, batches: Sequence[Batch], owned: Ownership) -> None:
        """An insert starts only as the owner: after a long stall the log is asked first, and may say no."""
        await self._consumer.keep_alive()
        for batch in batches:
            if not still_ours(self._consumer, batch, owned):
                raise Fenced(f"partition {batch.partition} is no longer ours")

    async def _moved(self, batch: Batch, owned: Ownership) -> None:
        if not still_ours(self._consumer, batch, owned):
            return
        crash_point("writer.before_position")
        try:
            await self._consumer.commit(batch.topic, batch.partition, batch.next_offset)
        except Fenced:
            # the rows are stored; the new owner finds them there
            log.warning("partition_lost", worker=WORKER, partition=batch.partition)
            self._partitions.pop(batch.partition, None)
            return
        crash_point("writer.after_position")
        partition = self._partitions[batch.partition]
        partition.position = batch.next_offset
        partition.stored = {offset for offset in partition.stored if offset >= batch.next_offset}

    async def _recover(self) -> None:
        """Steps 1, 2, 3 and 5 for every partition that is new to us or in doubt, and the filter for those new to us."""
        if not self._to_look_at():
            return
        await self._consumer.keep_alive()  # who is the owner no more should not shut out the one who is
        if not (looked_at := self._to_look_at()):
            return
        crash_point("writer.before_recovery")
        self._log_id = await self._log.log_id(STORED_EVENTS.name)
        number = await self._store.take_over(self._log_id, looked_at.keys())
        crash_point("writer.after_take_over")
        ended = await self._store.end_inserts(self._log_id, looked_at.keys())
        found = {
            at: await self._found(Partition(owned, position, number)) for at, (owned, position) in looked_at.items()
        }
        if new := sorted(looked_at.keys() - self._partitions.keys()):
            await self._refill(new)
        self._partitions.update(found)
        self._recoveries += 1  # last: what was prepared meanwhile knows nothing of these partitions
        ahead = {at: len(state.stored) for at, state in found.items()}
        log.info("partitions_recovered", worker=WORKER, ended=len(ended), stored_ahead=ahead)
        crash_point("writer.after_recovery")

    def _to_look_at(self) -> dict[int, tuple[Assignment, int]]:
        """What is new to us or in doubt, with its position. Forgets what is not ours any more."""
        assignments = {at: owned for (_, at), owned in sorted(self._consumer.assignments().items())}
        self._partitions = {at: state for at, state in self._partitions.items() if assignments.get(at) is state.owned}
        known = self._partitions
        new = {at: (owned, owned.position) for at, owned in assignments.items() if at not in known}
        return new | {at: (state.owned, state.position) for at, state in known.items() if state.doubtful}

    async def _found(self, partition: Partition) -> Partition:
        """What is stored from its position on. The filter learns of it too: it may be somebody else's."""
        place = self._log_id, partition.owned.partition, partition.position
        stored = await self._store.stored_from(*place)
        if stored:
            self._seen.add_packed(b"".join(stored.values()))
            await self._store.feed_again(*place)
        return replace(partition, stored=set(stored))

    async def _refill(self, partitions: Sequence[int]) -> None:
        """Read back what is stored of these partitions, so that the filter may speak for them."""
        since = self._seen.refill_from(int(self._clock.now().timestamp() * 1000))
        async for keys in self._store.digests(self._log_id, partitions, since):
            self._seen.add_packed(keys)
        self._seen.refilled(since)
        for generation, size in zip(("current", "previous"), self._seen.sizes, strict=True):
            metrics.SEEN_KEYS.labels(generation).set(size)


def _count(tally: Tally) -> None:
    metrics.CONSUMER_EVENTS.labels(WORKER, "ok", "").inc(tally.inserted)
    metrics.CONSUMER_EVENTS.labels(WORKER, "duplicate", "").inc(tally.copies)
    metrics.CONSUMER_EVENTS.labels(WORKER, "dlq", "").inc(len(tally.dead))
