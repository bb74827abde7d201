"""An operator's restrictions on events that are in the log already: a rule also holds for what capture took before it.

The rules are capture's (libs/kit/restrictions.py). They are about the moment at which an event is decided: one that is
decided again after a crash, under rules that changed in between, goes the way of the new ones.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from redis.asyncio import Redis

from libs.kit.access.sessions import translated
from libs.kit.clock import Clock
from libs.kit.contracts.arrival import with_arrival
from libs.kit.errors import Unavailable
from libs.kit.eventlog import NewRecord
from libs.kit.logging import get_logger
from libs.kit.restrictions import KEY_PREFIX, KINDS, Kind, Restriction, applying, listed, restrictions_in, together
from libs.kit.teams import Team
from services.cdp.ingestion.parse import Incoming, Rejected, changed
from services.cdp.raw_json import encode
from services.cdp.settings import IngestionSettings

STEP = "restrictions"
log = get_logger(__name__)
#: By token.
Rules = Mapping[str, Sequence[Restriction]]
#: Partition and offset.
Place = tuple[int, int]


@dataclass(slots=True)
class Ruled:
    """A batch under the rules. events: those that go on, and dead letters. dropped: team, uuid and reason of each event
    that goes no further."""

    events: Sequence[Incoming | Rejected]
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: list[tuple[int, str, str]] = field(default_factory=list)


def overflowing(events: Iterable[Incoming | Rejected], rules: Rules) -> dict[Place, NewRecord]:
    """What is to be moved to the overflow topic, by its place. Where no person waits for events in their order, every
    partition may have some."""
    found = {}
    for event in events:
        if not isinstance(event, Incoming) or not (ours := rules.get(event.token)):
            continue
        chosen = applying(ours, _headers(event))
        if "overflow" in chosen and not chosen.keys() & {"drop", "dlq"}:
            record = event.record
            headers = with_arrival(record.headers, record.timestamp_ms)
            key = None if "personless" in chosen else record.key
            found[record.partition, record.offset] = NewRecord(key, record.value, headers)
    return found


def ruled(
    events: Sequence[Incoming | Rejected], teams: Mapping[str, Team], rules: Rules, moved: AbstractSet[Place]
) -> Ruled:
    """Apply the rules to the events of known teams, in PostHog's order: drop, dead letter, overflow, no person.

    moved: what is in the overflow topic already.
    """
    if not rules and not moved:
        return Ruled(events)
    done = Ruled(going_on := [])
    for event in events:
        team = teams.get(event.token) if isinstance(event, Incoming) else None
        if (event.record.partition, event.record.offset) in moved:
            done.outcomes["overflowed", "overflow_restriction"] += 1
        elif team is None or not isinstance(event, Incoming) or not (ours := rules.get(event.token)):
            going_on.append(event)
        else:
            _apply(applying(ours, _headers(event)), event, team, done, going_on)
    return done


def _apply(
    found: Mapping[Kind, Restriction], event: Incoming, team: Team, done: Ruled, going_on: list[Incoming | Rejected]
) -> None:
    if rule := found.get("drop"):
        done.outcomes["dropped", rule.reason] += 1
        done.dropped.append((team.id, event.uuid, rule.reason))
    elif rule := found.get("dlq"):
        going_on.append(Rejected(event.record, rule.reason, STEP))
    else:
        going_on.append(_without_person(event) if "personless" in found else event)


class RestrictionsInForce:
    """The rules as last loaded. While the state server is away they stay for a while, and are then let go: events are
    kept rather than lost."""

    def __init__(self, state: Redis, clock: Clock, settings: IngestionSettings):
        self._state = state
        self._clock = clock
        self._reload_seconds = settings.restrictions_reload_seconds
        self._expiry_seconds = settings.restrictions_expiry_seconds
        self._listed = together(
            listed(settings.drop_events_by_token_distinct_id, "drop", "token_dropper"),
            listed(settings.force_overflow_by_token_distinct_id, "overflow", "overflow_forced"),
            listed(settings.skip_persons_by_token_distinct_id, "personless", "skip_person_processing"),
        )
        self._texts: Mapping[str, bytes] = {}
        self._loaded_at = clock.monotonic()
        self.rules: Rules = {}
        self.may_overflow = False
        self._become({})

    async def run(self, stop: asyncio.Event) -> None:
        """Load the rules every few seconds until `stop`. An outage is survived."""
        while not stop.is_set():
            waiting = asyncio.ensure_future(stop.wait())
            await asyncio.wait({waiting}, timeout=self._reload_seconds)
            waiting.cancel()
            await self.refresh()

    async def refresh(self) -> None:
        """One turn of `run`."""
        names = list(KINDS)
        try:
            async with translated():
                found = await self._state.mget([KEY_PREFIX + name for name in names])
        except Unavailable as exc:
            log.warning("restrictions_not_refreshed", error=exc.detail)
            if self._clock.monotonic() - self._loaded_at > self._expiry_seconds:
                self._become({})
            return
        self._loaded_at = self._clock.monotonic()
        self._become({name: text for name, text in zip(names, found, strict=True) if text})

    def _become(self, texts: Mapping[str, bytes]) -> None:
        if texts == self._texts and self.rules:
            return
        self._texts = texts
        rules = together(self._listed, *(_understood(name, text) for name, text in texts.items()))
        self.may_overflow = any(rule.kind == "overflow" for of_token in rules.values() for rule in of_token)
        self.rules = {token.decode(errors="replace"): of_token for token, of_token in rules.items()}


def _understood(name: str, text: bytes) -> dict[bytes, list[Restriction]]:
    found, wrong = restrictions_in(name, text)
    for why in wrong:
        log.warning("restriction_not_understood", error=why[:300])
    return found


def _headers(event: Incoming) -> Mapping[str, bytes]:
    """What rules look at. The record's headers say the same of all but the session, where capture wrote them."""
    session = next((value for name, value in event.record.headers if name == "session_id"), b"")
    names = {"event": event.event, "distinct_id": event.distinct_id, "uuid": event.uuid}
    return {**{name: value.encode() for name, value in names.items()}, "session_id": session}


def _without_person(event: Incoming) -> Incoming:
    properties = event.properties.copy()
    properties["$process_person_profile"] = encode(False)
    return changed(event, distinct_id=event.distinct_id, properties=properties, ip=event.ip)
