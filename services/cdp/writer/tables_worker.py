"""The loop that writes persons, distinct ids, groups, warnings, heatmaps, metrics and AI events. In these tables one
row of a sorting key wins (of warnings a second one does little harm), so whatever is in doubt is simply inserted again:
no offsets are looked up, no copies are searched. The position moves last."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from libs.kit import metrics
from libs.kit.clickhouse import ClickHouse
from libs.kit.contracts.topics import DEAD_LETTERS, TABLES_GROUP
from libs.kit.crashpoints import crash_point
from libs.kit.errors import DeadlineExceeded, Fenced, QueryRefused, Unavailable
from libs.kit.eventlog import Batch, Consumer, NewRecord
from libs.kit.logging import get_logger
from libs.kit.retry import until_settled
from libs.kit.runtime import Runtime
from services.cdp.consuming import Limits, Loop, Ownership, Pulse, Reader, count, cut, kept_alive, still_ours
from services.cdp.dead_letters import dead_letter
from services.cdp.settings import WriterSettings
from services.cdp.writer.decide import halves, linger
from services.cdp.writer.tables import TOPICS, Line, lines

WORKER = "tables"
log = get_logger(__name__)

# A part holds every row it was sent, older versions too, so that whoever counts what was stored finds all of it.
_EACH_ROW = {"optimize_on_insert": 0}
# An insert costs ClickHouse 20 to 40 ms of CPU whatever is in it, and a batch is one for each of its tables: under load
# rows wait so many times as long as the last batch took.
_WAIT_PER_WORK = 10


async def write_tables(runtime: Runtime, settings: WriterSettings, stop: asyncio.Event) -> None:
    """Work until `stop` is set. Raises what no retry can mend."""
    pulse = Pulse(runtime.clock)
    runtime.health.add(WORKER, pulse.check)
    loop = Loop(WORKER, runtime.clock, stop, pulse)
    limits = Limits(settings.batch_records, settings.batch_bytes, settings.linger_seconds, settings.fetch_seconds)
    async with runtime.log.consumer(list(TOPICS), TABLES_GROUP) as consumer, Reader(loop, consumer) as reader:
        writer = TablesWriter(runtime, reader.consumer, loop, settings.ai_retention_days)
        wait = settings.linger_seconds
        while not stop.is_set():
            batches, owned = await reader.next(replace(limits, linger_seconds=wait))
            began = runtime.clock.monotonic()
            pulse.beat()
            async with kept_alive(reader.consumer):
                for piece in cut(batches, limits):
                    if piece and not await writer.settle(piece, owned):
                        return
            # after a pause the next row waits for nobody
            took = _WAIT_PER_WORK * (runtime.clock.monotonic() - began) if batches else 0.0
            wait = linger(took, settings.linger_seconds, settings.tables_max_linger_seconds)


class TablesWriter:
    """One member of the group."""

    def __init__(self, runtime: Runtime, consumer: Consumer, loop: Loop, ai_days: int):
        self._clock = runtime.clock
        self._log = runtime.log
        self._clickhouse: ClickHouse = runtime.clickhouse
        self._consumer = consumer
        self._loop = loop
        self._ai_days = ai_days

    async def settle(self, batches: Sequence[Batch], owned: Ownership) -> bool:
        """Insert, then move. False when `stop` ended the attempts: the batch comes back at the next start."""
        metrics.CONSUMER_BATCH_SIZE.labels(WORKER).observe(count(batches))
        async for attempt in until_settled(self._clock, self._loop.stop, on_retry=self._loop.retried):
            with attempt:
                await self._settle(batches, owned)
                self._loop.pulse.beat()
                return True
        return False

    async def _settle(self, batches: Sequence[Batch], owned: Ownership) -> None:
        ours = [batch for batch in batches if still_ours(self._consumer, batch, owned)]
        dead: list[NewRecord] = []
        made = self._lines(ours, dead)
        with metrics.CONSUMER_STEP_SECONDS.labels(WORKER, "insert").time():
            for table in sorted({line.table for line in made}):
                for line, why in await self._insert(table, [line for line in made if line.table == table]):
                    log.warning("row_refused", worker=WORKER, table=table, error=why[:300], offset=line.record.offset)
                    dead.append(dead_letter(line.record, "refused_by_clickhouse", "insert", self._clock.now()))
        if dead:
            await self._log.produce(DEAD_LETTERS.name, dead)
        for batch in ours:
            await self._moved(batch, owned)
        metrics.CONSUMER_EVENTS.labels(WORKER, "ok", "").inc(count(ours) - len(dead))
        metrics.CONSUMER_EVENTS.labels(WORKER, "dlq", "").inc(len(dead))

    def _lines(self, batches: Sequence[Batch], dead: list[NewRecord]) -> list[Line]:
        made: list[Line] = []
        for batch in batches:
            for record in batch.records:
                try:
                    made += lines(record, self._ai_days)
                except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
                    log.warning("unusable_record", worker=WORKER, topic=record.topic, offset=record.offset)
                    dead.append(dead_letter(record, "failed_parse_message", "row", self._clock.now()))
        return made

    async def _insert(self, table: str, rows: Sequence[Line]) -> list[tuple[Line, str]]:
        """Insert rows, and return those that ClickHouse refuses: halves are tried until a refusal stands alone."""
        crash_point("tables.before_insert")
        try:
            await self._clickhouse.insert(table, b"".join(row.text for row in rows), settings=_EACH_ROW)
        except DeadlineExceeded as exc:
            raise Unavailable(exc.detail) from exc
        except QueryRefused as exc:
            if len(rows) == 1:
                return [(rows[0], exc.detail)]
            first, second = halves(rows)
            return [*await self._insert(table, first), *await self._insert(table, second)]
        crash_point("tables.after_insert")
        return []

    async def _moved(self, batch: Batch, owned: Ownership) -> None:
        if not still_ours(self._consumer, batch, owned):
            return
        try:
            await self._consumer.commit(batch.topic, batch.partition, batch.next_offset)
        except Fenced:
            log.warning("partition_lost", worker=WORKER, topic=batch.topic, partition=batch.partition)
        crash_point("tables.after_position")
