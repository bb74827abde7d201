"""Fixtures for tests against real engines. Nothing starts unless a test asks for it."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support import engines as support

if TYPE_CHECKING:
    from hedgerow.embedded.instance import Instance
    from libs.kit.runtime import Runtime
    from libs.kit.settings import KitSettings


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Instance"]:
    """All embedded engines, started once for the whole run."""
    with support.running(tmp_path_factory.mktemp("engines")) as opened:
        yield opened


@pytest.fixture
def engines(instance: "Instance") -> "KitSettings":
    """Settings that lead to the embedded engines (shared by all tests: use names of your own)."""
    return support.settings_of(instance)


@pytest.fixture
async def fresh_settings(instance: "Instance") -> AsyncIterator["KitSettings"]:
    """Settings with a PostgreSQL database of this test's own; both Valkeys are empty."""
    async with support.fresh_settings(instance) as settings:
        yield settings


@pytest.fixture
async def runtime(instance: "Instance") -> AsyncIterator["Runtime"]:
    """An open runtime with databases of this test's own, not migrated; both Valkeys are empty."""
    async with support.fresh_runtime(instance) as opened:
        yield opened
