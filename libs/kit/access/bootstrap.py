"""The first user, organization and project of an instance: what `hedgerow up` signs you in with."""

from uuid import UUID, uuid4

from libs.kit.access.model import OWNER
from libs.kit.access.passwords import Passwords
from libs.kit.access.tokens import SECRET_TOKEN_PREFIX, masked, new_token, stored_form
from libs.kit.postgres import Connection, Postgres

_LOCK = 0x48656467  # any number of ours: two processes that bootstrap at once take turns


async def bootstrap(
    postgres: Postgres, *, email: str, password: str, project_api_key: str, personal_api_key: str
) -> int:
    """Make what is missing, in one transaction; returns the project's id. Safe to run at every start.

    Nothing that exists is changed: a password, a name or a project that somebody changed stays so.
    """
    hashed = await Passwords().hash(password)
    async with postgres.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        organization_id = await _organization(connection)
        project_id = await _project(connection, organization_id, project_api_key)
        user_id = await _user(connection, email, hashed, organization_id, project_id)
        await connection.execute(
            """INSERT INTO posthog_personalapikey (id, user_id, label, secure_value, mask_value, scopes, created_at)
               VALUES ($1, $2, 'Made by hedgerow up', $3, $4, ARRAY['*'], now())
               ON CONFLICT (secure_value) DO NOTHING""",
            new_token(""),
            user_id,
            stored_form(personal_api_key),
            masked(personal_api_key),
        )
    return project_id


async def _organization(connection: Connection) -> UUID:
    found: UUID | None = await connection.fetchval("SELECT id FROM posthog_organization ORDER BY created_at LIMIT 1")
    if found:
        return found
    made = uuid4()
    await connection.execute(
        """INSERT INTO posthog_organization (id, name, slug, created_at, updated_at)
           VALUES ($1, 'My organization', 'my-organization', now(), now())""",
        made,
    )
    return made


async def _project(connection: Connection, organization_id: UUID, api_token: str) -> int:
    project_id: int | None = await connection.fetchval("SELECT id FROM posthog_team WHERE api_token = $1", api_token)
    if project_id is None:
        project_id = await connection.fetchval(
            """INSERT INTO posthog_team (uuid, organization_id, name, api_token, secret_api_token,
                                         created_at, updated_at)
               VALUES ($1, $2, 'Default project', $3, $4, now(), now()) RETURNING id""",
            uuid4(),
            organization_id,
            api_token,
            new_token(SECRET_TOKEN_PREFIX),
        )
    assert project_id is not None  # noqa: S101 - RETURNING gives a row or raises
    return project_id


async def _user(connection: Connection, email: str, hashed: str, organization_id: UUID, project_id: int) -> int:
    user_id: int | None = await connection.fetchval("SELECT id FROM posthog_user WHERE lower(email) = lower($1)", email)
    if user_id is None:
        user_id = await connection.fetchval(
            """INSERT INTO posthog_user (uuid, email, password, first_name, last_name, distinct_id, is_active, is_staff,
                                         date_joined, current_organization_id, current_team_id)
               VALUES ($1, $2, $3, $4, '', $5, true, true, now(), $6, $7) RETURNING id""",
            uuid4(),
            email,
            hashed,
            email.partition("@")[0][:128],
            new_token(""),
            organization_id,
            project_id,
        )
        await connection.execute(
            """INSERT INTO posthog_organizationmembership (id, organization_id, user_id, level, joined_at, updated_at)
               VALUES ($1, $2, $3, $4, now(), now())""",
            uuid4(),
            organization_id,
            user_id,
            OWNER,
        )
    assert user_id is not None  # noqa: S101 - RETURNING gives a row or raises
    return user_id
