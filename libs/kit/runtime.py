"""The runtime of a process: opens what it needs in order, hands it out, closes it in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis

from libs.kit.blobs import Blobs
from libs.kit.blobs.open import open_blobs
from libs.kit.clickhouse import ClickHouse
from libs.kit.clients import Services
from libs.kit.clock import Clock, SystemClock
from libs.kit.eventlog import EventLog
from libs.kit.eventlog.open import open_eventlog
from libs.kit.health import Health
from libs.kit.postgres import Postgres
from libs.kit.settings import KitSettings


@dataclass(frozen=True)
class Runtime:
    """Everything a service may use. Nothing here is global; tests build their own."""

    settings: KitSettings
    clock: Clock
    health: Health
    postgres: Postgres
    clickhouse: ClickHouse
    log: EventLog
    state: Redis
    blobs: Blobs
    services: Services


@asynccontextmanager
async def open_runtime(settings: KitSettings, clock: Clock | None = None) -> AsyncIterator[Runtime]:
    """Open all stores lazily: a process starts, and says what is missing, while an engine is still away."""
    clock = clock or SystemClock()
    health = Health(clock)
    async with AsyncExitStack() as stack:
        postgres = Postgres(settings, clock)
        await postgres.open()
        stack.push_async_callback(postgres.close)
        clickhouse = ClickHouse(settings, clock)
        await clickhouse.open()
        stack.push_async_callback(clickhouse.close)
        state: Redis = Redis.from_url(
            settings.state_redis_url.get_secret_value(),
            socket_timeout=settings.redis_timeout_seconds,
            socket_connect_timeout=settings.redis_timeout_seconds,
        )
        stack.push_async_callback(state.aclose)
        log = await open_eventlog(settings, clock)
        stack.push_async_callback(log.close)
        blobs = open_blobs(settings)
        stack.push_async_callback(blobs.close)
        addresses = {"query": settings.query_url} if settings.query_url else {}
        services = Services(addresses, timeout_seconds=settings.service_timeout_seconds)
        stack.push_async_callback(services.close)

        async def check_state() -> None:
            await state.ping()

        health.add("postgres", postgres.check)
        health.add("clickhouse", clickhouse.check)
        health.add("log", log.check)
        health.add("state", check_state)
        health.add("blobs", blobs.check)
        yield Runtime(settings, clock, health, postgres, clickhouse, log, state, blobs, services)
