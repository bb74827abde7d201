"""All SQL of what a project refuses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from libs.kit.postgres import Postgres

# event -> property -> the types that it may be of
Required = Mapping[str, Mapping[str, Sequence[str]]]
_FILTER = """
    SELECT id::text, mode, filter_tree::text AS filter_tree, test_cases::text AS test_cases, created_at, updated_at
    FROM posthog_eventfilterconfig WHERE team_id = $1
"""


@dataclass(frozen=True, slots=True)
class RefusalRepository:
    """posthog_eventfilterconfig and hedgerow_required_property, written here only."""

    postgres: Postgres

    async def event_filter(self, team_id: int) -> dict[str, Any] | None:
        """The row, with its JSON read; None when the project never had a filter."""
        rows = await self.postgres.fetch(_FILTER, team_id)
        if not rows:
            return None
        found = dict(rows[0])
        return {**found, **{name: json.loads(found[name] or "null") for name in ("filter_tree", "test_cases")}}

    async def save_event_filter(
        self, team_id: int, *, mode: str, tree: Mapping[str, Any] | None, cases: Sequence[Mapping[str, str]]
    ) -> None:
        """Replace it."""
        await self.postgres.execute(
            """INSERT INTO posthog_eventfilterconfig (team_id, mode, filter_tree, test_cases)
               VALUES ($1, $2, $3::jsonb, $4::jsonb)
               ON CONFLICT (team_id) DO UPDATE SET mode = excluded.mode, filter_tree = excluded.filter_tree,
                   test_cases = excluded.test_cases, updated_at = now()""",
            team_id,
            mode,
            None if tree is None else json.dumps(tree),
            json.dumps(cases),
        )

    async def required(self, team_id: int) -> Required:
        """Those of a project."""
        found: dict[str, dict[str, Sequence[str]]] = {}
        for row in await self.postgres.fetch(
            "SELECT event, property, property_types FROM hedgerow_required_property WHERE team_id = $1 ORDER BY 1, 2",
            team_id,
        ):
            found.setdefault(row["event"], {})[row["property"]] = row["property_types"]
        return found

    async def replace_required(self, team_id: int, required: Required) -> None:
        """These and no others."""
        rows = [
            {"event": event, "property": name, "types": list(types)}
            for event, properties in required.items()
            for name, types in properties.items()
        ]
        async with self.postgres.transaction() as connection:
            await connection.execute("DELETE FROM hedgerow_required_property WHERE team_id = $1", team_id)
            await connection.execute(
                """INSERT INTO hedgerow_required_property (team_id, event, property, property_types)
                   SELECT $1, event, property, ARRAY(SELECT jsonb_array_elements_text(types))
                   FROM jsonb_to_recordset($2::jsonb) AS one (event text, property text, types jsonb)""",
                team_id,
                json.dumps(rows),
            )
