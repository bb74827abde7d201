"""Events go when they are older than their project keeps them, and the oldest months when the disk budget is spent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.kit.runtime import Runtime
from libs.kit.schema.clickhouse.layout import layout_of
from libs.kit.schema.clickhouse.operations import local_name
from services.web.jobs.mutations import mutate
from services.web.jobs.reports import report
from services.web.jobs.settings import JobsSettings
from services.web.retention.repository import ALL_OTHERS, RetentionRepository


@dataclass(frozen=True, slots=True)
class Expired:
    """What of a project may go: a condition on events, with its values, and what to call it."""

    what: str
    condition: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Month:
    """A partition of the events table and its bytes on disk, all replicas' shards together."""

    partition: str
    bytes_on_disk: int


def expired(team_id: int, days: Mapping[str, int], now: datetime) -> list[Expired]:
    """Conditions by event name, and one for all others. days: per event name, '' for all others."""
    found = []
    named = [event for event in days if event != ALL_OTHERS]
    for event, kept in days.items():
        params: dict[str, Any] = {"team": team_id, "until": int((now - timedelta(days=kept)).timestamp())}
        condition = "team_id = {team:Int64} AND timestamp < fromUnixTimestamp64Micro({until:Int64} * 1000000)"
        if event == ALL_OTHERS:
            condition += " AND event NOT IN {named:Array(String)}" if named else ""
            params |= {"named": named} if named else {}
        else:
            condition += " AND event = {event:String}"
            params["event"] = event
        others = "all other events" if named else "all events"
        found.append(Expired(event or others, condition, params))
    return found


def over_budget(months: Sequence[Month], budget: int, current: str) -> list[Month]:
    """The oldest months that must go for the rest to fit. The current one stays, and so does what has no plain date."""
    total = sum(month.bytes_on_disk for month in months)
    gone = []
    for month in sorted(months, key=lambda month: month.partition):
        if total <= budget:
            break
        if month.partition != "0" and month.partition < current:
            gone.append(month)
            total -= month.bytes_on_disk
    return gone


async def due(runtime: Runtime, team_id: int, days: Mapping[str, int]) -> Mapping[str, int]:
    """How many events would go if it were done now, by what they are called; nothing of what has none."""
    counted = {}
    for each in expired(team_id, days, runtime.clock.now()):
        count = f"SELECT count() FROM events WHERE {each.condition}"  # noqa: S608 - our own text; values are bound
        if number := int((await runtime.clickhouse.query(count, each.params)).rows[0][0]):
            counted[each.what] = number
    return counted


async def months(runtime: Runtime) -> list[Month]:
    """What the events of all projects take on disk."""
    layout = layout_of(runtime.settings)
    table = local_name("events") if layout.cluster else "events"
    parts = f"clusterAllReplicas('{layout.cluster}', system.parts)" if layout.cluster else "system.parts"
    found = await runtime.clickhouse.query(
        "SELECT partition, sum(bytes_on_disk) FROM (SELECT partition, name, max(bytes_on_disk) AS bytes_on_disk "  # noqa: S608
        f"FROM {parts} WHERE active AND database = {{database:String}} AND table = {{table:String}} "
        "GROUP BY partition, name) GROUP BY partition",
        {"database": layout.database, "table": table},
    )
    return [Month(str(partition), int(size)) for partition, size in found.rows]


async def retain(runtime: Runtime, settings: JobsSettings) -> None:
    """Apply what projects chose, then the disk budget. A report of each run, and of each project that lost events."""
    rules = await RetentionRepository(runtime.postgres).all()
    for team_id, days in rules.items():
        await _expire(runtime, settings, team_id, days)
    await _fit(runtime, settings)


async def _expire(runtime: Runtime, settings: JobsSettings, team_id: int, days: Mapping[str, int]) -> None:
    layout, gone = layout_of(runtime.settings), await due(runtime, team_id, days)
    for each in expired(team_id, days, runtime.clock.now()):
        if each.what in gone:
            change = f"DELETE WHERE {each.condition}"
            await mutate(runtime.clickhouse, layout, "events", change, each.params, seconds=settings.mutation_seconds)
    if gone:
        await report(runtime.postgres, "retention", team_id, {"deleted": gone})


async def _fit(runtime: Runtime, settings: JobsSettings) -> None:
    layout = layout_of(runtime.settings)
    table = local_name("events") if layout.cluster else "events"
    found, budget = await months(runtime), settings.events_disk_budget_bytes
    gone = over_budget(found, budget, runtime.clock.now().strftime("%Y%m")) if budget else []
    for month in gone:
        drop = f"ALTER TABLE {layout.name(table)}{layout.clause} DROP PARTITION {int(month.partition)}"
        await runtime.clickhouse.execute(drop)
    said = {
        "dropped_months": {month.partition: month.bytes_on_disk for month in gone},
        "events_bytes": sum(month.bytes_on_disk for month in found) - sum(month.bytes_on_disk for month in gone),
        "disk_budget_bytes": budget,
    }
    await report(runtime.postgres, "retention", None, said)
