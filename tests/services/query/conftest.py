"""The query service over real engines, with the events of two teams."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest_asyncio
from redis.asyncio import Redis

from libs.kit.access.bootstrap import bootstrap
from libs.kit.access.tokens import PERSONAL_KEY_PREFIX, PROJECT_TOKEN_PREFIX, new_token
from libs.kit.clickhouse import ClickHouse
from libs.kit.clock import SystemClock
from libs.kit.postgres import Postgres
from libs.kit.schema.migrate import migrate
from services.query.app import create_app
from services.query.settings import QuerySettings
from tests.support.engines import fresh_settings
from tests.support.hogql import ROWS, TEAM

if TYPE_CHECKING:
    from hedgerow.embedded.instance import Instance
    from libs.kit.settings import KitSettings


class Api:
    """The service as a client sees it: `team` is the project the key may read, which holds the events of TEAM."""

    def __init__(self, client: httpx.AsyncClient, runtime: Any, team: int, key: str):
        self.client = client
        self.runtime = runtime
        self.team = team
        self.key = key

    async def post(self, body: Any, *, team: int | str | None = None, **more: Any) -> httpx.Response:
        """One request with the key."""
        headers = {"authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        path = more.pop("path", f"/api/projects/{team or self.team}/query/")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers.setdefault("content-type", "application/json")
        return await self.client.post(path, content=content, headers=headers, **more)

    async def hogql(self, text: str, **more: Any) -> httpx.Response:
        """One HogQL query."""
        return await self.post({"query": {"kind": "HogQLQuery", "query": text, **more}})


@asynccontextmanager
async def stores(settings: "KitSettings") -> AsyncIterator[Any]:
    """The stores that this service uses, opened and migrated."""
    clock = SystemClock()
    bare = ClickHouse(settings.model_copy(update={"clickhouse_database": "default"}), clock)
    await bare.open()
    await bare.execute(f"CREATE DATABASE IF NOT EXISTS {settings.clickhouse_database}")
    postgres, clickhouse = Postgres(settings, clock), ClickHouse(settings, clock)
    state: Redis = Redis.from_url(settings.state_redis_url.get_secret_value())
    await postgres.open()
    await clickhouse.open()
    try:
        await migrate(postgres, clickhouse, settings, clock)
        yield SimpleNamespace(settings=settings, clock=clock, postgres=postgres, clickhouse=clickhouse, state=state)
    finally:
        await clickhouse.close()
        await postgres.close()
        await state.aclose()
        await bare.execute(f"DROP DATABASE IF EXISTS {settings.clickhouse_database}")
        await bare.close()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def api(instance: "Instance") -> AsyncIterator[Api]:
    """See Api."""
    key = new_token(PERSONAL_KEY_PREFIX)
    async with fresh_settings(instance) as settings, stores(settings) as runtime:
        team = await bootstrap(
            runtime.postgres,
            email="someone@example.com",
            password="a long password",
            project_api_key=new_token(PROJECT_TOKEN_PREFIX),
            personal_api_key=key,
        )
        renumbered = [{**row, "team_id": team if row["team_id"] == TEAM else team + 1} for row in ROWS]
        await runtime.clickhouse.insert("events", "\n".join(json.dumps(row) for row in renumbered).encode())
        app = create_app(runtime, QuerySettings())
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://query") as client:
            yield Api(client, runtime, team, key)
