"""The engines that contract tests share: one server of each kind per run, names unique per test."""

from collections.abc import Iterator

import pytest

from tests.support.valkey import ValkeyServer, running_valkey


@pytest.fixture(scope="session")
def valkey_log() -> Iterator[ValkeyServer]:
    """A `log` server without a memory limit."""
    with running_valkey() as server:
        yield server
