"""Sessions some of whose events go: their rows go, and are made anew of the events that stay.

A session may be of several people, or go on after a deletion was asked for. Its row is one state of all its events, so
nothing can be taken out of it. What comes meanwhile makes rows of its own, which are merged with these.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from libs.kit.runtime import Runtime
from libs.kit.schema.clickhouse import sessions
from libs.kit.schema.clickhouse.layout import layout_of
from services.web.jobs.mutations import mutate

# ClickHouse limits one form field; 40 bytes a session.
AT_ONCE = 2_000
# through a Distributed table: answer when the shard has it
_WHOLE = {"distributed_foreground_insert": 1}

_HELD_BY_EVENTS = f"""
    SELECT DISTINCT {sessions.SESSION} AS session_id_v7 FROM events
    WHERE (@going) AND {sessions.IS_SESSION} AND session_id_v7 > {{after:UInt128}}
    ORDER BY session_id_v7 LIMIT {{limit:UInt32}}
"""  # noqa: S608 - our own text; values are bound
_LAST_OF = """
    SELECT session_id_v7 FROM raw_sessions WHERE team_id = {team:Int64} AND session_id_v7 > {after:UInt128}
    GROUP BY session_id_v7 HAVING argMaxMerge(distinct_id) IN {ids:Array(String)}
    ORDER BY session_id_v7 LIMIT {limit:UInt32}
"""
_GONE = "DELETE WHERE team_id = {team:Int64} AND session_id_v7 IN {sessions:Array(UInt128)}"


async def remake(
    runtime: Runtime, whose: Mapping[str, Any], going: str, going_of_events: str, *, seconds: float
) -> None:
    """Sessions that hold events that are to go and are still there.

    going: a condition on events over `whose`; going_of_events: the same with each column's table named.
    """
    async for found in _pages(runtime, _HELD_BY_EVENTS.replace("@going", going), whose):
        await _remake(runtime, whose, found, going_of_events, seconds=seconds)


async def remake_of(runtime: Runtime, whose: Mapping[str, Any], going_of_events: str, *, seconds: float) -> None:
    """Sessions whose last distinct id is one of `whose`, whether or not there is an event of theirs."""
    async for found in _pages(runtime, _LAST_OF, whose):
        await _remake(runtime, whose, found, going_of_events, seconds=seconds)


async def _pages(runtime: Runtime, sql: str, whose: Mapping[str, Any]) -> AsyncIterator[Sequence[int]]:
    after = 0
    while rows := (await runtime.clickhouse.query(sql, {**whose, "after": after, "limit": AT_ONCE})).rows:
        found = [int(row[0]) for row in rows]
        yield found
        after = found[-1]


async def _remake(
    runtime: Runtime, whose: Mapping[str, Any], found: Sequence[int], going_of_events: str, *, seconds: float
) -> None:
    params = {**whose, "sessions": found}
    await mutate(runtime.clickhouse, layout_of(runtime.settings), "raw_sessions", _GONE, params, seconds=seconds)
    staying = (
        f"events.team_id = {{team:Int64}} AND session_id_v7 IN {{sessions:Array(UInt128)}} AND NOT ({going_of_events})"
    )
    feed = "INSERT INTO raw_sessions " + sessions.select("events", staying)
    await runtime.clickhouse.query(feed, params, settings=_WHOLE, readonly=False, timeout=seconds)
