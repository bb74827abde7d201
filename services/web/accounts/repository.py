"""All SQL of users and their keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.kit.access.model import Organization, Team
from libs.kit.access.repository import organization_of, team_of
from libs.kit.postgres import Postgres


@dataclass(frozen=True, slots=True)
class PersonalKey:
    """A key as kept: never its value."""

    id: str
    user_id: int
    label: str
    mask_value: str
    scopes: list[str]
    scoped_teams: list[int]
    scoped_organizations: list[UUID]
    created_at: datetime
    last_used_at: datetime | None
    last_rolled_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountRepository:
    """Users, what they belong to, and their keys."""

    postgres: Postgres

    async def organizations(self, user_id: int) -> Sequence[tuple[Organization, int]]:
        """Where the user is a member, and at which level; oldest first."""
        rows = await self.postgres.fetch(
            """SELECT o.*, m.level FROM posthog_organizationmembership m
               JOIN posthog_organization o ON o.id = m.organization_id
               WHERE m.user_id = $1 ORDER BY o.created_at, o.id""",
            user_id,
        )
        return [(organization_of(row), row["level"]) for row in rows]

    async def teams(self, user_id: int) -> Sequence[Team]:
        """Every project of every organization the user belongs to, oldest first."""
        rows = await self.postgres.fetch(
            """SELECT t.* FROM posthog_team t
               JOIN posthog_organizationmembership m ON m.organization_id = t.organization_id
               WHERE m.user_id = $1 ORDER BY t.id""",
            user_id,
        )
        return [team_of(row) for row in rows]

    async def update_user(
        self, user_id: int, *, first_name: str, last_name: str, organization_id: UUID | None, team_id: int | None
    ) -> None:
        """Write what a user may change about themselves."""
        await self.postgres.execute(
            """UPDATE posthog_user SET first_name = $2, last_name = $3, current_organization_id = $4,
                      current_team_id = $5 WHERE id = $1""",
            user_id,
            first_name,
            last_name,
            organization_id,
            team_id,
        )

    async def keys(self, user_id: int) -> Sequence[PersonalKey]:
        """The user's keys, newest first."""
        rows = await self.postgres.fetch(
            "SELECT * FROM posthog_personalapikey WHERE user_id = $1 ORDER BY created_at DESC, id", user_id
        )
        return [_key(row) for row in rows]

    async def key(self, key_id: str, user_id: int) -> PersonalKey | None:
        """One key of the user."""
        row = await self.postgres.fetch_one(
            "SELECT * FROM posthog_personalapikey WHERE id = $1 AND user_id = $2", key_id, user_id
        )
        return _key(row) if row else None

    async def add_key(self, key: PersonalKey, secure_value: str, *, most: int) -> bool:
        """Store it, unless the user has `most` already. The user's row is locked, so two at once are counted."""
        async with self.postgres.transaction() as connection:
            await connection.execute("SELECT 1 FROM posthog_user WHERE id = $1 FOR UPDATE", key.user_id)
            count = await connection.fetchval(
                "SELECT count(*) FROM posthog_personalapikey WHERE user_id = $1", key.user_id
            )
            if count >= most:
                return False
            await connection.execute(
                """INSERT INTO posthog_personalapikey
                       (id, user_id, label, secure_value, mask_value, scopes, scoped_teams, scoped_organizations,
                        created_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
                key.id,
                key.user_id,
                key.label,
                secure_value,
                key.mask_value,
                key.scopes,
                key.scoped_teams,
                key.scoped_organizations,
                key.created_at,
            )
        return True

    async def delete_key(self, key_id: str, user_id: int) -> bool:
        """Whether there was one."""
        tag = await self.postgres.execute(
            "DELETE FROM posthog_personalapikey WHERE id = $1 AND user_id = $2", key_id, user_id
        )
        return tag == "DELETE 1"


def _key(row: asyncpg.Record) -> PersonalKey:
    return PersonalKey(
        id=row["id"],
        user_id=row["user_id"],
        label=row["label"],
        mask_value=row["mask_value"],
        scopes=list(row["scopes"] or ["*"]),
        scoped_teams=list(row["scoped_teams"] or ()),
        scoped_organizations=list(row["scoped_organizations"] or ()),
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        last_rolled_at=row["last_rolled_at"],
    )
