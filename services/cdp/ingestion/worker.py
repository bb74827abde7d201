"""The ingestion loop. Persons and our own position are committed in one PostgreSQL transaction; then rows are produced;
then the log's position moves. After a crash the records between the two positions are emitted again, from persons as
they now are, so the topic behind may hold copies: the writer drops them. See docs/adr/0007.

Live events, overflow and imports are lanes: a topic, a group, a loop and positions each, so that none holds up another.
Two lanes that change one person meet in PostgreSQL as two members of a group do: the second one decides anew.
"""

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from libs.kit import metrics
from libs.kit.contracts.topics import (
    CAPTURED,
    DEAD_LETTERS,
    EVENTS,
    HEATMAPS,
    HISTORICAL,
    OVERFLOW,
    STORED_EVENTS,
    WARNINGS,
)
from libs.kit.crashpoints import crash_point
from libs.kit.errors import Conflict, Fenced, LogFull, OutcomeUnknown, Unavailable
from libs.kit.eventlog import Assignment, Batch, Consumer, NewRecord
from libs.kit.eventlog.base import Topic
from libs.kit.eventlog.block import joined
from libs.kit.logging import get_logger
from libs.kit.outcomes import Outcomes, team_owner
from libs.kit.retry import until_settled
from libs.kit.runtime import Runtime
from libs.kit.teams import Teams
from services.cdp.consuming import (
    Limits,
    Loop,
    Ownership,
    Pulse,
    Reader,
    count,
    cut,
    is_enough,
    kept_alive,
    still_ours,
)
from services.cdp.dead_letters import dead_letter
from services.cdp.ingestion.definitions import Catalogue
from services.cdp.ingestion.needs import needs
from services.cdp.ingestion.oversized import taken, warned_of
from services.cdp.ingestion.parse import Incoming, Rejected
from services.cdp.ingestion.plan import Known, Plan, parsed, plan
from services.cdp.ingestion.prepare import Prepared, prepared
from services.cdp.ingestion.repository import Move, PersonsRefused, PersonStore, Source
from services.cdp.ingestion.restrictions import Place, RestrictionsInForce, Ruled, overflowing, ruled
from services.cdp.ingestion.surroundings import Surroundings
from services.cdp.ingestion.team_lists import Listed, TeamList
from services.cdp.ingestion.warnings import WarningLimiter
from services.cdp.ingestion.warnings import record as warning_record
from services.cdp.settings import IngestionSettings

WORKER = "ingestion"
log = get_logger(__name__)

Events = Sequence[Incoming | Rejected]


LANES: Mapping[str, Topic] = {"live": EVENTS, "overflow": OVERFLOW, "historical": HISTORICAL}


async def run(runtime: Runtime, settings: IngestionSettings, stop: asyncio.Event) -> None:
    """Work on the lanes of the settings until `stop` is set. Raises what no retry can mend, such as a missing table."""
    known = Remembered.of(runtime, settings)
    topics = [LANES[lane] for lane in dict.fromkeys(settings.lanes.split(","))]
    await _ensured(runtime, stop)
    await known.restrictions.refresh()
    async with asyncio.TaskGroup() as group:
        group.create_task(known.outcomes.run(stop))
        group.create_task(known.restrictions.run(stop))
        for topic in topics:
            for number in range(settings.members):
                group.create_task(_read(runtime, settings, topic, known, stop, number))


async def _ensured(runtime: Runtime, stop: asyncio.Event) -> None:
    """Topics that a release brings are there before they are read: capture, which makes them, may start later."""
    async for attempt in until_settled(runtime.clock, stop):
        with attempt:
            await runtime.log.ensure(CAPTURED)


async def _read(
    runtime: Runtime, settings: IngestionSettings, topic: Topic, known: "Remembered", stop: asyncio.Event, number: int
) -> None:
    """One member of the lane's group, the process's `number`th. Two of them meet in PostgreSQL, as those of two
    processes do."""
    (worker,) = topic.groups
    pulse = Pulse(runtime.clock)
    runtime.health.add(f"{worker}_{number}" if number else worker, pulse.check)
    loop = Loop(worker, runtime.clock, stop, pulse)
    limits = Limits(settings.batch_records, settings.batch_bytes, settings.linger_seconds, settings.fetch_seconds)
    async with (
        runtime.log.consumer([topic.name], worker) as consumer,
        Reader(loop, consumer) as reader,
        Ingestion(runtime, topic, known, reader.consumer, loop) as ingestion,
    ):
        while not stop.is_set():
            batches, owned = await reader.next(limits)
            pulse.beat()
            async with kept_alive(reader.consumer):
                for piece in cut(batches, limits):
                    if piece and not await ingestion.settle(piece, owned):
                        return
                if not is_enough(batches, limits) and not await ingestion.delivered():
                    return


@dataclass(slots=True)
class Output:
    """What a settled batch leaves for the log."""

    rows: Sequence[NewRecord] = ()
    dead: list[NewRecord] = field(default_factory=list)
    first_of: set[int] = field(default_factory=set)
    updates: dict[str, Sequence[NewRecord]] = field(default_factory=dict)

    def joined(self, other: "Output") -> "Output":
        """This one's records before the other's."""
        topics = self.updates.keys() | other.updates.keys()
        return Output(
            joined([self.rows, other.rows]),
            [*self.dead, *other.dead],
            self.first_of | other.first_of,
            {topic: joined([self.updates.get(topic, ()), other.updates.get(topic, ())]) for topic in topics},
        )


@dataclass(frozen=True, slots=True)
class Remembered:
    """What all lanes of a process need not ask or tell twice.

    begun: a cached team may say for a while that it has no events; this saves asking PostgreSQL each time.
    merge_limit: distinct ids that one merge may move; None for any number.
    """

    teams: Teams
    outcomes: Outcomes
    surroundings: Surroundings
    restrictions: RestrictionsInForce
    merge_limit: int | None = None
    listed: Listed = field(default_factory=Listed)
    limiter: WarningLimiter = field(default_factory=WarningLimiter)
    catalogue: Catalogue = field(default_factory=Catalogue)
    begun: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, runtime: Runtime, settings: IngestionSettings) -> "Remembered":
        """Nothing yet."""
        teams = Teams(
            runtime.postgres,
            runtime.clock,
            seconds=settings.team_cache_seconds,
            unknown_seconds=settings.unknown_team_cache_seconds,
            capacity=settings.team_cache_size,
        )
        outcomes = Outcomes(runtime.state, runtime.clock, "ingestion")
        listed = Listed(TeamList.of(settings.ai_stripped_teams), TeamList.of(settings.personless_flag_teams))
        restrictions = RestrictionsInForce(runtime.state, runtime.clock, settings)
        limit = settings.merge_move_distinct_id_limit or None
        return cls(teams, outcomes, Surroundings(runtime, settings), restrictions, limit, listed)


class Ingestion:
    """The state of one lane's member: where PostgreSQL says each partition stands, for the ownership it was read
    under, and the batch that is committed there and on its way to the log. The next one is decided meanwhile."""

    def __init__(self, runtime: Runtime, topic: Topic, known: Remembered, consumer: Consumer, loop: Loop):
        self._clock = runtime.clock
        self._log = runtime.log
        self._topic = topic.name
        (self._group,) = topic.groups
        self._consumer = consumer
        self._loop = loop
        self._store = PersonStore(runtime.postgres, known.merge_limit)
        self._merge_limit = known.merge_limit
        self._teams = known.teams
        self._positions: dict[int, tuple[Assignment, int]] = {}
        self._surroundings = known.surroundings
        self._restrictions = known.restrictions
        self._source: Source | None = None
        self._limiter = known.limiter
        self._catalogue = known.catalogue
        self._begun = known.begun
        self._outcomes = known.outcomes
        self._listed = known.listed
        self._tasks = asyncio.TaskGroup()
        self._delivery: asyncio.Task[bool] | None = None

    async def __aenter__(self) -> "Ingestion":
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *failure: Any) -> None:
        await self._tasks.__aexit__(*failure)

    async def settle(self, batches: Sequence[Batch], owned: Ownership) -> bool:
        """Commit; then produce and move, which goes on after the return: `delivered` waits for it, and so does the
        next batch before it does the same. False when `stop` ended the attempts: what was not moved comes back at the
        next start.

        owned: the ownership all of these were fetched under. What was lost since is left to its new owner, even when
        that is ourselves again.
        """
        metrics.CONSUMER_BATCH_SIZE.labels(WORKER).observe(count(batches))
        moved = await self._overflowed(batches)
        output = None if moved is None else await self._committed(batches, owned, moved)
        if output is None or not await self.delivered():
            return False
        self._delivery = self._tasks.create_task(self._deliver(output, batches, owned))
        return True

    async def delivered(self) -> bool:
        """Nothing is on its way any more; false when `stop` ended the attempts."""
        return self._delivery is None or await self._delivery

    async def _deliver(self, output: Output, batches: Sequence[Batch], owned: Ownership) -> bool:
        if not await self._produced(output):
            return False
        for batch in batches:
            if not await self._moved(batch, owned):
                return False
        return True

    async def _overflowed(self, batches: Sequence[Batch]) -> AbstractSet[Place] | None:
        """The live events that a rule has moved to the overflow topic; None when stopped. They are there before we
        forget them, and once more after a crash: copies, which the writer drops. With a log too full for that they stay
        in this lane: whatever waits for room here would keep the log full."""
        if self._topic != EVENTS.name or not self._restrictions.may_overflow:
            return frozenset()
        records = [record for batch in batches for record in batch.records]
        moved = overflowing(parsed(records), self._restrictions.rules)
        async for attempt in until_settled(self._clock, self._loop.stop, on_retry=self._loop.retried):
            with attempt:
                try:
                    left = await taken(self._log, OVERFLOW.name, list(moved.values())) if moved else []
                except LogFull:
                    return frozenset()
                return {place for place, record in moved.items() if record not in left}
        return None

    async def _committed(self, batches: Sequence[Batch], owned: Ownership, moved: AbstractSet[Place]) -> Output | None:
        """Persons and positions are in PostgreSQL; returns the rows to produce, or None when stopped."""
        async for attempt in until_settled(self._clock, self._loop.stop, on_retry=self._loop.retried):
            with attempt, metrics.CONSUMER_STEP_SECONDS.labels(WORKER, "commit").time():
                ours = [batch for batch in batches if still_ours(self._consumer, batch, owned)]
                try:
                    return await self._decided(parsed([record for batch in ours for record in batch.records]), moved)
                except (Fenced, Conflict, OutcomeUnknown) as exc:
                    # Look before anything is done again: the position says whether this batch is committed, by us
                    # (the answer was lost) or by an owner that was here before us.
                    self._positions.clear()
                    raise Unavailable(f"Decided anew: {exc.detail}") from exc
        return None

    async def _decided(self, events: Events, moved: AbstractSet[Place]) -> Output:
        """Commit these events, in smaller pieces when PostgreSQL refuses a value: the one at fault goes alone."""
        try:
            return await self._commit(events, moved, refused=set())
        except PersonsRefused as exc:
            if len(events) == 1:
                log.warning("persons_refused", error=exc.detail)
                refused = {one.uuid for one in events if isinstance(one, Incoming)}
                return await self._commit(events, moved, refused=refused)
            middle = len(events) // 2
            first = await self._decided(events[:middle], moved)
            return first.joined(await self._decided(events[middle:], moved))

    async def _commit(self, events: Events, moved: AbstractSet[Place], *, refused: set[str]) -> Output:
        ends = _ends(events)
        positions = await self._stand(sorted(ends))
        teams = await self._teams.by_tokens(event.token for event in events if isinstance(event, Incoming))
        now = self._clock.now()
        kept = ruled(events, teams, self._restrictions.rules, moved)
        ready = prepared(kept.events, teams, await self._surroundings.of(kept.events, teams, positions, now))
        people, groups = await self._store.load(needs(ready.events, teams, positions))
        known = Known(teams, people, groups, self._catalogue, self._listed, self._merge_limit)
        decided = plan(ready.events, known, positions, refused, now)
        _join(decided, kept, ready)
        if decided.findings:
            await self._store.define(decided.findings)
        self._catalogue.remember(decided.findings)
        moves = _moves(ends, positions)
        if moves:
            crash_point("ingestion.before_commit")
            assert self._source is not None  # noqa: S101
            await self._store.commit(self._source, moves, decided.writes)
            crash_point("ingestion.after_commit")
            for partition, move in moves.items():
                if partition in self._positions:  # else the delivery before this one has just met a new owner
                    self._positions[partition] = (self._positions[partition][0], move.new)
        _count(decided)
        _note(decided, ready, self._outcomes)
        dead = [dead_letter(one.record, one.reason, one.step, now) for one in decided.dead]
        at = self._clock.monotonic()
        told = [warning_record(warned, now) for warned in decided.warned if self._limiter.passes(warned, at)]
        updates = {**decided.updates, HEATMAPS.name: ready.points, WARNINGS.name: told}
        return Output(decided.rows, dead, decided.first_of - self._begun, updates)

    async def _stand(self, partitions: Sequence[int]) -> dict[int, int]:
        """Committed positions; read from PostgreSQL once per ownership, and after every doubt."""
        assignments = self._consumer.assignments()
        first: dict[int, Assignment] = {}
        for partition in partitions:
            owned = assignments.get((self._topic, partition))
            if owned is None:
                raise Unavailable("A partition has just been taken from us.")
            if partition not in self._positions or self._positions[partition][0] is not owned:
                first[partition] = owned
        if first:
            # asked again each time: a topic that was made anew has another id, and positions of its own
            self._source = Source(await self._log.log_id(self._topic), self._topic, self._group)
            read = await self._store.positions(self._source, {p: owned.position for p, owned in first.items()})
            self._positions.update({partition: (first[partition], at) for partition, at in read.items()})
        return {partition: self._positions[partition][1] for partition in partitions}

    async def _produced(self, output: Output) -> bool:
        """Rows and dead letters are in the log. A full log, like a broken one, is waited out with the same batch."""
        async for attempt in until_settled(self._clock, self._loop.stop, on_retry=self._loop.retried):
            with attempt, metrics.CONSUMER_STEP_SECONDS.labels(WORKER, "produce").time():
                crash_point("ingestion.before_produce")
                if output.rows:
                    left_out = await taken(self._log, STORED_EVENTS.name, output.rows)
                    output.rows = ()
                    self._warn_of(left_out, output)
                for topic, records in output.updates.items():
                    if records:
                        await taken(self._log, topic, records)
                        output.updates[topic] = []
                if output.dead:
                    await taken(self._log, DEAD_LETTERS.name, output.dead)
                crash_point("ingestion.after_produce")
                if output.first_of:
                    await self._teams.mark_ingested(output.first_of)
                    self._begun |= output.first_of
                return True
        return False

    def _warn_of(self, left_out: Sequence[NewRecord], output: Output) -> None:
        if left_out:
            now = self._clock.now()
            told = [warning_record(warned, now) for warned in warned_of(left_out, self._outcomes)]
            output.updates[WARNINGS.name] = [*output.updates.get(WARNINGS.name, ()), *told]

    async def _moved(self, batch: Batch, owned: Ownership) -> bool:
        async for attempt in until_settled(self._clock, self._loop.stop, on_retry=self._loop.retried):
            with attempt:
                if not still_ours(self._consumer, batch, owned):
                    return True
                crash_point("ingestion.before_position")
                try:
                    await self._consumer.commit(batch.topic, batch.partition, batch.next_offset)
                except Fenced:
                    # the new owner emits these records again; copies, which the writer drops
                    log.warning("partition_lost", worker=WORKER, partition=batch.partition)
                    self._positions.pop(batch.partition, None)
                crash_point("ingestion.after_position")
                self._loop.pulse.beat()
                return True
        return False


def _ends(events: Events) -> dict[int, int]:
    """By partition, the offset behind the last of these events."""
    ends: dict[int, int] = {}
    for event in events:
        at = event if isinstance(event, Incoming) else event.record
        ends[at.partition] = at.offset + 1
    return ends


def _moves(ends: Mapping[int, int], positions: Mapping[int, int]) -> dict[int, Move]:
    """Where each partition stands once all up to these ends is committed; nothing for one that is there already."""
    return {partition: Move(positions[partition], end) for partition, end in ends.items() if end > positions[partition]}


def _join(decided: Plan, kept: Ruled, ready: Prepared) -> None:
    """What was said and dropped before the plan was made belongs to it."""
    for before in (kept, ready):
        decided.outcomes.update(before.outcomes)
        decided.dropped += before.dropped
    decided.warned += ready.warned
    decided.warnings.update(warned.type for warned in ready.warned)


def _count(decided: Plan) -> None:
    for (result, reason), number in decided.outcomes.items():
        metrics.CONSUMER_EVENTS.labels(WORKER, result, reason).inc(number)
    for kind, number in decided.warnings.items():
        metrics.INGESTION_WARNINGS.labels(kind).inc(number)


def _note(decided: Plan, ready: Prepared, outcomes: Outcomes) -> None:
    """For whoever asks where an event is. A token of no project has nobody who could ask."""
    for team_id, uuid, reason in decided.dropped:
        outcomes.count(team_owner(team_id), "dropped", reason, 1)
        outcomes.dropped(team_owner(team_id), uuid, reason)
    for team_id, events in ready.would_go.items():
        outcomes.count(team_owner(team_id), "would_drop", "event_filter", events)
    for rejected in decided.dead:
        if token := dict(rejected.record.headers).get("token"):
            outcomes.count(token, "dlq", rejected.reason, 1)
