"""Both workers of cdp against real engines: set up, produce, drain, look."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from libs.kit.contracts import topics
from libs.kit.eventlog import NewRecord, Record, Tail
from libs.kit.runtime import Runtime
from libs.kit.schema.migrate import migrate
from services.cdp.ingestion import worker as ingestion
from services.cdp.settings import IngestionSettings, WriterSettings
from services.cdp.writer import worker as writer
from services.cdp.writer.tables import TOPICS
from tests.support.captured import captured_new

TOKEN = "phc_one"
PATIENCE = 120.0  # seconds; most of it is for a machine that is busy elsewhere
QUICK_INGESTION = IngestionSettings(fetch_seconds=0.1, linger_seconds=0.01)
QUICK_WRITER = WriterSettings(
    fetch_seconds=0.1, linger_seconds=0.01, tables_max_linger_seconds=0.1, seen_filter_mebibytes=1
)
GROUPS = (
    *((topic.name, topic.groups[0]) for topic in topics.CAPTURED),
    (topics.STORED_EVENTS.name, topics.WRITER_GROUP),
    *((topic, topics.TABLES_GROUP) for topic in TOPICS),
)


async def prepare(runtime: Runtime) -> None:
    """Schemas, topics, and one team with the token `phc_one`."""
    await migrate(runtime.postgres, runtime.clickhouse, runtime.settings, runtime.clock)
    await runtime.log.ensure(topics.ALL)
    organization = uuid.uuid4()
    await runtime.postgres.execute(
        "INSERT INTO posthog_organization (id, name, slug) VALUES ($1, 'Acme', 'acme')", organization
    )
    await runtime.postgres.execute(
        "INSERT INTO posthog_team (id, organization_id, name, api_token) VALUES (1, $1, 'Site', $2)",
        organization,
        TOKEN,
    )


def events(number: int, **more: Any) -> list[NewRecord]:
    """New events of several people, over eight months."""
    return [
        captured_new(
            **{
                "event": f"e{index % 3}",
                "distinct_id": f"user {index % 7}",
                "timestamp": f"2026-{index % 8 + 3:02}-05T10:11:12.345Z",
                "properties": {"index": index, "$set": {"last": index}},
                **more,
            }
        )
        for index in range(number)
    ]


@dataclass
class Workers:
    """The two loops, running in this process until stopped."""

    runtime: Runtime
    ingestion_settings: IngestionSettings = QUICK_INGESTION
    writer_settings: WriterSettings = QUICK_WRITER
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> "Workers":
        self.tasks = [
            asyncio.create_task(ingestion.run(self.runtime, self.ingestion_settings, self.stop)),
            asyncio.create_task(writer.run(self.runtime, self.writer_settings, self.stop)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await asyncio.gather(*self.tasks)


async def drained(runtime: Runtime, *, seconds: float = PATIENCE) -> None:
    """Wait until all groups have committed everything that is in their topics."""

    async def empty() -> bool:
        # in this order: ingestion's position moves after what it made is in the writer's topic
        for topic, group in GROUPS:
            if await lag(runtime, topic, group):
                return False
        return True

    await until(empty, seconds)


async def until(what: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not await what():
            await asyncio.sleep(0.05)


async def lag(runtime: Runtime, topic: str, group: str) -> int:
    """Records that a group has not committed."""
    from libs.kit.eventlog.redis import RedisEventLog
    from libs.kit.eventlog.redis_streams import read_ends

    assert isinstance(runtime.log, RedisEventLog)
    known = await runtime.log.incarnation(topic)
    wire = runtime.log.wire()
    ends = await read_ends(wire, known)
    positions = await wire.call("HGETALL", known.positions)
    await wire.close()
    at = {positions[index].decode(): int(positions[index + 1]) for index in range(0, len(positions), 2)}
    return sum(end - at.get(f"{group}/{partition}", 0) for partition, end in enumerate(ends))


async def stored(runtime: Runtime) -> tuple[int, int]:
    """count() and uniqExact(uuid)."""
    result = await runtime.clickhouse.query("SELECT count(), uniqExact(uuid) FROM events")
    return int(result.rows[0][0]), int(result.rows[0][1])


async def dead(runtime: Runtime, number: int) -> Sequence[Record]:
    """The newest dead letters."""
    async with runtime.log.tail(topics.DEAD_LETTERS.name, last=1000) as tail:
        return await rest_of(tail) if number else []


async def rest_of(tail: Tail) -> list[Record]:
    """What a tail still has to give; one fetch may bring a part of it."""
    records: list[Record] = []
    while not tail.caught_up:
        records += await tail.fetch(max_records=1000, timeout=1)
    return records
