"""All SQL of organizations' projects."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from libs.kit.access.model import Team
from libs.kit.access.repository import team_of
from libs.kit.access.tokens import PROJECT_TOKEN_PREFIX, SECRET_TOKEN_PREFIX, new_token
from libs.kit.errors import NotFound
from libs.kit.postgres import Postgres
from services.web.projects.settings import SETTINGS

_AS_JSON = frozenset({"test_account_filters"})


@dataclass(frozen=True, slots=True)
class ProjectRepository:
    """posthog_team, written here only."""

    postgres: Postgres

    async def of_organization(self, organization_id: UUID) -> Sequence[Team]:
        """Its projects, oldest first."""
        rows = await self.postgres.fetch(
            "SELECT * FROM posthog_team WHERE organization_id = $1 ORDER BY id", organization_id
        )
        return [team_of(row) for row in rows]

    async def create(self, organization_id: UUID, settings: Mapping[str, Any]) -> Team:
        """A project with fresh tokens. settings: see settings.py; the table has the others' defaults."""
        names = "".join(f", {name}" for name in settings)
        places = "".join(f", {_place(name, number)}" for number, name in enumerate(settings, 5))
        row = await self.postgres.fetch_one(
            f"""INSERT INTO posthog_team (uuid, organization_id, api_token, secret_api_token{names})
                VALUES ($1, $2, $3, $4{places}) RETURNING *""",  # noqa: S608 - names of columns; values are bound
            uuid4(),
            organization_id,
            new_token(PROJECT_TOKEN_PREFIX),
            new_token(SECRET_TOKEN_PREFIX),
            *_values(settings),
        )
        if row is None:
            raise NotFound("Organization not found.")
        return team_of(row)

    async def update(self, team_id: int, settings: Mapping[str, Any]) -> Team:
        """Change the given settings and leave the others: two people may change two of them at once."""
        changes = ", ".join(f"{name} = {_place(name, number)}" for number, name in enumerate(settings, 2))
        row = await self.postgres.fetch_one(
            f"UPDATE posthog_team SET {changes}, updated_at = now() WHERE id = $1 RETURNING *",  # noqa: S608 - as above
            team_id,
            *_values(settings),
        )
        if row is None:
            raise NotFound("Project not found.")
        return team_of(row)

    async def by_api_token(self, token: str) -> Team | None:
        """The project that SDKs name by this token."""
        row = await self.postgres.fetch_one("SELECT * FROM posthog_team WHERE api_token = $1", token)
        return team_of(row) if row else None


def _place(name: str, number: int) -> str:
    if name not in SETTINGS:
        raise LookupError(name)
    return f"${number}::jsonb" if name in _AS_JSON else f"${number}"


def _values(settings: Mapping[str, Any]) -> list[Any]:
    return [json.dumps(value) if name in _AS_JSON else value for name, value in settings.items()]
