"""What must be remembered of visitors without cookies, in the state store: salts, who signed in, sessions.

Each number follows from when a record came into the log, so that one that is read again gives the same visitor. Four
round trips a batch at most, and none without such events.
"""

import base64
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.kit.errors import Unavailable
from libs.kit.eventlog import Record
from libs.kit.teams import Team
from services.cdp.ingestion import cookieless
from services.cdp.ingestion.cookieless import STATEFUL, Identity, Place, Refused, Visit, place_of
from services.cdp.ingestion.parse import Incoming

_SESSION_SECONDS = 24 * 3600
_SIGNED_IN_SECONDS = 5 * 24 * 3600
_OF_ONE_MILLISECOND = 1024


@dataclass(frozen=True, slots=True)
class _Seen:
    event: Incoming
    visit: Visit
    salt: bytes
    device: bytes
    stateful: bool


class CookielessState:
    """Gives the cookieless events of a batch their identities."""

    def __init__(self, state: Redis):
        self._state = state
        self._salts: dict[date, bytes] = {}

    async def identities(
        self, events: Iterable[Incoming], teams: Mapping[str, Team], now: datetime
    ) -> dict[Place, Identity | Refused]:
        """By the place of the record. Raises Unavailable when the store is away: no event is given up."""
        answers: dict[Place, Identity | Refused] = {}
        visits: list[tuple[Incoming, Visit, bool]] = []
        for event in events:
            team = teams.get(event.token)
            if team is None or not cookieless.is_cookieless(event.properties):
                continue
            visit = cookieless.visit_of(event, team, now)
            if isinstance(visit, Refused):
                answers[place_of(event.record)] = visit
            else:
                visits.append((event, visit, team.cookieless_server_hash_mode == STATEFUL))
        if not visits:
            return answers
        try:
            salts = await self._salts_of({visit.day for _, visit, _ in visits}, now)
            seen = [
                _Seen(event, visit, salts[visit.day], cookieless.digest(visit, salts[visit.day]), stateful)
                for event, visit, stateful in visits
            ]
            answers.update(_stateless(one) for one in seen if not one.stateful)
            answers.update(await self._stateful([one for one in seen if one.stateful]))
        except RedisError as exc:
            raise Unavailable(f"The state store does not answer: {exc}") from exc
        return answers

    async def _salts_of(self, days: Iterable[date], now: datetime) -> dict[date, bytes]:
        """Of each day one, made by whoever asks first, thrown away once no event of the day is taken any more."""
        self._salts = {day: salt for day, salt in self._salts.items() if cookieless.salt_until(day) > now}
        missing = sorted(set(days) - self._salts.keys())
        if missing:
            async with self._state.pipeline(transaction=False) as asked:
                for day in missing:
                    seconds = math.ceil((cookieless.salt_until(day) - now).total_seconds())
                    asked.set(_salt_key(day), base64.b64encode(secrets.token_bytes(16)), nx=True, ex=max(1, seconds))
                    asked.get(_salt_key(day))
                found = (await asked.execute())[1::2]
            if any(one is None for one in found):
                raise Unavailable("A salt was gone as soon as it was made.")
            self._salts |= {day: base64.b64decode(one) for day, one in zip(missing, found, strict=True)}
        return self._salts

    async def _stateful(self, seen: Sequence[_Seen]) -> dict[Place, Identity]:
        if not seen:
            return {}
        numbers = await self._numbers(seen)
        visitors = [cookieless.digest(one.visit, one.salt, number) for one, number in zip(seen, numbers, strict=True)]
        keys = [cookieless.session_key(one.visit.team_id, hashed) for one, hashed in zip(seen, visitors, strict=True)]
        stored = dict(zip(keys, await self._state.mget(keys), strict=True))
        sessions = {key: cookieless.decoded_session(raw) for key, raw in stored.items() if raw and len(raw) == 24}
        answers: dict[Place, Identity] = {}
        for one, hashed, key in zip(seen, visitors, keys, strict=True):
            sessions[key] = _session(sessions.get(key), one)
            answers[place_of(one.event.record)] = Identity(hashed, one.device, sessions[key][0])
        async with self._state.pipeline(transaction=False) as written:
            for key, (session, last) in sessions.items():
                written.set(key, cookieless.encoded_session(session, last), ex=_SESSION_SECONDS)
            await written.execute()
        return answers

    async def _numbers(self, seen: Sequence[_Seen]) -> list[int]:
        """How many had signed in on its device before each event; of one who is signed in: before that."""
        async with self._state.pipeline(transaction=False) as asked:
            for one in seen:
                if one.event.event == "$identify":
                    key = cookieless.set_key(one.visit.team_id, one.device)
                    asked.zadd(key, {one.event.uuid: _order(one.event.record)}, nx=True)
                    asked.expire(key, _SIGNED_IN_SECONDS)
            writes = len(asked)
            for one in seen:
                key = cookieless.set_key(one.visit.team_id, one.device)
                asked.zcount(key, "-inf", f"({_order(one.event.record)}")
            counts = (await asked.execute())[writes:]
        return [max(0, count - _signed_in(one.event)) for one, count in zip(seen, counts, strict=True)]


def _signed_in(event: Incoming) -> bool:
    return event.event != "$identify" and event.distinct_id != cookieless.SENTINEL


def _stateless(one: _Seen) -> tuple[Place, Identity]:
    return place_of(one.event.record), Identity(
        one.device, one.device, cookieless.stateless_session(one.visit, one.device)
    )


def _session(known: tuple[UUID, int] | None, one: _Seen) -> tuple[UUID, int]:
    at = int(one.visit.happened.timestamp() * 1000)
    idle = cookieless.SESSION_IDLE.total_seconds() * 1000
    if known is not None and at - known[1] <= idle:
        return known[0], max(at, known[1])
    # of the event's own uuid, so that a second reading makes the same session
    return cookieless.uuid7(one.visit.happened, bytes.fromhex(one.event.uuid.replace("-", ""))[6:]), at


def _order(record: Record) -> int:
    """When it came into the log, and where among those of one millisecond. A score is exact up to 2**53."""
    return record.timestamp_ms * _OF_ONE_MILLISECOND + record.offset % _OF_ONE_MILLISECOND


def _salt_key(day: date) -> str:
    return f"cookieless_salt:{day.isoformat()}"
