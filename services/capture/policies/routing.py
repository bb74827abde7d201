"""The decision over the records of one request: which topic each goes to, or why it does not. No I/O, no clock."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from libs.kit.contracts.dead_letters import why
from libs.kit.contracts.topics import DEAD_LETTERS, EVENTS, HISTORICAL, OVERFLOW
from libs.kit.eventlog import NewRecord
from libs.kit.restrictions import Restriction, applying
from services.capture.policies import quotas

Result = Literal["accepted", "overflowed", "dropped", "dlq"]
Limit = Literal["quota", "token_rate", "person_rate", "overflow"]
LIMITS: tuple[Limit, ...] = ("quota", "token_rate", "person_rate", "overflow")

# These have a lane of their own, which an import does not leave.
_NEVER_HISTORICAL = frozenset({b"$exception", b"$$heatmap", b"$$client_ingestion_warning"})
_PERSONLESS = ("force_disable_person_processing", b"true")


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one event, and why. topic: None for one that is dropped."""

    result: Result
    reason: str
    topic: str | None = EVENTS.name
    personless: bool = False


_ACCEPTED = Fate("accepted", "")
_HISTORICAL = Fate("accepted", "historical", HISTORICAL.name)


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for one project now.

    limited: resources whose quota is used up. over_rate, over_burst: per key (of a record) the number of events at the
    end of this request that are above the limit of persons, and of the overflow.
    historical_before_ms: events older than that count as historical. overflow_keeps_key: do not spread.
    """

    restrictions: Sequence[Restriction] = ()
    limited: AbstractSet[str] = frozenset()
    over_rate: Mapping[bytes, int] = field(default_factory=dict)
    over_burst: Mapping[bytes, int] = field(default_factory=dict)
    historical_before_ms: int | None = None
    overflow_keeps_key: bool = False
    dry: AbstractSet[Limit] = frozenset()


@dataclass(slots=True)
class Routing:
    """Where the records of a request go.

    fates: by index, those of events that are not simply accepted. outcomes: how many events had each result and
    reason. limited: the resources to name when a quota left nothing. dry: what limits would have done.
    """

    topics: Mapping[str, Sequence[NewRecord]]
    fates: Mapping[int, Fate]
    outcomes: Mapping[tuple[str, str], int]
    dry: Mapping[Limit, int]
    limited: tuple[str, ...] = ()


def header(record: NewRecord, name: str) -> bytes:
    """A header of a record; empty when it has none."""
    return next((value for known, value in record.headers if known == name), b"")


def imported(records: Sequence[NewRecord], *, historical: bool) -> Routing | None:
    """The routing while nothing is configured: None, for as they are, unless the request is an import."""
    return route(records, Standing(), historical=True) if historical else None


def route(
    records: Sequence[NewRecord], standing: Standing, *, historical: bool, now: datetime | None = None
) -> Routing:
    """Each event's fate, in the order of spec A9: quota, token list, restrictions, rates, overflow."""
    topics: dict[str, list[NewRecord]] = {}
    fates: dict[int, Fate] = {}
    outcomes: Counter[tuple[str, str]] = Counter()
    dry: Counter[Limit] = Counter()
    left_of = Counter(record.key or b"" for record in records) if standing.over_rate or standing.over_burst else {}
    for index, record in enumerate(records):
        key = record.key or b""
        fate = _fate(record, standing, dry, left_of.get(key, 0), historical=historical)
        if left_of:
            left_of[key] -= 1
        outcomes[fate.result, fate.reason] += 1
        if fate is not _ACCEPTED:
            fates[index] = fate
        if fate.topic is not None:
            topics.setdefault(fate.topic, []).append(_as_routed(record, fate, standing, now))
    limited = () if topics else _named(fate.reason for fate in fates.values())
    return Routing(topics, fates, outcomes, dry, limited)


def _fate(record: NewRecord, standing: Standing, dry: Counter[Limit], left: int, *, historical: bool) -> Fate:
    """`left`: how many events of this key the request still has, this one with them."""
    headers = dict(record.headers)
    if standing.limited:
        resource = quotas.resource_of(headers["event"], record.value)
        if resource in standing.limited:
            if "quota" not in standing.dry:
                return Fate("dropped", f"quota_{resource}", None)
            dry["quota"] += 1
    chosen = applying(standing.restrictions, headers)
    if rule := chosen.get("drop"):
        return Fate("dropped", rule.reason, None)
    above = left and _over(standing.over_rate, record, left, "person_rate", standing, dry)
    personless = bool("personless" in chosen or above)
    if rule := chosen.get("dlq"):
        return Fate("dlq", rule.reason, DEAD_LETTERS.name, personless)
    if rule := chosen.get("topic"):
        return Fate("accepted", rule.reason, rule.topic, personless)
    if _is_historical(headers, standing, historical=historical):
        return Fate("accepted", "historical", HISTORICAL.name, personless) if personless else _HISTORICAL
    if rule := chosen.get("overflow"):
        return Fate("overflowed", rule.reason, OVERFLOW.name, personless)
    if left and _over(standing.over_burst, record, left, "overflow", standing, dry):
        return Fate("overflowed", "overflow_rate", OVERFLOW.name, personless)
    if not personless:
        return _ACCEPTED
    return Fate("accepted", "skip_person_processing" if "personless" in chosen else "person_rate", personless=True)


def _over(
    over: Mapping[bytes, int], record: NewRecord, left: int, limit: Limit, standing: Standing, dry: Counter[Limit]
) -> bool:
    if left > over.get(record.key or b"", 0):
        return False
    if limit in standing.dry:
        dry[limit] += 1
        return False
    return True


def _is_historical(headers: Mapping[str, bytes], standing: Standing, *, historical: bool) -> bool:
    if headers["event"] in _NEVER_HISTORICAL:
        return False
    return historical or (
        standing.historical_before_ms is not None and int(headers["timestamp"]) < standing.historical_before_ms
    )


def _as_routed(record: NewRecord, fate: Fate, standing: Standing, now: datetime | None) -> NewRecord:
    key, headers = record.key, record.headers
    if fate.topic == OVERFLOW.name and not standing.overflow_keeps_key:
        key = None
    if fate.personless:
        headers = (*headers, _PERSONLESS)
    if fate.result == "dlq" and now is not None:
        headers = (*headers, *why(fate.reason, "capture", EVENTS.name, now))
    return record if headers is record.headers and key is record.key else NewRecord(key, record.value, headers)


def _named(reasons: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({reason.removeprefix("quota_") for reason in reasons if reason.startswith("quota_")}))
