"""The embedded engines for tests: started once, each test with databases of its own."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import asyncpg
from redis.asyncio import Redis

from hedgerow.embedded import engines, instance, postgres, process
from libs.kit.settings import KitSettings

if TYPE_CHECKING:
    from libs.kit.clickhouse import ClickHouse
    from libs.kit.runtime import Runtime


@contextmanager
def running(directory: Path) -> Iterator[instance.Instance]:
    """Every embedded engine on `directory`, ready; stopped when the block ends."""
    with instance.opened(directory) as opened, ExitStack() as stack:
        engines.prepare(opened)
        started = []
        for engine in engines.all_of(opened):
            output = stack.enter_context((directory / "logs" / f"{engine.name}.log").open("ab"))
            child = process.start(engine.command(), output, keep=(opened.lock,))
            stack.callback(process.stop, child, engine.command().stop_signal, seconds=20)
            started.append((engine, child))
        for engine, child in started:
            process.wait_until(engine.ready, child, seconds=120)
        asyncio.run(engines.ensure_database(opened))
        yield opened


def settings_of(opened: instance.Instance) -> KitSettings:
    """The settings a service would read from its environment."""
    with mock.patch.dict(os.environ, {**opened.environment("http://localhost:8000"), **other_clickhouse()}):
        return KitSettings()


def other_clickhouse() -> dict[str, str]:
    """Variables that lead to the real server of HEDGEROW_TEST_CLICKHOUSE=host:http_port:native_port:user:password."""
    names = ("HOST", "HTTP_PORT", "NATIVE_PORT", "USER", "PASSWORD")
    given = os.environ.get("HEDGEROW_TEST_CLICKHOUSE")
    if not given:
        return {}
    return {f"HEDGEROW_CLICKHOUSE_{name}": value for name, value in zip(names, given.split(":"), strict=True)}


@asynccontextmanager
async def fresh_settings(opened: instance.Instance) -> AsyncIterator[KitSettings]:
    """Settings that name a new PostgreSQL and a new ClickHouse database; both Valkeys are emptied."""
    name = f"t_{secrets.token_hex(6)}"
    settings = settings_of(opened)
    for url in (settings.log_redis_url, settings.state_redis_url):
        assert url
        async with Redis.from_url(url.get_secret_value()) as client:
            await client.flushall()
    superuser = postgres.dsn(opened.ports.postgres, postgres.SUPERUSER, opened.secrets.postgres_superuser, "postgres")
    connection = await asyncpg.connect(superuser)
    await connection.execute(f"CREATE DATABASE {name} OWNER {instance.DATABASE}")
    try:
        dsn = postgres.dsn(opened.ports.postgres, instance.DATABASE, opened.secrets.postgres, name)
        yield settings.model_copy(
            update={"postgres_dsn": type(settings.postgres_dsn)(dsn), "clickhouse_database": name}
        )
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


@asynccontextmanager
async def fresh_runtime(opened: instance.Instance) -> AsyncIterator["Runtime"]:
    """A runtime on `fresh_settings`, with the ClickHouse database made and nothing migrated."""
    from libs.kit.clock import SystemClock
    from libs.kit.runtime import open_runtime

    async with fresh_settings(opened) as settings, open_runtime(settings, SystemClock()) as runtime:
        # A connection says which database it wants, so the first statement goes through another one.
        bare = settings.model_copy(update={"clickhouse_database": "default"})
        async with _clickhouse(bare) as client:
            await client.execute(f"CREATE DATABASE IF NOT EXISTS {settings.clickhouse_database}")
            try:
                yield runtime
            finally:
                await client.execute(f"DROP DATABASE IF EXISTS {settings.clickhouse_database}")


@asynccontextmanager
async def _clickhouse(settings: KitSettings) -> AsyncIterator["ClickHouse"]:
    from libs.kit.clickhouse import ClickHouse
    from libs.kit.clock import SystemClock

    client = ClickHouse(settings, SystemClock())
    await client.open()
    try:
        yield client
    finally:
        await client.close()
