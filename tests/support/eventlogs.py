"""Event logs of every backend behind one face, so that the contract suite says everything once."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from redis.asyncio import Redis

from libs.kit.clock import SystemClock
from libs.kit.eventlog import EventLog, Topic
from libs.kit.eventlog.open import open_eventlog
from libs.kit.eventlog.testing import MemoryEventLog
from libs.kit.settings import KitSettings

LEASE_SECONDS = 1.5


def log_settings(**changes: Any) -> KitSettings:
    """Settings for an event log alone; the other engines are named but never reached."""
    defaults: dict[str, Any] = {
        "secret_key": "t" * 32,
        "postgres_dsn": "postgresql://nowhere",
        "state_redis_url": "redis://nowhere",
        "log_lease_seconds": LEASE_SECONDS,
        "log_partitions": 4,
    }
    return KitSettings(**{**defaults, **changes})


class Backend(Protocol):
    """One kind of event log, as tests need it."""

    name: str
    environment: dict[str, str]

    async def connect(self) -> EventLog:
        """Another client of the same log."""

    async def delete(self, topic: str) -> None:
        """Delete a topic with its positions, as an operator might."""


class MemoryBackend:
    """One object is the log; its clients are its users."""

    name = "memory"

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self._log = MemoryEventLog(SystemClock(), lease_seconds=LEASE_SECONDS)

    async def connect(self) -> EventLog:
        return self._log

    async def delete(self, topic: str) -> None:
        self._log.delete(topic)


class RedisBackend:
    """A Valkey that was started by the test run."""

    name = "redis"

    def __init__(self, url: str, **changes: Any):
        self._url = url
        self._changes = changes
        self.environment = {"HEDGEROW_EVENTLOG": "redis", "HEDGEROW_LOG_REDIS_URL": url}

    async def connect(self) -> EventLog:
        return await open_eventlog(log_settings(log_redis_url=self._url, **self._changes), SystemClock())

    async def delete(self, topic: str) -> None:
        async with Redis.from_url(self._url) as client:
            keys = [key async for key in client.scan_iter(f"log:{{{topic}}}*")]
            await client.delete(*keys)


async def make_topic(log: EventLog, name: str, *groups: str) -> Topic:
    """A topic whose trimming waits for `groups`."""
    topic = Topic(name, groups=groups)
    await log.ensure([topic])
    return topic


Connect = Callable[[], Awaitable[EventLog]]
