"""Fixtures for tests against real engines. Nothing starts unless a test asks for it.

Generated tests run the same examples every time, as long as the test stays as it is: a new failing example is for
`make soak` to find, not for a change that has nothing to do with it. HEDGEROW_TEST_SEED=N
gives other examples, the same ones for the same N; `make soak` draws one and prints it.
"""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import hypothesis
import pytest
import uvloop
from hypothesis.internal.conjecture import providers

from tests.support import engines as support
from tests.support.scale import SCALE, SEED

if TYPE_CHECKING:
    from hedgerow.embedded.instance import Instance
    from libs.kit.runtime import Runtime
    from libs.kit.settings import KitSettings

# No deadline, and no judgement of slowness: on a busy machine every example is late once.
hypothesis.settings.register_profile(
    "hedgerow",
    derandomize=SEED is None,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("hedgerow")
if SEED is None:
    # It would mix constants of every module loaded so far into the examples: a change far away, or another selection of
    # tests, would make other ones.
    providers._get_local_constants = lambda: providers._local_constants


def pytest_configure(config: pytest.Config) -> None:
    """The seed of a run that was given one."""
    if SEED is not None:
        config.option.hypothesis_seed = SEED


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], AbstractEventLoop]]:
    """The loop of the services: it differs from asyncio's where it matters, such as in how a reset connection ends."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_report_header() -> str:
    """Where generated tests got their examples from."""
    return f"generated tests: scale {SCALE:g}, " + ("the fixed examples" if SEED is None else f"seed {SEED}")


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
