"""Events of merged persons are rewritten to say whose they are, and the overrides that queries looked them up in go.

An override says "events of this distinct id belong to that person". Only overrides of some age are taken: an event
that was decided before its merge may still be on its way, and is rewritten too if the override is still there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from libs.kit.runtime import Runtime
from libs.kit.schema.clickhouse.layout import layout_of
from services.web.jobs.mutations import mutate
from services.web.jobs.reports import report
from services.web.jobs.settings import JobsSettings

# So many distinct ids in a statement: a cluster keeps the statement in its Keeper, which takes 1 MB.
CHUNK = 2_000
_OVERRIDES = """
    SELECT team_id, distinct_id, toString(argMax(person_id, version)) AS person, max(version) AS newest,
           argMax(is_deleted, version) AS gone
    FROM person_distinct_id_overrides
    GROUP BY team_id, distinct_id
    HAVING max(_timestamp) <= fromUnixTimestamp({until:UInt32})
       AND (team_id, distinct_id) > ({team:Int64}, {after:String})
    ORDER BY team_id, distinct_id
    LIMIT {limit:UInt32}
"""
_OWNER = "transform(distinct_id, {ids:Array(String)}, {persons:Array(String)}, toString(person_id))"
_REWRITE = f"""
    UPDATE person_id = toUUID({_OWNER})
    WHERE team_id = {{team:Int64}} AND distinct_id IN {{ids:Array(String)}} AND toString(person_id) != {_OWNER}
"""
_FORGET = """
    DELETE WHERE team_id = {team:Int64} AND distinct_id IN {ids:Array(String)}
      AND version <= transform(distinct_id, {ids:Array(String)}, {versions:Array(Int64)}, toInt64(-1))
"""


@dataclass(frozen=True, slots=True)
class Override:
    """Whose events of a distinct id are. gone: the distinct id was deleted; its events go or stay by themselves."""

    team_id: int
    distinct_id: str
    person: str
    version: int
    gone: bool


async def squash(runtime: Runtime, settings: JobsSettings) -> int:
    """Rewrite events and forget the overrides; how many there were."""
    until = int((runtime.clock.now() - timedelta(hours=settings.squash_min_age_hours)).timestamp())
    team, after, total = -1, "", 0
    while chunk := await _overrides(runtime, until, team, after):
        for team_id, group in groupby(chunk, key=lambda override: override.team_id):
            await _squash(runtime, settings, team_id, list(group))
        team, after, total = chunk[-1].team_id, chunk[-1].distinct_id, total + len(chunk)
    if total:
        await report(runtime.postgres, "squash", None, {"overrides": total})
    return total


async def _overrides(runtime: Runtime, until: int, team: int, after: str) -> Sequence[Override]:
    params = {"until": until, "team": team, "after": after, "limit": CHUNK}
    return [Override(*row) for row in (await runtime.clickhouse.query(_OVERRIDES, params)).rows]


async def _squash(runtime: Runtime, settings: JobsSettings, team_id: int, overrides: Sequence[Override]) -> None:
    layout, seconds = layout_of(runtime.settings), settings.mutation_seconds
    if kept := [override for override in overrides if not override.gone]:
        params = {
            "team": team_id,
            "ids": [override.distinct_id for override in kept],
            "persons": [override.person for override in kept],
        }
        for table in ("events", "ai_events"):
            await mutate(runtime.clickhouse, layout, table, _REWRITE, params, seconds=seconds)
    params = {
        "team": team_id,
        "ids": [override.distinct_id for override in overrides],
        "versions": [override.version for override in overrides],
    }
    await mutate(
        runtime.clickhouse, layout, "person_distinct_id_overrides", _FORGET, params, seconds=seconds, sharded=False
    )
