"""The SQL of tracing. Every statement is about one team, which comes first and is bound."""

from dataclasses import dataclass
from typing import Any

from libs.kit.clickhouse import ClickHouse
from libs.kit.postgres import Postgres
from services.web.ingestion.story import Sighting
from services.web.live.event import iso

_STORED = """
    SELECT toString(captured_at), toString(_timestamp), toString(created_at), toString(inserted_at), _partition, _offset
    FROM events
    WHERE team_id = {team:Int64} AND uuid = {uuid:UUID}
    ORDER BY inserted_at
    LIMIT 10
"""
# No index leads to a uuid here, so days bound it: warnings are told for the events of these days.
_WARNINGS = """
    SELECT type, toString(timestamp), JSONExtractString(details, 'pipelineStep')
    FROM ingestion_warnings
    WHERE team_id = {team:Int64} AND timestamp > now() - INTERVAL {days:UInt8} DAY
      AND JSONExtractString(details, 'eventUuid') = {uuid:String}
    ORDER BY timestamp
    LIMIT 10
"""
WARNING_DAYS = 7
# Steps of ingestion whose warnings say that the event went no further.
_DROPPING = frozenset({"validate", "client"})
# Of a step that also warns of events it keeps: the types that do.
_DROPPED = frozenset(
    {
        "event_dropped_too_old",
        "schema_validation_failed",
        "cookieless_missing_user_agent",
        "cookieless_missing_ip",
        "cookieless_missing_host",
        "cookieless_missing_timestamp",
        "cookieless_timestamp_out_of_range",
    }
)


@dataclass(frozen=True, slots=True)
class TraceRepository:
    """What the stores know of an event."""

    postgres: Postgres
    clickhouse: ClickHouse

    async def stored(self, team_id: int, uuid: str, *, seconds: float) -> list[Sighting]:
        """The stages of each row that has this uuid; as a rule there is one."""
        found: list[Sighting] = []
        for captured, arrived, created, inserted, partition, offset in await self._rows(
            _STORED, {"team": team_id, "uuid": uuid}, seconds
        ):
            place = ("clickhouse_events_json", int(partition), int(offset))
            found += [
                Sighting("accepted", iso(captured or arrived)),
                Sighting("processed", iso(created), place),
                Sighting("written", iso(inserted)),
            ]
        return found

    async def warnings(self, team_id: int, uuid: str, *, seconds: float) -> list[tuple[str, Sighting | None]]:
        """Types of warnings about the event, each with the drop that it tells of, if it does."""
        params = {"team": team_id, "uuid": uuid, "days": WARNING_DAYS}
        return [
            (kind, Sighting("dropped", iso(at), None, "ingestion", kind) if _drops(step, kind) else None)
            for kind, at, step in await self._rows(_WARNINGS, params, seconds)
        ]

    async def positions(self, log_id: str, topic: str, group: str) -> dict[int, int]:
        """Where ingestion stands in a topic, by partition."""
        rows = await self.postgres.fetch(
            "SELECT partition, next_offset FROM hedgerow_log_position "
            "WHERE log_id = $1 AND topic = $2 AND consumer_group = $3",
            log_id,
            topic,
            group,
        )
        return {row["partition"]: row["next_offset"] for row in rows}

    async def _rows(self, sql: str, params: dict[str, Any], seconds: float) -> Any:
        return (await self.clickhouse.query(sql, params, timeout=seconds)).rows


def _drops(step: str, kind: str) -> bool:
    return step in _DROPPING or kind in _DROPPED
