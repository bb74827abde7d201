"""All SQL of how long events are kept."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from libs.kit.postgres import Postgres

ALL_OTHERS = ""


@dataclass(frozen=True, slots=True)
class RetentionRepository:
    """hedgerow_event_retention, written here only."""

    postgres: Postgres

    async def all(self) -> Mapping[int, Mapping[str, int]]:
        """Days by event name, '' for all others; of each team that has any."""
        found: defaultdict[int, dict[str, int]] = defaultdict(dict)
        for row in await self.postgres.fetch("SELECT team_id, event, days FROM hedgerow_event_retention"):
            found[row["team_id"]][row["event"]] = row["days"]
        return found

    async def of_team(self, team_id: int) -> Mapping[str, int]:
        """As `all`, of one."""
        rows = await self.postgres.fetch("SELECT event, days FROM hedgerow_event_retention WHERE team_id = $1", team_id)
        return {row["event"]: row["days"] for row in rows}

    async def replace(self, team_id: int, days: Mapping[str, int]) -> None:
        """These and no others."""
        async with self.postgres.transaction() as connection:
            await connection.execute("DELETE FROM hedgerow_event_retention WHERE team_id = $1", team_id)
            await connection.execute(
                "INSERT INTO hedgerow_event_retention (team_id, event, days) "
                "SELECT $1, event, days FROM unnest($2::text[], $3::int[]) AS kept (event, days)",
                team_id,
                list(days),
                list(days.values()),
            )
