"""The fixtures themselves: what they lead to is real, and one test does not see another's data."""

import pytest
from redis.asyncio import Redis

from libs.kit.clock import SystemClock
from libs.kit.postgres import Postgres
from libs.kit.runtime import Runtime
from libs.kit.settings import KitSettings


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_an_empty_world(fresh_settings: KitSettings, turn: int) -> None:
    postgres = Postgres(fresh_settings, SystemClock())
    await postgres.open()
    await postgres.execute("CREATE TABLE seen (turn int)")
    await postgres.close()
    async with Redis.from_url(fresh_settings.state_redis_url.get_secret_value()) as state:
        assert await state.dbsize() == 0
        await state.set("turn", turn)


async def test_the_runtime_reaches_every_engine(runtime: Runtime) -> None:
    assert await runtime.health.report() == dict.fromkeys(("postgres", "clickhouse", "log", "state", "blobs"), "ok")
    assert await runtime.clickhouse.fetch("SELECT count() FROM system.tables WHERE database = currentDatabase()") == [
        (0,)
    ]
