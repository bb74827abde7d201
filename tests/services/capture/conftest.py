"""A running capture for each of its callers."""

from collections.abc import AsyncIterator

import pytest

from tests.support.capture_server import CALLERS, Caller, CaptureServer, capture_server


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest) -> Caller:
    found: Caller = request.param
    return found


@pytest.fixture
async def server(caller: Caller) -> AsyncIterator[CaptureServer]:
    async with capture_server(caller) as running:
        yield running
