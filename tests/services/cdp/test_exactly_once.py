"""Kill the workers at every named place, send everything several times: each event is stored once, none is lost."""

import uuid
from functools import partial

from libs.kit.contracts import topics
from libs.kit.eventlog import NewRecord
from libs.kit.runtime import Runtime
from services.cdp.crashpoints import CRASH_POINTS
from tests.support.captured import captured_new
from tests.support.cdp_process import Forks
from tests.support.pipeline import (
    QUICK_INGESTION,
    QUICK_WRITER,
    Workers,
    dead,
    drained,
    events,
    lag,
    prepare,
    stored,
    until,
)

SHORT_LEASE = {"log_lease_seconds": 1.1}


def over_many_months() -> list[NewRecord]:
    """More months than one insert may touch."""
    return [
        captured_new(distinct_id="old", event="old", timestamp=f"{2005 + index // 12}-{index % 12 + 1:02}-05T00:00:00Z")
        for index in range(110)
    ]


async def test_every_crash_point(runtime: Runtime) -> None:
    await prepare(runtime)
    settings = runtime.settings.model_copy(update=SHORT_LEASE)
    sent = 0
    async with Forks(settings, TEST_UVLOOP="1") as forks:
        for point in CRASH_POINTS:
            batch = events(20)
            if point == "writer.between_inserts":
                batch += over_many_months()
            if point in ("writer.before_dead_letters", "writer.after_dead_letters"):
                await runtime.log.produce(topics.STORED_EVENTS.name, [NewRecord(b"k", b"no event")])
            await runtime.log.produce(topics.EVENTS.name, batch)
            sent += len(batch)
            pid = await forks.start(crash_at=point)
            assert await forks.ended() == (pid, -9), f"{point} was not passed"
            await runtime.log.produce(topics.EVENTS.name, batch[:7])  # the client got no answer, and sends again
    async with Workers(runtime):
        await drained(runtime)
    assert await stored(runtime) == (sent, sent)
    rows = await runtime.postgres.fetch("SELECT count(*) AS n FROM posthog_persondistinctid")
    assert rows[0]["n"] == 8
    assert {record.value for record in await dead(runtime, 2)} == {b"no event"}


async def test_copies_in_one_batch_across_batches_and_across_restarts(runtime: Runtime) -> None:
    await prepare(runtime)
    batch = events(60)
    for _ in range(3):
        async with Workers(runtime):
            for _ in range(2):
                await runtime.log.produce(topics.EVENTS.name, batch * 2)
                await drained(runtime)
    assert await stored(runtime) == (60, 60)


async def test_what_was_fetched_ahead_comes_back_after_a_stop(runtime: Runtime) -> None:
    """Workers with a backlog hold a batch that nobody works on yet. They stop again and again while they do."""
    await prepare(runtime)
    batch = events(240)
    await runtime.log.produce(topics.EVENTS.name, batch)
    few = {"batch_records": 20, "linger_seconds": 0.0, "fetch_seconds": 0.1}
    ingestion, writer = QUICK_INGESTION.model_copy(update=few), QUICK_WRITER.model_copy(update=few)
    for _ in range(4):
        left = await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP)
        async with Workers(runtime, ingestion, writer):
            await until(partial(moved, runtime, left))
    async with Workers(runtime, ingestion, writer):
        await drained(runtime, seconds=120)
    assert await stored(runtime) == (240, 240)
    people = await runtime.postgres.fetch("SELECT properties ->> 'last' AS last FROM posthog_person")
    assert sorted(int(row["last"]) for row in people) == list(range(233, 240))  # each one's events were in order


async def moved(runtime: Runtime, left: int) -> bool:
    return await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP) < left


async def test_same_uuid_of_another_event_is_no_copy(runtime: Runtime) -> None:
    await prepare(runtime)
    one = str(uuid.uuid4())
    batch = [captured_new(uuid_=one, event=event, distinct_id=who) for event in ("a", "b") for who in ("x", "y")]
    async with Workers(runtime):
        await runtime.log.produce(topics.EVENTS.name, batch * 2)
        await drained(runtime)
    assert await stored(runtime) == (4, 1)
