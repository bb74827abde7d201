"""Event logs of every backend behind one face, so that the contract suite says everything once."""

import asyncio
from typing import Any, Protocol

from aiokafka.admin import AIOKafkaAdminClient
from redis.asyncio import Redis

from libs.kit.clock import SystemClock
from libs.kit.eventlog import EventLog
from libs.kit.eventlog.open import open_eventlog
from libs.kit.eventlog.testing import MemoryEventLog
from libs.kit.settings import KitSettings

LEASE_SECONDS = 3.0  # longer than a busy machine keeps a process waiting


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


class KafkaBackend:
    """A broker that was started by the test run."""

    name = "kafka"

    def __init__(self, brokers: str, **changes: Any):
        self._brokers = brokers
        self._changes = changes
        self.environment = {"HEDGEROW_EVENTLOG": "kafka", "HEDGEROW_KAFKA_BROKERS": brokers}

    async def connect(self) -> EventLog:
        settings = log_settings(eventlog="kafka", kafka_brokers=self._brokers, **self._changes)
        return await open_eventlog(settings, SystemClock())

    async def delete(self, topic: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._brokers)
        await admin.start()
        try:
            await admin.delete_topics([topic])
            while topic in await admin.list_topics():
                await asyncio.sleep(0.05)
        finally:
            await admin.close()
