"""The web app over the embedded engines."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from argon2.profiles import CHEAPEST

from libs.kit.access import passwords
from libs.kit.clock import SystemClock
from libs.kit.runtime import open_runtime
from libs.kit.settings import KitSettings
from tests.support import engines
from tests.support import web as support
from tests.support.web import Web

if TYPE_CHECKING:
    from hedgerow.embedded.instance import Instance


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same algorithm, without the second of work that makes it safe."""
    monkeypatch.setattr(passwords, "PROFILE", CHEAPEST)


@pytest.fixture(scope="module")
def migrated(instance: "Instance") -> Iterator[KitSettings]:
    """A migrated database for the tests of a module."""
    with asyncio.Runner() as runner, ExitStack() as stack:
        database = engines.fresh_settings(instance)
        settings = runner.run(database.__aenter__())
        stack.callback(lambda: runner.run(database.__aexit__(None, None, None)))
        runner.run(support.migrated(settings))
        yield settings


@pytest.fixture
async def web(migrated: KitSettings) -> AsyncIterator[Web]:
    """The app, emptied but for the first user and project; both Valkeys are empty."""
    async with open_runtime(migrated, SystemClock()) as runtime:
        yield await support.made(runtime)
