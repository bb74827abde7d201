"""The engines that contract tests share: one server of each kind per run, names unique per test."""

from collections.abc import Iterator

import pytest

from tests.support.eventlogs import KafkaBackend
from tests.support.kafka import shared_broker
from tests.support.valkey import ValkeyServer, running_valkey


@pytest.fixture(scope="session")
def valkey_log() -> Iterator[ValkeyServer]:
    """A `log` server without a memory limit."""
    with running_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def kafka_backend() -> KafkaBackend:
    """A real broker, shared by everything in this run that needs one."""
    return KafkaBackend(shared_broker().brokers)
