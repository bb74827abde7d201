"""What became of events, per project: counts by the hour, and the newest events that were dropped.

In the `state` server, for whoever asks "where is my event". Nothing is written per event: counts are added up in
memory and told once a second, and only drops are named. All of it is bounded, and may be lost: it explains, it decides
nothing.

An owner is a project API key, or `team:<id>` where a stage knows the project.

    outcomes:<YYYY-MM-DDTHH>  hash  owner|step|result|reason -> events; 48 hours; owner `*` for what finds no room
    dropped:<owner>           zset  uuid|step|reason, by epoch seconds; the newest 1,000, 24 hours
    dropped                   zset  owner by epoch seconds: the 500 owners that dropped last keep theirs
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from redis.asyncio import Redis

from libs.kit.access.sessions import translated
from libs.kit.clock import Clock
from libs.kit.errors import Unavailable
from libs.kit.logging import get_logger
from libs.kit.tally import OTHERS, Tally

log = get_logger(__name__)

COUNT_HOURS = 48
DROP_SECONDS = 24 * 3600
DROPS_PER_OWNER = 1_000
OWNERS_WITH_DROPS = 500
FIELDS_PER_HOUR = 5_000
_WAITING_COUNTS = 5_000
_WAITING_DROPS = 10_000

# KEYS: the hour. ARGV: most fields, seconds to keep; then for each count its field, the field that takes it when there
# is no room, and the events.
_ADD = """
local most = tonumber(ARGV[1])
local size = redis.call('HLEN', KEYS[1])
for i = 3, #ARGV, 3 do
  local field = ARGV[i]
  if redis.call('HEXISTS', KEYS[1], field) == 0 then
    if size >= most then field = ARGV[i + 1] else size = size + 1 end
  end
  redis.call('HINCRBY', KEYS[1], field, ARGV[i + 2])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return size
"""


@dataclass(frozen=True, slots=True)
class Drop:
    """A dropped event as it is remembered."""

    step: str
    reason: str
    at: datetime


def team_owner(team_id: int) -> str:
    """The owner's name for a stage that knows the project."""
    return f"team:{team_id}"


class Outcomes:
    """Notes at once, in memory; `tell` brings it to the server. `step` names the stage that notes. `tally` has
    the counts."""

    def __init__(self, state: Redis, clock: Clock, step: str):
        self._state = state
        self._clock = clock
        self._step = step
        self._add = state.register_script(_ADD)
        self.tally = Tally(_WAITING_COUNTS)
        self._drops: deque[tuple[bytes | str, bytes | str, str, float]] = deque(maxlen=_WAITING_DROPS)

    def count(self, owner: bytes | str, result: str, reason: str, events: int) -> None:
        """Add to the owner's count of this hour."""
        self.tally.add(_text(owner), result, reason, events)

    def dropped(self, owner: bytes | str, uuid: bytes | str, reason: str) -> None:
        """Remember an event that goes no further. It is not counted by this."""
        self._drops.append((owner, uuid, reason, self._clock.now().timestamp()))

    async def tell(self) -> None:
        """Bring what was noted to the server. Raises Unavailable; counts are then told next time, drops forgotten."""
        counts = self.tally.taken()
        drops = list(self._drops)
        self._drops.clear()
        try:
            if counts:
                await self._tell_counts(counts)
                counts = {}
            if drops:
                await self._tell_drops(drops)
        except Unavailable:
            for name, events in counts.items():
                self.tally.add(*name, events)
            raise

    async def run(self, stop: asyncio.Event, seconds: float = 1.0) -> None:
        """`tell` every so many seconds until `stop`, and once more. An outage is survived."""
        while True:
            ending = stop.is_set()
            try:
                await self.tell()
            except Unavailable as exc:
                log.warning("outcomes_not_told", error=exc.detail)
            if ending:
                return
            waiting = asyncio.ensure_future(stop.wait())
            await asyncio.wait({waiting}, timeout=seconds)
            waiting.cancel()

    async def _tell_counts(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        values: list[str | int] = [FIELDS_PER_HOUR, COUNT_HOURS * 3600]
        for (owner, result, reason), events in counts.items():
            rest = f"|{self._step}|{result}|{reason}"
            values += (owner + rest, OTHERS + rest, events)
        async with translated():
            await self._add(keys=[_hour_key(self._clock.now())], args=values)

    async def _tell_drops(self, drops: Iterable[tuple[bytes | str, bytes | str, str, float]]) -> None:
        by_owner: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for owner, uuid, reason, at in drops:
            by_owner[_text(owner)][f"{_text(uuid)}|{self._step}|{reason}"] = at
        async with translated(), self._state.pipeline(transaction=False) as pipeline:
            for owner, members in by_owner.items():
                key = _drop_key(owner)
                pipeline.zadd(key, members)
                pipeline.zremrangebyrank(key, 0, -DROPS_PER_OWNER - 1)
                pipeline.expire(key, DROP_SECONDS)
            pipeline.zadd("dropped", {owner: max(members.values()) for owner, members in by_owner.items()})
            pipeline.expire("dropped", DROP_SECONDS)
            pipeline.zrange("dropped", 0, -OWNERS_WITH_DROPS - 1)
            *_, surplus = await pipeline.execute()
            if surplus:
                await self._state.delete(*(_drop_key(_text(owner)) for owner in surplus))
                await self._state.zrem("dropped", *surplus)


async def drops_of(state: Redis, owners: Iterable[str], uuid: str) -> list[Drop]:
    """What is remembered of one event, oldest first. Raises Unavailable."""
    found: list[Drop] = []
    for owner in owners:
        async with translated():
            members = await state.zrange(_drop_key(owner), 0, -1, withscores=True)
        for member, at in members:
            name, step, reason = member.decode().split("|", 2)
            if name == uuid:
                found.append(Drop(step, reason, datetime.fromtimestamp(at, UTC)))
    return sorted(found, key=lambda drop: drop.at)


async def counts_of(
    state: Redis, owners: Iterable[str], now: datetime, hours: int
) -> list[tuple[datetime, str, str, str, int]]:
    """Per hour that is kept, newest first: step, result, reason, events. Raises Unavailable."""
    wanted = set(owners)
    found: list[tuple[datetime, str, str, str, int]] = []
    for back in range(min(hours, COUNT_HOURS)):
        hour = (now - timedelta(hours=back)).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        async with translated():
            fields = await cast(Awaitable[dict[bytes, bytes]], state.hgetall(_hour_key(hour)))
        sums: Counter[tuple[str, str, str]] = Counter()
        for field, events in fields.items():
            owner, step, result, reason = field.decode().rsplit("|", 3)
            if owner in wanted:
                sums[step, result, reason] += int(events)
        found += [(hour, *name, events) for name, events in sorted(sums.items())]
    return found


def _hour_key(moment: datetime) -> str:
    return f"outcomes:{moment.astimezone(UTC):%Y-%m-%dT%H}"


def _drop_key(owner: str) -> str:
    return f"dropped:{owner}"


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
