"""The writer's loop. What the log holds is inserted once; the position moves last. See docs/adr/0007.

At every start, on every partition that becomes ours, and after every insert whose outcome is unknown:
  1. end what still runs there, whoever started it;  2. read which offsets from the position on are stored;
  3. insert only the others, under a fresh id;       4. feed what is stored again to sessions, which a view fills
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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
from services.cdp.writer.decide import decide, halves, in_doubt, inserts, linger, orphans
from services.cdp.writer.rows import Row, Unusable, packed, row
from services.cdp.writer.store import EventStore
from services.cdp.writer.tables_worker import write_tables

WORKER = "writer"
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
    async with runtime.log.consumer([STORED_EVENTS.name], WRITER_GROUP) as consumer, Reader(loop, consumer) as reader:
        writer = Writer(runtime, settings, reader.consumer, loop)
        took = 0.0
        while not stop.is_set():
            patient = replace(limits, linger_seconds=linger(took, settings.linger_seconds, settings.max_linger_seconds))
            batches, owned = await reader.next(patient)
            began = runtime.clock.monotonic()
            pulse.beat()
            async with kept_alive(reader.consumer):
                if not await writer.ready():
                    return
                for piece in cut(batches, limits):
                    if piece and not await writer.settle(piece, owned):
                        return
            took = runtime.clock.monotonic() - began


@dataclass(slots=True)
class Partition:
    """What we know of a partition we own. stored: offsets from the position on that are in ClickHouse already.

    doubtful: an insert of ours has not been heard of since; nothing is believed before `_recover` has looked.
    """

    owned: Assignment
    position: int
    stored: set[int] = field(default_factory=set)
    doubtful: bool = False


@dataclass(slots=True)
class Tally:
    """What became of a batch; counted once it is settled."""

    inserted: int = 0
    copies: int = 0
    dead: list[NewRecord] = field(default_factory=list)


class Writer:
    """The state of one member: its partitions and what it remembers having seen."""

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

    async def ready(self) -> bool:
        """Recover what became ours since the last call, so that its first batch need not wait. False when stopped."""
        async for attempt in until_settled(self._clock, self._loop.stop, on_retry=self._loop.retried):
            with attempt:
                await self._recover()
                return True
        return False

    async def settle(self, batches: Sequence[Batch], owned: Ownership) -> bool:
        """Insert, then move. False when `stop` ended the attempts: the batch comes back at the next start."""
        metrics.CONSUMER_BATCH_SIZE.labels(WORKER).observe(count(batches))
        async for attempt in until_settled(self._clock, self._loop.stop, on_retry=self._loop.retried):
            with attempt:
                try:
                    await self._settle(batches, owned)
                except OutcomeUnknown:
                    for partition in self._partitions.values():
                        partition.doubtful = True
                    raise
                except Fenced as exc:
                    raise Unavailable(f"Partitions changed hands: {exc.detail}") from exc
                self._loop.pulse.beat()
                return True
        return False

    async def _settle(self, batches: Sequence[Batch], owned: Ownership) -> None:
        await self._recover()
        ours = [batch for batch in batches if still_ours(self._consumer, batch, owned)]
        tally = Tally()
        with metrics.CONSUMER_STEP_SECONDS.labels(WORKER, "rows").time():
            rows = self._rows(ours, tally)
        while rows:
            rows = await self._inserted(rows, ours, owned, tally)
        if tally.dead:
            crash_point("writer.before_dead_letters")
            await self._log.produce(DEAD_LETTERS.name, tally.dead)
            crash_point("writer.after_dead_letters")
        for batch in ours:
            await self._moved(batch, owned)
        _count(tally)

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

    async def _inserted(
        self, rows: Sequence[Row], batches: Sequence[Batch], owned: Ownership, tally: Tally
    ) -> list[Row]:
        """Insert what is no copy. Returns rows that were taken for copies of one that ClickHouse then refused."""
        with metrics.CONSUMER_STEP_SECONDS.labels(WORKER, "lookup").time():
            asked = in_doubt(rows, self._seen)
            since = min((one.arrived_ms for one in asked), default=0) - self._seen.window_ms
            decision = decide(rows, await self._store.stored_copies(asked, since) if asked else set())
        metrics.SEEN_LOOKUPS.labels("maybe").inc(len(asked))
        metrics.SEEN_LOOKUPS.labels("new").inc(len(rows) - len(asked))
        refused: list[tuple[Row, str]] = []
        with metrics.CONSUMER_STEP_SECONDS.labels(WORKER, "insert").time():
            for number, piece in enumerate(inserts(decision.fresh)):
                if number:
                    crash_point("writer.between_inserts")
                refused += await self._insert(piece, batches, owned)
        for one, why in refused:
            log.warning("row_refused", worker=WORKER, error=why[:300], offset=one.record.offset)
            tally.dead.append(dead_letter(one.record, "refused_by_clickhouse", "insert", self._clock.now()))
        waiting = orphans(decision.copies, [one for one, _ in refused])
        tally.inserted += len(decision.fresh) - len(refused)
        tally.copies += len(decision.copies) - len(waiting)
        return waiting

    async def _insert(self, rows: Sequence[Row], batches: Sequence[Batch], owned: Ownership) -> list[tuple[Row, str]]:
        """Insert rows, and return those that ClickHouse refuses."""
        block, inside, lines = packed(rows)
        if block:
            try:
                await self._stored(inside, batches, owned, block)
            except QueryRefused as exc:
                # the lines will tell which row is at fault, if one is
                log.warning("block_refused", worker=WORKER, error=exc.detail[:300], rows=len(inside))
                lines = list(rows)
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
        for one in rows:
            self._seen.add(one.key, one.arrived_ms)
        crash_point("writer.before_insert")
        await self._store.insert(self._log_id, rows, block)
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
        """Steps 1, 2 and 4 for every partition that is new to us or in doubt, and the filter for those new to us."""
        assignments = {number: owned for (_, number), owned in self._consumer.assignments().items()}
        known = {n: state for n, state in self._partitions.items() if assignments.get(n) is state.owned}
        new = sorted(assignments.keys() - known.keys())
        looked_at = sorted([*new, *(number for number, state in known.items() if state.doubtful)])
        self._partitions = known
        if not looked_at:
            return
        crash_point("writer.before_recovery")
        self._log_id = await self._log.log_id(STORED_EVENTS.name)
        ended = await self._store.end_inserts(self._log_id, looked_at)
        found: dict[int, Partition] = {}
        for number in looked_at:
            position = known[number].position if number in known else assignments[number].position
            stored = await self._store.stored_offsets(self._log_id, number, position)
            if stored:
                await self._store.feed_again(self._log_id, number, position)
            found[number] = Partition(assignments[number], position, stored)
        if new:
            await self._refill(new)
        self._partitions.update(found)
        ahead = {number: len(state.stored) for number, state in found.items()}
        log.info("partitions_recovered", worker=WORKER, ended=len(ended), stored_ahead=ahead)
        crash_point("writer.after_recovery")

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
