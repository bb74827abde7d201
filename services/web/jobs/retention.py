"""Events go when they are older than their project keeps them, and the oldest months when the disk budget is spent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.kit.runtime import Runtime
from libs.kit.schema.clickhouse.layout import layout_of
from libs.kit.schema.clickhouse.operations import local_name
from services.web.jobs.ai_blobs import forget_blobs
from services.web.jobs.mutations import mutate
from services.web.jobs.reports import report
from services.web.jobs.settings import JobsSettings
from services.web.retention.repository import ALL_OTHERS, RetentionRepository

HEATMAP = "$$heatmap"
AI = "$ai_"
_UNTIL = "fromUnixTimestamp64Micro({until:Int64} * 1000000)"


@dataclass(frozen=True, slots=True)
class Expired:
    """What of a project may go: a condition on a table, with its values, and what to call it."""

    what: str
    condition: str
    params: Mapping[str, Any]
    table: str = "events"


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
        params: dict[str, Any] = {"team": team_id, "until": _before(kept, now)}
        condition = f"team_id = {{team:Int64}} AND timestamp < {_UNTIL}"
        if event == ALL_OTHERS:
            condition += " AND event NOT IN {named:Array(String)}" if named else ""
            params |= {"named": named} if named else {}
        else:
            condition += " AND event = {event:String}"
            params["event"] = event
        others = "all other events" if named else "all events"
        found.append(Expired(event or others, condition, params))
    return found


def made_of_expired(team_id: int, days: Mapping[str, int], now: datetime) -> list[Expired]:
    """The same of what was made of events: sessions go by the days of events that have none of their own, after their
    last event; heatmap points and AI events' second rows by those of the event that brought them."""
    found = [
        Expired(f"{each.what}, ai_events", each.condition, each.params, "ai_events")
        for each in expired(team_id, days, now)
        if each.params.get("event", AI).startswith(AI)
    ]
    if ALL_OTHERS in days:
        params = {"team": team_id, "until": _before(days[ALL_OTHERS], now)}
        condition = f"team_id = {{team:Int64}} AND max_timestamp < {_UNTIL}"
        found.append(Expired("sessions", condition, params, "raw_sessions"))
    if (kept := days.get(HEATMAP, days.get(ALL_OTHERS))) is not None:
        condition = f"team_id = {{team:Int64}} AND timestamp < {_UNTIL}"
        found.append(Expired("heatmap points", condition, {"team": team_id, "until": _before(kept, now)}, "heatmaps"))
    return found


def _before(days: int, now: datetime) -> int:
    return int((now - timedelta(days=days)).timestamp())


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


def end_of(month: str) -> datetime:
    """When the one after `month`, a partition as 202611, begins."""
    after = int(month[:4]) * 12 + int(month[4:])
    return datetime(after // 12, after % 12 + 1, 1, tzinfo=UTC)


async def due(runtime: Runtime, team_id: int, days: Mapping[str, int]) -> Mapping[str, int]:
    """How many events would go if it were done now, by what they are called; nothing of what has none."""
    counts = {each.what: await _count(runtime, each) for each in expired(team_id, days, runtime.clock.now())}
    return {what: number for what, number in counts.items() if number}


async def _count(runtime: Runtime, each: Expired) -> int:
    # rows of one session are put together when parts are merged; until then it has several
    what = "uniqExact(session_id_v7)" if each.table == "raw_sessions" else "count()"
    sql = f"SELECT {what} FROM {each.table} WHERE {each.condition}"  # noqa: S608 - our own text; values are bound
    return int((await runtime.clickhouse.query(sql, each.params)).rows[0][0])


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
    layout, now, gone = layout_of(runtime.settings), runtime.clock.now(), {}
    for each in (*expired(team_id, days, now), *made_of_expired(team_id, days, now)):
        if number := await _count(runtime, each):
            change, seconds = f"DELETE WHERE {each.condition}", settings.mutation_seconds
            if each.table == "events":
                await forget_blobs(runtime, each.condition, each.params)
            await mutate(runtime.clickhouse, layout, each.table, change, each.params, seconds=seconds)
            gone[each.what] = number
    if gone:
        await report(runtime.postgres, "retention", team_id, {"deleted": gone})


async def _fit(runtime: Runtime, settings: JobsSettings) -> None:
    layout = layout_of(runtime.settings)
    table = local_name("events") if layout.cluster else "events"
    found, budget = await months(runtime), settings.events_disk_budget_bytes
    gone = over_budget(found, budget, runtime.clock.now().strftime("%Y%m")) if budget else []
    for month in gone:
        await forget_blobs(runtime, "_partition_id = {month:String}", {"month": month.partition})
        drop = f"ALTER TABLE {layout.name(table)}{layout.clause} DROP PARTITION {int(month.partition)}"
        await runtime.clickhouse.execute(drop)
    if gone:
        until = {"until": int(end_of(gone[-1].partition).timestamp())}
        for made, time in (("raw_sessions", "max_timestamp"), ("ai_events", "timestamp")):
            change = f"DELETE WHERE {time} < {_UNTIL}"
            await mutate(runtime.clickhouse, layout, made, change, until, seconds=settings.mutation_seconds)
    said = {
        "dropped_months": {month.partition: month.bytes_on_disk for month in gone},
        "events_bytes": sum(month.bytes_on_disk for month in found) - sum(month.bytes_on_disk for month in gone),
        "disk_budget_bytes": budget,
    }
    await report(runtime.postgres, "retention", None, said)
