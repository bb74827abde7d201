"""What capture's policies read from the `state` server, and tell it. Every call raises Unavailable while it is away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from redis.asyncio import Redis

from libs.kit import restrictions
from libs.kit.access.sessions import translated
from services.capture.policies import quotas
from services.capture.policies.rates import Rate

# Operators' own monthly quotas: hash token -> events. What is used of them: hash token -> events.
QUOTA_KEY = "hedgerow/quotas/"
USED_KEY = "hedgerow/quota-used/"
RATE_KEY = "hedgerow/rates/"
_MOST_TOKENS = 100_000
_USED_SECONDS = 70 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Loaded:
    """As it stood on the server. texts: restrictions by PostHog's type. limited: token -> resources whose quota is used
    up. allowed: (token, resource) -> events a month."""

    texts: Mapping[str, bytes]
    limited: Mapping[bytes, frozenset[str]]
    allowed: Mapping[tuple[bytes, str], int]


async def load(state: Redis, now: datetime) -> Loaded:
    """Everything, in one round trip."""
    sets = [(resource, name) for resource, names in quotas.SETS.items() for name in names]
    async with translated(), state.pipeline(transaction=False) as pipeline:
        for name in restrictions.KINDS:
            pipeline.get(restrictions.KEY_PREFIX + name)
        for _, name in sets:
            pipeline.zrangebyscore(quotas.KEY_PREFIX + name, f"({now.timestamp():.0f}", "+inf", 0, _MOST_TOKENS)
        for resource in quotas.SETS:
            pipeline.hgetall(QUOTA_KEY + resource)
        answers = await pipeline.execute()
    texts = dict(zip(restrictions.KINDS, answers, strict=False))
    rest = answers[len(restrictions.KINDS) :]
    limited: dict[bytes, set[str]] = {}
    for (resource, _), tokens in zip(sets, rest, strict=False):
        for token in tokens:
            limited.setdefault(token, set()).add(resource)
    allowed: dict[tuple[bytes, str], int] = {}
    for resource, found in zip(quotas.SETS, rest[len(sets) :], strict=True):
        allowed |= {(token, resource): int(events) for token, events in found.items() if events.isdigit()}
    return Loaded(
        {name: text for name, text in texts.items() if text},
        {token: frozenset(resources) for token, resources in limited.items()},
        allowed,
    )


async def exchange(state: Redis, rates: Sequence[Rate], now: float) -> None:
    """Tell what we saw of each key that is worth telling, and learn what all together saw."""
    news = [(rate, *rate.untold(now)) for rate in rates]
    news = [one for one in news if one[2]]
    if not news:
        return
    async with translated(), state.pipeline(transaction=False) as pipeline:
        for rate, window, seen in news:
            key = f"{RATE_KEY}{rate.name}/{window}"
            for name, events in seen.items():
                pipeline.hincrby(key, name, events)  # type: ignore[arg-type]  # bytes are fine
            pipeline.expire(key, int(rate.seconds * 2) + 1)
        answers = iter(await pipeline.execute())
    for rate, window, seen in news:
        rate.told(window, seen, [next(answers) for _ in seen])
        next(answers)


async def account(
    state: Redis, used: Mapping[tuple[bytes, str], int], allowed: Mapping[tuple[bytes, str], int], now: datetime
) -> None:
    """Add to what is used of operators' quotas this month; a token that has none left is marked in PostHog's set."""
    if not used:
        return
    month = f"{now:%Y-%m}"
    async with translated(), state.pipeline(transaction=False) as pipeline:
        for (token, resource), events in used.items():
            key = f"{USED_KEY}{resource}/{month}"
            pipeline.hincrby(key, token, events)  # type: ignore[arg-type]
            pipeline.expire(key, _USED_SECONDS)
        totals = (await pipeline.execute())[::2]
        spent = [name for name, total in zip(used, totals, strict=True) if name in allowed and total >= allowed[name]]
        for token, resource in spent:
            pipeline.zadd(quotas.KEY_PREFIX + quotas.SETS[resource][0], {token: quotas.end_of_month(now)})
        if spent:
            await pipeline.execute()


def resources(allowed: Mapping[tuple[bytes, str], int]) -> dict[bytes, frozenset[str]]:
    """Per token, the resources that must be counted."""
    tokens = set(chain.from_iterable((token,) for token, _ in allowed))
    return {token: frozenset(resource for whose, resource in allowed if whose == token) for token in tokens}
