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
        """A project with fresh tokens."""
        row = await self.postgres.fetch_one(
            """INSERT INTO posthog_team (uuid, organization_id, name, api_token, secret_api_token, timezone,
                                         week_start_day, test_account_filters, anonymize_ips, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, now(), now()) RETURNING *""",
            uuid4(),
            organization_id,
            settings["name"],
            new_token(PROJECT_TOKEN_PREFIX),
            new_token(SECRET_TOKEN_PREFIX),
            settings["timezone"],
            settings["week_start_day"],
            json.dumps(settings["test_account_filters"]),
            settings["anonymize_ips"],
        )
        if row is None:
            raise NotFound("Organization not found.")
        return team_of(row)

    async def update(self, team_id: int, settings: Mapping[str, Any]) -> Team:
        """Change the given settings and leave the others: two people may change two of them at once."""
        filters = settings.get("test_account_filters")
        row = await self.postgres.fetch_one(
            """UPDATE posthog_team SET
                   name = coalesce($2, name),
                   timezone = coalesce($3, timezone),
                   week_start_day = coalesce($4, week_start_day),
                   test_account_filters = coalesce($5::jsonb, test_account_filters),
                   anonymize_ips = coalesce($6, anonymize_ips),
                   updated_at = now()
               WHERE id = $1 RETURNING *""",
            team_id,
            settings.get("name"),
            settings.get("timezone"),
            settings.get("week_start_day"),
            None if filters is None else json.dumps(filters),
            settings.get("anonymize_ips"),
        )
        if row is None:
            raise NotFound("Project not found.")
        return team_of(row)

    async def by_api_token(self, token: str) -> Team | None:
        """The project that SDKs name by this token."""
        row = await self.postgres.fetch_one("SELECT * FROM posthog_team WHERE api_token = $1", token)
        return team_of(row) if row else None
