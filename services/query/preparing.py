"""What a query is compiled for: the project, as far as the query asks about it."""

from collections.abc import Mapping
from typing import Any

from libs.hogql import ast
from libs.hogql.compile import Project
from libs.hogql.errors import QueryError
from libs.hogql.filters import Filters, filters_of
from libs.hogql.needs import Needs, needs_of
from libs.hogql.schema import OVERRIDE, PERSONS_MODES
from libs.kit.access import Team
from libs.kit.clock import Clock
from libs.kit.errors import InvalidRequest
from services.query.repository import QueryRepository

_MOST_NAMES = 2_000


class Preparing:
    """Looks up what queries need, and nothing that they do not."""

    def __init__(self, repository: QueryRepository, clock: Clock):
        self.repository = repository
        self._clock = clock

    async def project(
        self,
        team: Team,
        tree: ast.Node | None,
        *,
        values: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
        filters: Mapping[str, Any] | None = None,
        modifiers: Mapping[str, Any] | None = None,
    ) -> Project:
        """The project for one query. Raises InvalidRequest and HogQLError for what was sent beside it."""
        found = filters_of(filters or {}, team.test_account_filters, self._clock.now(), team.timezone)
        needs = _needs(tree, found)
        return Project(
            team.id,
            team.timezone,
            team.week_start_day,
            {**(values or {}), **await self._variables(team, variables or {})},
            persons_mode=persons_mode(modifiers or {}),
            group_types=await self.repository.group_types(team.id) if needs.others else (),
            property_types=await self._property_types(team, needs),
            cohorts=await self._cohorts(team, needs),
            filters=found,
        )

    async def _property_types(self, team: Team, needs: Needs) -> dict[str, dict[str, str]]:
        names = [name for name in sorted(needs.properties) if "\0" not in name][:_MOST_NAMES]
        return await self.repository.property_types(team.id, names) if names else {}

    async def _cohorts(self, team: Team, needs: Needs) -> tuple[Any, ...]:
        if not (needs.cohort_ids or needs.cohort_names):
            return ()
        names = [name for name in needs.cohort_names if "\0" not in name]
        return await self.repository.cohorts(team.id, needs.cohort_ids, names)

    async def _variables(self, team: Team, sent: Mapping[str, Any]) -> dict[str, Any]:
        """`variables.code_name` -> value: what was sent, else the stored default."""
        found: dict[str, Any] = {}
        unsaid: list[str] = []
        for variable in sent.values():
            name = variable.get("code_name") if isinstance(variable, dict) else None
            if not isinstance(name, str):
                raise InvalidRequest("A variable has a `code_name`.", attr="query__variables")
            if variable.get("isNull"):
                found[f"variables.{name}"] = None
            elif "value" in variable:
                found[f"variables.{name}"] = variable["value"]
            else:
                unsaid.append(name)
        if unsaid:
            defaults = await self.repository.variable_defaults(team.id, [name for name in unsaid if "\0" not in name])
            for name in unsaid:
                if name not in defaults:
                    raise QueryError(f"Variable {name[:100]} does not exist")
                found[f"variables.{name}"] = defaults[name]
        return found


def _needs(tree: ast.Node | None, filters: Filters) -> Needs:
    """Those of the query, and of what its filters will put into it."""
    trees = [] if tree is None else [tree]
    if filters.properties or filters.test_accounts or filters.date_from or filters.date_to:
        trees.append(filters.condition("events", ()))
    return needs_of(*trees)


def persons_mode(modifiers: Mapping[str, Any]) -> str:
    """The mode of persons on events that was asked for. Raises InvalidRequest for one that there is not."""
    mode = modifiers.get("personsOnEventsMode") or OVERRIDE
    if mode not in PERSONS_MODES:
        raise InvalidRequest(
            f"personsOnEventsMode is one of {', '.join(PERSONS_MODES)}.", attr="query__modifiers__personsOnEventsMode"
        )
    return str(mode)
