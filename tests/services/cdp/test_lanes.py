"""Live events, overflow and imports come by topics of their own: each exactly once, none held up by another."""

import asyncio

from libs.kit.contracts import topics
from libs.kit.runtime import Runtime
from services.cdp.ingestion import worker as ingestion
from services.cdp.settings import IngestionSettings
from tests.support.captured import captured_new
from tests.support.cdp_process import Forks
from tests.support.pipeline import Workers, drained, events, lag, prepare, stored, until

SHORT_LEASE = {"log_lease_seconds": 1.1}


async def test_every_lane_ends_in_the_same_rows_once(runtime: Runtime) -> None:
    await prepare(runtime)
    batch = events(60)
    for topic, share in zip(topics.CAPTURED, (batch[:20], batch[20:40], batch[40:]), strict=True):
        await runtime.log.produce(topic.name, share)
    await runtime.log.produce(topics.OVERFLOW.name, batch[:5])  # sent again, and moved this time
    await runtime.log.produce(topics.HISTORICAL.name, [captured_new(event="old", historical_migration=True)])
    async with Workers(runtime):
        await drained(runtime)
    assert await stored(runtime) == (61, 61)
    result = await runtime.clickhouse.query("SELECT count() FROM events WHERE historical_migration")
    assert result.rows == [[1]]
    rows = await runtime.postgres.fetch(
        "SELECT topic, consumer_group, sum(next_offset) AS at FROM hedgerow_log_position GROUP BY 1, 2"
    )
    assert {(row["topic"], row["consumer_group"]): int(row["at"]) for row in rows} == {
        (topics.EVENTS.name, topics.INGESTION_GROUP): 20,
        (topics.OVERFLOW.name, topics.OVERFLOW_GROUP): 25,
        (topics.HISTORICAL.name, topics.HISTORICAL_GROUP): 21,
    }
    people = await runtime.postgres.fetch("SELECT count(*) AS n FROM posthog_person WHERE NOT is_deleted")
    assert people[0]["n"] == 8


async def test_a_lane_that_was_killed_goes_on_without_loss_or_copy(runtime: Runtime) -> None:
    await prepare(runtime)
    settings = runtime.settings.model_copy(update=SHORT_LEASE)
    sent = 0
    async with Forks(settings) as forks:
        for point in ("ingestion.inside_commit", "ingestion.after_commit", "ingestion.after_produce"):
            batch = events(30)
            sent += len(batch)
            await runtime.log.produce(topics.HISTORICAL.name, batch[:15])
            pid = await forks.start(crash_at=point)
            assert await forks.ended() == (pid, -9)
            await runtime.log.produce(topics.OVERFLOW.name, batch[10:])
    async with Workers(runtime):
        await drained(runtime)
    assert await stored(runtime) == (sent, sent)


async def test_the_same_people_in_two_lanes_at_once(runtime: Runtime) -> None:
    """Both lanes rewrite the same persons; whoever comes second decides anew, and no write is lost."""
    await prepare(runtime)
    people = [f"p{number}" for number in range(5)]
    for number in range(20):
        for topic, name in ((topics.EVENTS, "live"), (topics.HISTORICAL, "old")):
            said = [captured_new(distinct_id=who, properties={"$set": {f"{name}{number}": number}}) for who in people]
            await runtime.log.produce(topic.name, said)
    async with Workers(runtime, IngestionSettings(fetch_seconds=0.1, linger_seconds=0, batch_records=10)):
        await drained(runtime)
    assert await stored(runtime) == (200, 200)
    rows = await runtime.postgres.fetch(
        "SELECT (SELECT count(*) FROM jsonb_object_keys(properties) AS k WHERE k ~ '^(live|old)') AS n "
        "FROM posthog_person"
    )
    assert [row["n"] for row in rows] == [40] * 5


async def test_a_long_import_holds_up_no_live_event(runtime: Runtime) -> None:
    await prepare(runtime)
    await runtime.log.produce(topics.HISTORICAL.name, events(3000))
    stop = asyncio.Event()
    settings = IngestionSettings(fetch_seconds=0.1, linger_seconds=0, batch_records=30)
    task = asyncio.create_task(ingestion.run(runtime, settings, stop))

    async def begun() -> bool:
        return await lag(runtime, topics.HISTORICAL.name, topics.HISTORICAL_GROUP) < 3000

    async def through() -> bool:
        return await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP) == 0

    await until(begun)
    await runtime.log.produce(topics.EVENTS.name, [captured_new(event="live")])
    await until(through)
    assert await lag(runtime, topics.HISTORICAL.name, topics.HISTORICAL_GROUP) > 0
    stop.set()
    await task


async def test_a_process_reads_the_lanes_it_was_given(runtime: Runtime) -> None:
    await prepare(runtime)
    for topic in topics.CAPTURED:
        await runtime.log.produce(topic.name, events(3))
    stop = asyncio.Event()
    task = asyncio.create_task(ingestion.run(runtime, IngestionSettings(lanes="overflow", fetch_seconds=0.1), stop))

    async def through() -> bool:
        return await lag(runtime, topics.OVERFLOW.name, topics.OVERFLOW_GROUP) == 0

    await until(through)
    assert [await lag(runtime, topic.name, topic.groups[0]) for topic in topics.CAPTURED] == [3, 0, 3]
    stop.set()
    await task
