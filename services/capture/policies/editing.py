"""Changing the rules that capture reads, for the command line. Capture sees a change within its reload time."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import WatchError

from libs.kit.access.sessions import translated
from libs.kit.errors import Conflict, InvalidRequest
from libs.kit.restrictions import KEY_PREFIX, KINDS, PIPELINES, restrictions_in
from services.capture.policies import quotas
from services.capture.policies.loading import QUOTA_KEY, USED_KEY

_ATTEMPTS = 5


async def set_quota(state: Redis, token: str, resource: str, events: int, now: datetime) -> None:
    """How many events of a resource a project may send in a calendar month (UTC); 0: as many as it likes.

    A mark that the old quota was used up goes; the new one is marked again when it is.
    """
    if resource not in quotas.SETS:
        raise InvalidRequest(f"There is no resource {resource!r}. Choose from: {', '.join(quotas.SETS)}.")
    async with translated(), state.pipeline() as pipeline:
        if events:
            pipeline.hset(QUOTA_KEY + resource, token, str(events))
        else:
            pipeline.hdel(QUOTA_KEY + resource, token)
        pipeline.hget(f"{USED_KEY}{resource}/{now:%Y-%m}", token)
        for name in quotas.SETS[resource]:
            pipeline.zrem(quotas.KEY_PREFIX + name, token)
        _, used, *_ = await pipeline.execute()
        if events and int(used or 0) >= events:
            await state.zadd(quotas.KEY_PREFIX + quotas.SETS[resource][0], {token: quotas.end_of_month(now)})


async def restrict(
    state: Redis, token: str, kind: str, filters: Mapping[str, Any], pipelines: Sequence[str] = PIPELINES
) -> None:
    """Add a restriction of PostHog's type `kind`. filters: distinct_ids, session_ids, event_names, event_uuids, and
    args; without any it is about all events of these pipelines. Raises InvalidRequest for one that capture would not
    take."""
    entry = {"version": 2, "token": token, "pipelines": list(pipelines), **filters}
    _check_kind(kind)
    if unknown := sorted(set(pipelines) - set(PIPELINES)):
        raise InvalidRequest(f"There is no pipeline {unknown[0]!r}. Choose from: {', '.join(PIPELINES)}.")
    _, wrong = restrictions_in(kind, orjson.dumps([entry]))
    if wrong:
        raise InvalidRequest(wrong[0])
    await _change(state, kind, lambda entries: [*entries, entry])


async def lift(state: Redis, token: str, kind: str) -> None:
    """Remove all restrictions of this type that a project has."""
    _check_kind(kind)
    await _change(state, kind, lambda entries: [one for one in entries if one.get("token") != token])


async def shown(state: Redis, now: datetime) -> dict[str, Any]:
    """All rules: restrictions by type, quotas by resource with what is used of them, and used-up quotas."""
    said: dict[str, Any] = {"restrictions": {}, "quotas": {}, "limited": {}}
    async with translated():
        for kind in KINDS:
            if text := await state.get(KEY_PREFIX + kind):
                said["restrictions"][kind] = orjson.loads(text)
        for resource, names in quotas.SETS.items():
            async with state.pipeline() as pipeline:
                pipeline.hgetall(QUOTA_KEY + resource)
                pipeline.hgetall(f"{USED_KEY}{resource}/{now:%Y-%m}")
                for name in names:
                    pipeline.zrangebyscore(quotas.KEY_PREFIX + name, now.timestamp(), "+inf")
                allowed, used, *limited = await pipeline.execute()
            for token, events in allowed.items():
                spent = int(used.get(token, 0))
                said["quotas"].setdefault(resource, {})[token.decode()] = {"monthly": int(events), "used": spent}
            if tokens := sorted({token.decode() for found in limited for token in found}):
                said["limited"][resource] = tokens
    return said


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise InvalidRequest(f"There is no restriction {kind!r}. Choose from: {', '.join(KINDS)}.")


async def _change(state: Redis, kind: str, change: Callable[[list[Any]], list[Any]]) -> None:
    """Read, change and write the list of one type, again when somebody else did so meanwhile."""
    key = KEY_PREFIX + kind
    async with translated():
        for _ in range(_ATTEMPTS):
            async with state.pipeline() as pipeline:
                multi: Callable[[], None] = pipeline.multi
                await pipeline.watch(key)
                before = orjson.loads(await pipeline.get(key) or b"[]")
                multi()
                after = change(before)
                if after:
                    pipeline.set(key, orjson.dumps(after))
                else:
                    pipeline.delete(key)
                try:
                    await pipeline.execute()
                except WatchError:
                    continue
                return
    raise Conflict("The restrictions are being changed by somebody else.")
