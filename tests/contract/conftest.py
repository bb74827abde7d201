"""The engines that contract tests share: one server of each kind per run, names unique per test."""

import shutil
from collections.abc import Iterator

import pytest

from tests.support.eventlogs import KafkaBackend
from tests.support.kafka import shared_broker
from tests.support.require import require
from tests.support.valkey import ValkeyServer, running_valkey


@pytest.fixture(scope="session")
def valkey_log() -> Iterator[ValkeyServer]:
    """A `log` server without a memory limit."""
    with running_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def redis_log() -> Iterator[ValkeyServer]:
    """The same, of the Redis that the system has."""
    binary = shutil.which("redis-server")
    require(binary, "Redis 7 or newer is the networked event log's other server (Debian: redis-server)")
    with running_valkey(binary=binary) as server:
        yield server


@pytest.fixture(scope="session")
def kafka_backend() -> KafkaBackend:
    """A real broker, shared by everything in this run that needs one."""
    return KafkaBackend(shared_broker().brokers)
