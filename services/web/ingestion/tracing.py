"""Following one event: the places it may be at, looked at from where it comes in to where it ends.

In that order, so that an event that moves on meanwhile is met further down; ClickHouse is asked first, since most
events that are asked for are there, and once more at the end. Nothing is written for this while events come in: what is
read is what is there anyway. A place that cannot be looked at is named, and the others still are.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from redis.asyncio import Redis

from libs.kit.access.model import Team
from libs.kit.clock import Clock
from libs.kit.contracts.events import StoredEvent
from libs.kit.contracts.topics import CAPTURED, DEAD_LETTERS, STORED_EVENTS
from libs.kit.errors import HedgerowError, RateLimited
from libs.kit.eventlog import EventLog, Record
from libs.kit.eventlog.base import Topic
from libs.kit.outcomes import counts_of, drops_of, team_owner
from services.web.answers import iso
from services.web.ingestion.repository import TraceRepository
from services.web.ingestion.scanning import Scan, scan
from services.web.ingestion.story import Look, Sighting, Story, on_the_way

_stored = msgspec.json.Decoder(StoredEvent).decode


@dataclass(frozen=True, slots=True)
class Bounds:
    """last: records of each partition that are looked at. seconds: for one place. at_once: traces under way."""

    last: int
    seconds: float
    at_once: int


class Tracing:
    """The use cases of ingestion/."""

    def __init__(self, repository: TraceRepository, log: EventLog, state: Redis, clock: Clock, bounds: Bounds):
        self._repository = repository
        self._log = log
        self._state = state
        self._clock = clock
        self._bounds = bounds
        self._turns = asyncio.Semaphore(bounds.at_once)

    async def trace(self, team: Team, uuid: str) -> Story:
        """What can be seen of the team's event. Raises RateLimited while too many others are being followed."""
        async with self._turn():
            story = Story(uuid)
            await self._look_stored(story, team)
            if not story.written:
                await self._look_dropped(story, team)
                await asyncio.gather(*(self._look_captured(story, team, topic) for topic in CAPTURED))
                await asyncio.gather(self._look_processed(story, team), self._look_dead(story, team))
                await self._look_warnings(story, team)
                story.looks = [look for look in story.looks if look.place != "clickhouse.events"]
                await self._look_stored(story, team)
            return story

    async def outcomes(self, team: Team, hours: int) -> list[dict[str, Any]]:
        """What became of the team's events in each hour, newest first."""
        counts = await counts_of(self._state, _owners(team), self._clock.now(), hours)
        return [
            {"hour": iso(hour), "step": step, "result": result, "reason": reason, "events": events}
            for hour, step, result, reason, events in counts
        ]

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._bounds.seconds):
                await self._turns.acquire()
        except TimeoutError as exc:
            raise RateLimited("Too many events are being looked for.", retry_after=self._bounds.seconds) from exc
        try:
            yield
        finally:
            self._turns.release()

    async def _look_stored(self, story: Story, team: Team) -> None:
        async with _noted(story, "clickhouse.events") as look:
            seen = await self._repository.stored(team.id, story.uuid, seconds=self._bounds.seconds)
            story.sightings += seen
            look.append(Look("clickhouse.events"))

    async def _look_warnings(self, story: Story, team: Team) -> None:
        async with _noted(story, "clickhouse.ingestion_warnings") as look:
            for kind, drop in await self._repository.warnings(team.id, story.uuid, seconds=self._bounds.seconds):
                story.warnings.append(kind)
                if drop and not any(seen.stage == "dropped" and seen.reason == kind for seen in story.sightings):
                    story.sightings.append(drop)
            look.append(Look("clickhouse.ingestion_warnings"))

    async def _look_dropped(self, story: Story, team: Team) -> None:
        async with _noted(story, "state.dropped") as look:
            for drop in await drops_of(self._state, _owners(team), story.uuid):
                story.sightings.append(Sighting("dropped", iso(drop.at), None, drop.step, drop.reason))
            look.append(Look("state.dropped"))

    async def _look_captured(self, story: Story, team: Team, topic: Topic) -> None:
        uuid, token = story.uuid.encode(), team.api_token.encode()

        def matches(record: Record) -> bool:
            headers = dict(record.headers)
            return headers.get("uuid") == uuid and headers.get("token") == token

        async with _noted(story, topic.name) as look:
            result = await self._scan(topic, matches)
            if result.found:
                log_id = await self._log.log_id(topic.name)
                positions = await self._repository.positions(log_id, topic.name, topic.groups[0])
                story.sightings += on_the_way(_seen(result.found, "accepted"), positions.get(result.found.partition))
            look.append(_look(topic, result))

    async def _look_processed(self, story: Story, team: Team) -> None:
        uuid = story.uuid.encode()

        async with _noted(story, STORED_EVENTS.name) as look:
            result = await self._scan(STORED_EVENTS, lambda record: record.key == uuid and _is_of(record, team))
            if result.found:
                story.sightings.append(_seen(result.found, "processed"))
            look.append(_look(STORED_EVENTS, result))

    async def _look_dead(self, story: Story, team: Team) -> None:
        uuid, token = story.uuid.encode(), team.api_token.encode()

        def matches(record: Record) -> bool:
            headers = dict(record.headers)
            if headers.get("uuid") == uuid:  # as captured; what came further has its uuid for a key
                return headers.get("token") == token
            return record.key == uuid and _is_of(record, team)

        async with _noted(story, DEAD_LETTERS.name) as look:
            result = await self._scan(DEAD_LETTERS, matches)
            if result.found:
                headers = dict(result.found.headers)
                step, reason = (headers.get(f"dlq_{name}", b"").decode() for name in ("step", "reason"))
                story.sightings.append(_seen(result.found, "dead_letter", step, reason))
            look.append(_look(DEAD_LETTERS, result))

    async def _scan(self, topic: Topic, matches: Any) -> Scan:
        bounds = self._bounds
        return await scan(self._log, topic.name, matches, last=bounds.last, clock=self._clock, seconds=bounds.seconds)


@asynccontextmanager
async def _noted(story: Story, place: str) -> AsyncIterator[list[Look]]:
    """Note that a place was looked at, or why it could not be."""
    looks: list[Look] = []
    try:
        yield looks
    except HedgerowError as exc:
        looks = [Look(place, error=exc.code)]
    story.looks += looks


def _owners(team: Team) -> Sequence[str]:
    return team.api_token, team_owner(team.id)


def _seen(record: Record, stage: Any, step: str | None = None, reason: str | None = None) -> Sighting:
    at = iso(datetime.fromtimestamp(record.timestamp_ms / 1000, UTC))
    return Sighting(stage, at, (record.topic, record.partition, record.offset), step, reason)


def _look(topic: Topic, result: Scan) -> Look:
    return Look(topic.name, result.records, result.reached_end)


def _is_of(record: Record, team: Team) -> bool:
    try:
        return _stored(record.value).team_id == team.id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
