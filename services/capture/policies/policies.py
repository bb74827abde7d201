"""The policies of one capture process: rules as last loaded, counters, and the loop that keeps them fresh.

No request waits for the `state` server. While it is away events are kept: rules and quotas stay as they were for a
while and are then let go, and limits count this process alone.
Compiled when there is a compiler (policies.pxd): every request asks `route` and tells `settled`.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

from libs.kit import metrics
from libs.kit.clock import Clock
from libs.kit.errors import HedgerowError
from libs.kit.eventlog import NewRecord
from libs.kit.logging import get_logger
from libs.kit.outcomes import Outcomes
from libs.kit.restrictions import Restriction, Restrictions, listed, restrictions_in, together
from services.capture.policies import loading, quotas
from services.capture.policies.rates import Rate
from services.capture.policies.routing import (
    LIMITS,
    Limit,
    Routing,
    Standing,
    header,
    imported,
    route,
)
from services.capture.policies.warnings import CaptureWarnings
from services.capture.settings import CaptureSettings

log = get_logger(__name__)
PERSON_WINDOW_SECONDS = 60.0
TOKEN_WINDOW_SECONDS = 60.0


class TooFast(Exception):
    """The project sends more than its rate allows; nothing of the request is taken."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds now, by token. allowed: operators' monthly quotas; counted: their resources, per token."""

    restrictions: Restrictions = field(default_factory=dict)
    limited: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    allowed: Mapping[tuple[bytes, str], int] = field(default_factory=dict)
    counted: Mapping[bytes, frozenset[str]] = field(default_factory=dict)


class Policies:
    """`route` every request's records, produce what it says, then `settled`. `run` beside it."""

    def __init__(self, state: Redis, clock: Clock, settings: CaptureSettings):
        self._state = state
        self._clock = clock
        self._settings = settings
        self._outcomes = Outcomes(state, clock, "capture")
        self._tally = self._outcomes.tally
        self.warnings = CaptureWarnings(clock)
        overflow_seconds = settings.overflow_burst / settings.overflow_per_second if settings.overflow_enabled else 1.0
        self._person_rate = Rate("person", settings.person_events_per_minute, PERSON_WINDOW_SECONDS)
        self._token_rate = Rate("token", settings.token_events_per_minute, TOKEN_WINDOW_SECONDS)
        self._overflow = Rate("overflow", settings.overflow_burst if settings.overflow_enabled else 0, overflow_seconds)
        self._rates = [rate for rate in (self._person_rate, self._token_rate, self._overflow) if rate.limit]
        self._dry: frozenset[Limit] = frozenset(
            limit for limit in LIMITS if limit in settings.dry_run_limits.split(",")
        )
        self._listed = together(
            listed(settings.drop_events_by_token_distinct_id, "drop", "token_dropper"),
            listed(settings.force_overflow_by_token_distinct_id, "overflow", "overflow_forced"),
            listed(settings.force_overflow_by_token_distinct_id, "personless", "overflow_forced"),
        )
        self._texts: Mapping[str, bytes] = {}
        self._used: Counter[tuple[bytes, str]] = Counter()
        self._loaded_at = float("-inf")
        self._become(Rules(self._listed))

    def route(self, records: Sequence[NewRecord], owner: str, historical: bool) -> Routing | None:
        """Where the records of one request, at least one, go; None: all to the live topic, as they are. Raises TooFast
        when none may. `historical`: the request says that it is an import."""
        if self._idle:
            return imported(records, historical=True) if historical else None
        token, rules = owner.encode(), self._rules
        concerned, days = token in self._concerned, self._settings.historical_after_days
        if not (concerned or days or self._rates):
            return imported(records, historical=historical)
        now = self._clock.now()
        at = now.timestamp()
        over_rate, over_burst = self._above_rates(token, records, at) if self._rates else ({}, {})
        if not (concerned or days or over_rate or over_burst):
            return imported(records, historical=historical)
        standing = Standing(
            restrictions=rules.restrictions.get(token, ()),
            limited=rules.limited.get(token, frozenset()),
            over_rate=over_rate,
            over_burst=over_burst,
            historical_before_ms=int((at - days * 86_400) * 1000) if days else None,
            overflow_keeps_key=self._settings.overflow_keeps_key,
            dry=self._dry,
        )
        routing = route(records, standing, historical=historical, now=now)
        for limit, events in routing.dry.items():
            metrics.CAPTURE_DRY_RUN.labels(limit).inc(events)
        if counted := rules.counted.get(token):
            self._count_use(token, counted, records, routing)
        return routing

    def settled(self, records: Sequence[NewRecord], routing: Routing | None, token: str) -> None:
        """The log has them: count what became of each, and remember those that went no further."""
        if routing is None:
            self._tally.add(token, "accepted", "", len(records))
            return
        for (result, reason), events in routing.outcomes.items():
            self._tally.add(token, result, reason, events)
        for index, fate in routing.fates.items():
            if fate.topic is None:
                self._outcomes.dropped(token, header(records[index], "uuid"), fate.reason)

    def noted(self, result: str, reason: str, events: int, token: str) -> None:
        """Count for a project events that did not come as far as `route`, or that the log did not take. `token` is
        empty when nobody knows whose they are."""
        if not token:
            return
        self.warnings.note(token, reason, events)
        if events:
            self._tally.add(token, result, reason, events)

    async def run(self, stop: asyncio.Event) -> None:
        """Exchange counters every second, load rules every few, until `stop`."""
        while not stop.is_set():
            await self.refresh()
            waiting = asyncio.ensure_future(stop.wait())
            await asyncio.wait({waiting}, timeout=self._settings.policy_exchange_seconds)
            waiting.cancel()
        await self.refresh()

    async def refresh(self) -> None:
        """One turn of `run`. An outage is counted and survived."""
        try:
            if self._clock.monotonic() - self._loaded_at >= self._settings.policy_reload_seconds:
                await self._reload()
            await loading.exchange(self._state, self._rates, self._clock.now().timestamp())
            used, self._used = self._used, Counter()
            try:
                await loading.account(self._state, used, self._rules.allowed, self._clock.now())
            except HedgerowError:
                self._used.update(used)
                raise
            await self._outcomes.tell()
        except HedgerowError as exc:
            metrics.CAPTURE_POLICY_FAILURES.labels("unavailable").inc()
            log.warning("policies_not_refreshed", error=exc.detail)
            if self._clock.monotonic() - self._loaded_at > self._settings.policy_expiry_seconds:
                self._texts = {}
                self._become(Rules(self._listed))

    async def _reload(self) -> None:
        loaded = await loading.load(self._state, self._clock.now())
        self._loaded_at = self._clock.monotonic()
        restrictions = self._rules.restrictions
        if loaded.texts != self._texts:
            self._texts = loaded.texts
            restrictions = together(self._listed, *(_understood(name, text) for name, text in loaded.texts.items()))
        self._become(Rules(restrictions, loaded.limited, loaded.allowed, loading.resources(loaded.allowed)))

    def _become(self, rules: Rules) -> None:
        self._rules = rules
        self._concerned = frozenset((*rules.restrictions, *rules.limited, *rules.counted))
        self._idle = not (self._concerned or self._rates or self._settings.historical_after_days)

    def _above_rates(
        self, token: bytes, records: Sequence[NewRecord], now: float
    ) -> tuple[Mapping[bytes, int], Mapping[bytes, int]]:
        """Per key, how many events are above the limit of persons, and above the overflow's. Raises TooFast."""
        self._check_token_rate(token, len(records), now)
        counts: dict[bytes, int] = {}
        for record in records:
            key = record.key or b""
            counts[key] = counts.get(key, 0) + 1
        return _over(self._person_rate, counts, now), _over(self._overflow, counts, now)

    def _check_token_rate(self, token: bytes, events: int, now: float) -> None:
        rate = self._token_rate
        if not rate.limit or rate.admit(token, events, now):
            return
        if "token_rate" in self._dry:
            metrics.CAPTURE_DRY_RUN.labels("token_rate").inc(events)
            return
        raise TooFast

    def _count_use(self, token: bytes, counted: frozenset[str], records: Sequence[NewRecord], routing: Routing) -> None:
        for index, record in enumerate(records):
            fate = routing.fates.get(index)
            event = header(record, "event")
            if (fate is None or fate.topic is not None) and quotas.counts(event):
                resource = quotas.resource_of(event, record.value)
                if resource in counted:
                    self._used[token, resource] += 1


def _over(rate: Rate, counts: Mapping[bytes, int], now: float) -> Mapping[bytes, int]:
    """Per key, how many of the request's events are above the limit; only keys that have some."""
    if not rate.limit:
        return {}
    return {key: over for key, events in counts.items() if (over := events - rate.admit(key, events, now))}


def _understood(name: str, text: bytes) -> dict[bytes, list[Restriction]]:
    found, wrong = restrictions_in(name, text)
    for why in wrong:
        metrics.CAPTURE_POLICY_FAILURES.labels("bad_rule").inc()
        log.warning("restriction_not_understood", error=why[:300])
    return found
