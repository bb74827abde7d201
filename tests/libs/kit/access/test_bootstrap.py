"""The first user, organization and project."""

import pytest
from argon2.profiles import CHEAPEST

from libs.kit.access import passwords
from libs.kit.access.bootstrap import bootstrap
from libs.kit.clock import SystemClock
from libs.kit.postgres import Postgres
from libs.kit.schema.postgres.runner import migrate_postgres
from libs.kit.settings import KitSettings

pytestmark = pytest.mark.embedded

FIRST = {
    "email": "admin@localhost",
    "password": "secret secret",
    "project_api_key": "phc_" + "a" * 43,
    "personal_api_key": "phx_" + "b" * 43,
}
TABLES = (
    "posthog_organization",
    "posthog_user",
    "posthog_organizationmembership",
    "posthog_team",
    "posthog_personalapikey",
)


async def test_once_and_then_nothing_changes(fresh_settings: KitSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "PROFILE", CHEAPEST)
    postgres = Postgres(fresh_settings, SystemClock())
    await postgres.open()
    try:
        await migrate_postgres(postgres, fresh_settings)
        project = await bootstrap(postgres, **FIRST)
        await postgres.execute("UPDATE posthog_team SET name = 'Renamed'")
        await postgres.execute("UPDATE posthog_user SET password = 'changed'")
        assert await bootstrap(postgres, **FIRST) == project
        for table in TABLES:
            (row,) = await postgres.fetch(f"SELECT count(*) FROM {table}")
            assert row["count"] == 1, table
        found = await postgres.fetch_one("SELECT t.name, u.password FROM posthog_team t, posthog_user u")
        assert found
        assert tuple(found) == ("Renamed", "changed")
    finally:
        await postgres.close()
