"""Persons that are to be deleted: told to ClickHouse, their events deleted, looked for again later, forgotten.

The request deleted the person in PostgreSQL (services/web/persons). Until `delete_verified_at` is set each sweep looks
again: whole states under versions, deletions of what is not there. So a crash anywhere loses nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from libs.kit.contracts.persons import DistinctIdUpdate, PersonUpdate
from libs.kit.contracts.topics import DISTINCT_IDS, PERSONS
from libs.kit.eventlog import NewRecord
from libs.kit.runtime import Runtime
from libs.kit.schema.clickhouse.layout import layout_of
from services.web.jobs.ai_blobs import forget_blobs
from services.web.jobs.mutations import mutate
from services.web.jobs.reports import report
from services.web.jobs.sessions import remake, remake_of
from services.web.jobs.settings import JobsSettings
from services.web.persons.repository import Deleted, DeletionRequest, PersonRepository

BATCH = 500
# Events that came after the request are somebody's who came back: of each person and each distinct id those that had
# arrived by then. `@`: where a column's table must be named.
_GOING = """@team_id = {team:Int64} AND (
       @person_id IN {persons:Array(UUID)} AND toUnixTimestamp(@_timestamp) <=
           transform(toString(@person_id), {persons:Array(String)}, {asked:Array(UInt32)}, toUInt32(0))
    OR @distinct_id IN {ids:Array(String)} AND toUnixTimestamp(@_timestamp) <=
           transform(@distinct_id, {ids:Array(String)}, {ids_asked:Array(UInt32)}, toUInt32(0)))"""
_EVENTS = _GOING.replace("@", "")
_POINTS = """team_id = {team:Int64} AND distinct_id IN {ids:Array(String)} AND toUnixTimestamp(_timestamp) <=
           transform(distinct_id, {ids:Array(String)}, {ids_asked:Array(UInt32)}, toUInt32(0))"""
_OLD_PERSONS = """
    DELETE WHERE team_id = {team:Int64}
      AND version <= transform(toString(id), {persons:Array(String)}, {versions:Array(UInt64)}, toUInt64(0))
      AND id IN {persons:Array(UUID)}
"""
_MEMBERSHIPS = "DELETE WHERE team_id = {team:Int64} AND person_id IN {persons:Array(UUID)}"
_OLD_LINKS = """
    DELETE WHERE team_id = {team:Int64} AND distinct_id IN {ids:Array(String)}
      AND version <= transform(distinct_id, {ids:Array(String)}, {versions:Array(Int64)}, toInt64(-1))
"""
_TABLES = (("events", _EVENTS), ("ai_events", _EVENTS), ("heatmaps", _POINTS))


async def delete(runtime: Runtime, settings: JobsSettings) -> int:
    """One sweep over all that is not verified; how many requests it verified."""
    verified, after = 0, 0
    repository = PersonRepository(runtime.postgres)
    while found := await repository.pending(after, BATCH):
        by_team: defaultdict[int, list[DeletionRequest]] = defaultdict(list)
        for request in found:
            by_team[request.team_id].append(request)
        for team_id, requests in by_team.items():
            verified += await _delete(runtime, settings, team_id, requests)
        after = found[-1].id
    return verified


async def _delete(runtime: Runtime, settings: JobsSettings, team_id: int, requests: Sequence[DeletionRequest]) -> int:
    repository = PersonRepository(runtime.postgres)
    if untold := [request for request in requests if request.told_at is None]:
        await _tell(runtime, await repository.deleted(team_id, [request.person for request in untold]))
        await repository.note_told([request.id for request in untold])
    # never sooner: a tombstone that arrived after everything else is forgotten would outrank who comes back
    before = runtime.clock.now() - timedelta(seconds=settings.deletion_grace_seconds)
    due = [request for request in requests if request.told_at is not None and request.told_at <= before]
    await _delete_events(runtime, settings, requests, thoroughly=bool(untold or due))
    if not due:
        return 0
    if await still_there(runtime, due):
        return 0
    await _forget(runtime, settings, team_id, await repository.deleted(team_id, [request.person for request in due]))
    await repository.forget(team_id, [request.person for request in due], [request.id for request in due])
    await report(runtime.postgres, "deletions", team_id, {"persons": len(due)})
    return len(due)


async def _tell(runtime: Runtime, gone: Deleted) -> None:
    """Tombstones for ClickHouse, through the same topics as every other state of a person."""
    persons = [
        PersonUpdate(
            id=str(person.uuid),
            created_at=f"{person.created_at:%Y-%m-%d %H:%M:%S}",
            properties="{}",
            team_id=gone.team_id,
            is_identified=0,
            is_deleted=1,
            version=person.version,
        )
        for person in gone.persons
    ]
    links = [
        DistinctIdUpdate(
            person_id=str(link.person),
            team_id=gone.team_id,
            distinct_id=link.distinct_id,
            version=link.version,
            is_deleted=1,
        )
        for link in gone.links
    ]
    if persons:
        records = [NewRecord(update.id.encode(), msgspec.json.encode(update)) for update in persons]
        await runtime.log.produce(PERSONS.name, records)
    if links:
        told = [NewRecord(update.distinct_id.encode(), msgspec.json.encode(update)) for update in links]
        await runtime.log.produce(DISTINCT_IDS.name, told)


def _whose(requests: Sequence[DeletionRequest]) -> dict[str, Any]:
    """The values of `_EVENTS`. Of two requests for one person the later counts."""
    persons = {str(request.person): int(request.created_at.timestamp()) for request in requests}
    ids = {name: int(request.created_at.timestamp()) for request in requests for name in request.distinct_ids}
    return {
        "team": requests[0].team_id,
        "persons": list(persons),
        "asked": list(persons.values()),
        "ids": list(ids),
        "ids_asked": list(ids.values()),
    }


async def still_there(runtime: Runtime, requests: Sequence[DeletionRequest]) -> int:
    """Events, of both tables, and points on heatmaps that are to go with these requests of one team and are there."""
    wanted = [request for request in requests if request.delete_events and request.verified_at is None]
    if not wanted:
        return 0
    return sum([await _left(runtime, table, condition, wanted) for table, condition in _TABLES])


async def _left(runtime: Runtime, table: str, condition: str, requests: Sequence[DeletionRequest]) -> int:
    count = f"SELECT count() FROM {table} WHERE {condition}"  # noqa: S608 - our own text; values are bound
    return int((await runtime.clickhouse.query(count, _whose(requests))).rows[0][0])


async def _delete_events(
    runtime: Runtime, settings: JobsSettings, requests: Sequence[DeletionRequest], *, thoroughly: bool
) -> None:
    """What was made of events, then these: who dies in between finds them again. Nothing is rewritten where nothing is
    left. thoroughly: sessions are looked for that have outlived their events."""
    wanted = [request for request in requests if request.delete_events]
    if not wanted:
        return
    layout, seconds, whose = layout_of(runtime.settings), settings.mutation_seconds, _whose(wanted)
    await remake(runtime, whose, _EVENTS, _GOING.replace("@", "events."), seconds=seconds)
    if thoroughly:
        await remake_of(runtime, whose, _GOING.replace("@", "events."), seconds=seconds)
    for table, condition in _TABLES:
        if await _left(runtime, table, condition, wanted):
            if table == "events":
                await forget_blobs(runtime, condition, whose)
            await mutate(runtime.clickhouse, layout, table, f"DELETE WHERE {condition}", whose, seconds=seconds)


async def _forget(runtime: Runtime, settings: JobsSettings, team_id: int, gone: Deleted) -> None:
    """What persons and their distinct ids once were goes from the disk too. Who came back has a higher version."""
    layout = layout_of(runtime.settings)
    changes: list[tuple[str, str, dict[str, Any]]] = []
    if gone.persons:
        versions = [person.version for person in gone.persons]
        persons = {"persons": [str(person.uuid) for person in gone.persons], "versions": versions}
        changes.append(("person", _OLD_PERSONS, persons))
        changes += [(table, _MEMBERSHIPS, persons) for table in ("cohortpeople", "person_static_cohort")]
    if gone.links:
        links = {"ids": [link.distinct_id for link in gone.links], "versions": [link.version for link in gone.links]}
        changes += [(table, _OLD_LINKS, links) for table in ("person_distinct_id2", "person_distinct_id_overrides")]
    for table, change, params in changes:
        await mutate(
            runtime.clickhouse,
            layout,
            table,
            change,
            {"team": team_id, **params},
            seconds=settings.mutation_seconds,
            sharded=False,
        )
