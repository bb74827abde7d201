"""All SQL that this service sends to PostgreSQL. It owns no table there: it reads what others say of a project."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from libs.hogql.resolver import Cohort
from libs.kit.postgres import Postgres

_OF = {1: "event", 2: "person"}  # posthog_propertydefinition.type; 3 is of a type of groups

# By table of `system`. Those whose feature is not there yet have no rows.
_ROWS = {
    "system.teams": (
        "SELECT id, name, timezone, test_account_filters, created_at, updated_at FROM posthog_team WHERE id = $1"
    ),
    "system.cohorts": (
        "SELECT id, name, description, deleted, filters, groups, query, created_at, last_calculation, version, count, "
        "is_static FROM posthog_cohort WHERE team_id = $1 ORDER BY id"
    ),
    "system.groups": (
        "SELECT row_number() OVER (ORDER BY group_type_index, group_key) AS id, group_key, group_type_index, "
        "group_properties, created_at FROM posthog_group WHERE team_id = $1 ORDER BY 1"
    ),
    "system.group_type_mappings": (
        "SELECT id, group_type, group_type_index, name_singular, name_plural FROM posthog_grouptypemapping "
        "WHERE team_id = $1 ORDER BY id"
    ),
    "system.insight_variables": (
        "SELECT id, name, type, code_name, values, default_value FROM posthog_insightvariable "
        "WHERE team_id = $1 ORDER BY name"
    ),
}


class QueryRepository:
    """Look-ups for one team at a time."""

    def __init__(self, postgres: Postgres):
        self._postgres = postgres

    async def group_types(self, team_id: int) -> tuple[tuple[int, str], ...]:
        """Index and name of each type of groups."""
        rows = await self._postgres.fetch(
            "SELECT group_type_index, group_type FROM posthog_grouptypemapping WHERE team_id = $1 "
            "ORDER BY group_type_index",
            team_id,
        )
        return tuple((row["group_type_index"], row["group_type"]) for row in rows)

    async def property_types(self, team_id: int, names: Collection[str]) -> dict[str, dict[str, str]]:
        """Of the properties of these names the types that are known, by whose they are."""
        rows = await self._postgres.fetch(
            "SELECT name, type, group_type_index, property_type FROM posthog_propertydefinition "
            "WHERE project_id = $1 AND name = ANY($2::varchar[]) AND property_type IS NOT NULL",
            team_id,
            list(names),
        )
        found: dict[str, dict[str, str]] = {}
        for row in rows:
            whose = f"group_{row['group_type_index']}" if row["type"] == 3 else _OF.get(row["type"], "")
            found.setdefault(whose, {})[row["name"]] = row["property_type"]
        return found

    async def property_names(self, team_id: int, most: int) -> list[str]:
        """Names of the properties of events, those that were met first."""
        rows = await self._postgres.fetch(
            "SELECT name FROM posthog_propertydefinition WHERE project_id = $1 AND type = 1 ORDER BY name LIMIT $2",
            team_id,
            most,
        )
        return [row["name"] for row in rows]

    async def cohorts(self, team_id: int, ids: Collection[int], names: Collection[str]) -> tuple[Cohort, ...]:
        """The cohorts with one of these ids or names; those of equal names all."""
        rows = await self._postgres.fetch(
            "SELECT id, name, is_static, version FROM posthog_cohort "
            "WHERE team_id = $1 AND NOT deleted AND (id = ANY($2::int[]) OR name = ANY($3::varchar[])) ORDER BY id",
            team_id,
            list(ids),
            list(names),
        )
        return tuple(Cohort(row["id"], row["name"] or "", row["is_static"], row["version"]) for row in rows)

    async def variable_defaults(self, team_id: int, code_names: Collection[str]) -> dict[str, Any]:
        """The stored default of each of these variables that there is."""
        rows = await self._postgres.fetch(
            "SELECT code_name, default_value FROM posthog_insightvariable "
            "WHERE team_id = $1 AND code_name = ANY($2::varchar[])",
            team_id,
            list(code_names),
        )
        return {
            row["code_name"]: None if row["default_value"] is None else orjson.loads(row["default_value"])
            for row in rows
        }

    async def system_rows(self, team_id: int, table: str, most: int) -> Sequence[Mapping[str, Any]]:
        """The team's rows of a table of `system`, at most so many."""
        statement = _ROWS.get(table)
        if statement is None:
            return []
        rows: Sequence[Mapping[str, Any]] = await self._postgres.fetch(f"{statement} LIMIT $2", team_id, most)
        return rows
