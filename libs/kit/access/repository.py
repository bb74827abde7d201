"""All SQL of access control. Tables: posthog_user, posthog_team, posthog_organization and its membership, and keys."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from libs.kit.access.decide import effective_scopes
from libs.kit.access.model import Caller, Organization, Team, User
from libs.kit.postgres import Postgres

_INT32_MAX = 2**31 - 1

_TEAM_BY_ID = """SELECT t.*, m.level
    FROM posthog_team t LEFT JOIN posthog_organizationmembership m
         ON m.organization_id = t.organization_id AND m.user_id = $2
    WHERE t.id = $1"""
_TEAM_BY_API_KEY = """SELECT t.*, m.level
    FROM posthog_team t LEFT JOIN posthog_organizationmembership m
         ON m.organization_id = t.organization_id AND m.user_id = $2
    WHERE t.api_token = $1"""


@dataclass(frozen=True, slots=True)
class AccessRepository:
    """Look-ups of users, keys, teams and memberships."""

    postgres: Postgres

    async def user(self, user_id: int) -> User | None:
        """An active user."""
        row = await self.postgres.fetch_one("SELECT u.* FROM posthog_user u WHERE u.id = $1 AND u.is_active", user_id)
        return user_of(row) if row else None

    async def user_by_email(self, email: str) -> User | None:
        """An active user, by address in any case."""
        row = await self.postgres.fetch_one(
            "SELECT u.* FROM posthog_user u WHERE lower(u.email) = lower($1) AND u.is_active", email
        )
        return user_of(row) if row else None

    async def set_password(self, user_id: int, password: str) -> None:
        """Replace Argon2's text."""
        await self.postgres.execute("UPDATE posthog_user SET password = $2 WHERE id = $1", user_id, password)

    async def caller_of_key(self, secure_value: str, now: datetime) -> Caller | None:
        """Whose key this is, unless that user is gone. Notes the use, at most once an hour."""
        row = await self.postgres.fetch_one(
            """SELECT k.id, k.user_id, k.scopes, k.scoped_teams, k.scoped_organizations, k.last_used_at,
                      u.current_team_id, u.current_organization_id
               FROM posthog_personalapikey k JOIN posthog_user u ON u.id = k.user_id
               WHERE k.secure_value = $1 AND u.is_active""",
            secure_value,
        )
        if row is None:
            return None
        if row["last_used_at"] is None or (now - row["last_used_at"]).total_seconds() >= 3600:
            await self.postgres.execute(
                "UPDATE posthog_personalapikey SET last_used_at = $2 WHERE id = $1", row["id"], now
            )
        return Caller(
            kind="personal_api_key",
            user_id=row["user_id"],
            scopes=effective_scopes(row["scopes"]),
            scoped_teams=frozenset(row["scoped_teams"] or ()),
            scoped_organizations=frozenset(row["scoped_organizations"] or ()),
            key_id=row["id"],
            current_team_id=row["current_team_id"],
            current_organization_id=row["current_organization_id"],
        )

    async def team_and_level(self, project: int | str, user_id: int) -> tuple[Team, int | None] | None:
        """A team by id or project token, and the user's level in its organization (None: not a member)."""
        if isinstance(project, int) and not 0 < project <= _INT32_MAX:
            return None
        statement = _TEAM_BY_ID if isinstance(project, int) else _TEAM_BY_API_KEY
        row = await self.postgres.fetch_one(statement, project, user_id)
        return (team_of(row), row["level"]) if row else None

    async def organization_and_level(self, organization: UUID, user_id: int) -> tuple[Organization, int | None] | None:
        """An organization and the user's level in it (None: not a member)."""
        row = await self.postgres.fetch_one(
            """SELECT o.*, m.level
                FROM posthog_organization o LEFT JOIN posthog_organizationmembership m
                     ON m.organization_id = o.id AND m.user_id = $2
                WHERE o.id = $1""",
            organization,
            user_id,
        )
        return (organization_of(row), row["level"]) if row else None


def user_of(row: Mapping[str, Any]) -> User:
    """A row of posthog_user."""
    return User(**{field.name: row[field.name] for field in dataclasses.fields(User)})


def team_of(row: Mapping[str, Any]) -> Team:
    """A row of posthog_team."""
    values = {field.name: row[field.name] for field in dataclasses.fields(Team)}
    filters = values["test_account_filters"]
    values["test_account_filters"] = orjson.loads(filters) if isinstance(filters, str) else filters or []
    return Team(**values)


def organization_of(row: Mapping[str, Any]) -> Organization:
    """A row of posthog_organization."""
    return Organization(**{field.name: row[field.name] for field in dataclasses.fields(Organization)})
