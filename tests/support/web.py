"""A web app for tests: over real engines, with the first user, and a client that asks it in the process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import msgspec
import uvicorn
from fastapi import FastAPI
from redis.asyncio import Redis

from libs.kit.access.bootstrap import bootstrap
from libs.kit.access.passwords import Passwords
from libs.kit.access.tokens import PERSONAL_KEY_PREFIX, PROJECT_TOKEN_PREFIX, masked, new_token, stored_form
from libs.kit.clock import SystemClock
from libs.kit.contracts.events import StoredEvent
from libs.kit.contracts.topics import ALL, STORED_EVENTS
from libs.kit.eventlog import NewRecord
from libs.kit.postgres import Postgres
from libs.kit.runtime import Runtime
from libs.kit.schema.postgres.runner import migrate_postgres
from libs.kit.settings import KitSettings
from services.web.app import create_app, open_app
from services.web.settings import WebSettings

EMAIL, PASSWORD = "ada@example.com", "correct horse battery staple"


@dataclass
class Web:
    """The app, and what a newcomer knows of it."""

    runtime: Runtime
    app: FastAPI
    project_id: int
    token: str
    key: str

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A browser or program of its own: no cookies yet."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost:8000", headers=headers, timeout=120)

    def with_key(self, key: str | None = None) -> httpx.AsyncClient:
        """A program that sends a personal API key."""
        return self.client(Authorization=f"Bearer {key or self.key}")

    @contextlib.asynccontextmanager
    async def signed_in(self, email: str = EMAIL, password: str = PASSWORD) -> AsyncIterator[httpx.AsyncClient]:
        """A browser after sign-in, which sends the CSRF header as our pages do."""
        async with self.client() as client:
            answer = await client.post("/api/login/", json={"email": email, "password": password})
            assert answer.status_code == 200, answer.text
            client.headers["X-CSRFToken"] = client.cookies["posthog_csrftoken"]
            yield client

    async def add_key(self, *, scopes: list[str], teams: list[int] = [], organizations: list[UUID] = []) -> str:  # noqa: B006
        """A key of the first user."""
        value = new_token(PERSONAL_KEY_PREFIX)
        await self.runtime.postgres.execute(
            """INSERT INTO posthog_personalapikey (id, user_id, label, secure_value, mask_value, scopes, scoped_teams,
                   scoped_organizations) SELECT $1, min(id), 'k', $2, $3, $4, $5, $6 FROM posthog_user""",
            new_token(""),
            stored_form(value),
            masked(value),
            scopes,
            teams,
            organizations,
        )
        return value

    async def add_user(self, email: str, *, level: int | None, password: str = PASSWORD) -> int:
        """Another person; a member of the first organization at `level`, or of none."""
        user_id = await self.runtime.postgres.fetch_one(
            "INSERT INTO posthog_user (email, password, distinct_id) VALUES ($1, $2, $3) RETURNING id",
            email,
            await Passwords().hash(password),
            new_token(""),
        )
        assert user_id
        if level is not None:
            await self.runtime.postgres.execute(
                """INSERT INTO posthog_organizationmembership (organization_id, user_id, level)
                   SELECT id, $1, $2 FROM posthog_organization ORDER BY created_at LIMIT 1""",
                user_id["id"],
                level,
            )
            await self.runtime.postgres.execute(
                """UPDATE posthog_user SET current_team_id = $2, current_organization_id =
                   (SELECT organization_id FROM posthog_team WHERE id = $2) WHERE id = $1""",
                user_id["id"],
                self.project_id,
            )
        return int(user_id["id"])

    async def add_foreign_project(self) -> tuple[int, UUID]:
        """A project of an organization nobody here belongs to."""
        organization = uuid4()
        await self.runtime.postgres.execute(
            "INSERT INTO posthog_organization (id, name, slug) VALUES ($1, 'Other', $2)",
            organization,
            str(organization),
        )
        row = await self.runtime.postgres.fetch_one(
            "INSERT INTO posthog_team (organization_id, name, api_token) VALUES ($1, 'Theirs', $2) RETURNING id",
            organization,
            new_token(PROJECT_TOKEN_PREFIX),
        )
        assert row
        return int(row["id"]), organization

    async def send(
        self, *events: str, team_id: int | None = None, distinct_id: str = "u1", properties: str = "{}"
    ) -> None:
        """Events on the log, as ingestion puts them there."""
        await self.runtime.log.produce(
            STORED_EVENTS.name,
            [stored_record(event, team_id or self.project_id, distinct_id, properties) for event in events],
        )


def stored_record(event: str, team_id: int, distinct_id: str, properties: str) -> NewRecord:
    """One event, as ingestion puts it on the log."""
    identity = str(uuid4())
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    stored = StoredEvent(
        uuid=identity,
        event=event,
        properties=msgspec.Raw(properties.encode()),
        timestamp=now,
        team_id=team_id,
        project_id=team_id,
        distinct_id=distinct_id,
        elements_chain="",
        created_at=now,
        captured_at=now,
        person_id=str(uuid4()),
        person_properties=msgspec.Raw(b"{}"),
        person_created_at=now,
        person_mode="full",
    )
    return NewRecord(identity.encode(), msgspec.json.encode(stored))


async def migrated(settings: KitSettings) -> None:
    """Make the tables."""
    postgres = Postgres(settings, SystemClock())
    await postgres.open()
    await migrate_postgres(postgres, settings)
    await postgres.close()


async def made(runtime: Runtime, settings: WebSettings | None = None) -> Web:
    """Empty a migrated database and both Valkeys, make the first user, and put the app over it."""
    await runtime.postgres.execute("TRUNCATE posthog_organization, posthog_user CASCADE")
    await runtime.state.flushall()
    log_url = runtime.settings.log_redis_url
    assert log_url
    async with Redis.from_url(log_url.get_secret_value()) as log:
        await log.flushall()
    await runtime.log.ensure(ALL)
    token, key = new_token(PROJECT_TOKEN_PREFIX), new_token(PERSONAL_KEY_PREFIX)
    project_id = await bootstrap(
        runtime.postgres, email=EMAIL, password=PASSWORD, project_api_key=token, personal_api_key=key
    )
    return Web(runtime, create_app(runtime, settings or WebSettings()), project_id, token, key)


@contextlib.asynccontextmanager
async def served(web: Web, settings: WebSettings, port: int) -> AsyncIterator[str]:
    """The app on a port, with its tail of the log; for streams and browsers. Yields its address."""
    async with open_app(web.runtime, settings) as app:
        config = uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server.serve())
        async with asyncio.timeout(60):
            while not server.started:
                await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await task
