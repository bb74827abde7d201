"""Health names the part that is not ready, and asks at most every two seconds."""

import asyncio
from datetime import UTC, datetime

import pytest

from libs.kit import health
from libs.kit.clock import ManualClock
from libs.kit.errors import Unavailable


async def fine() -> None:
    return


async def broken() -> None:
    raise Unavailable("connection refused")


async def test_the_part_that_is_not_ready_is_named() -> None:
    parts = health.Health(ManualClock(datetime(2026, 11, 1, tzinfo=UTC)))
    parts.add("postgres", fine)
    parts.add("log", broken)
    assert await parts.report() == {"postgres": "ok", "log": "connection refused"}


async def test_answers_are_kept_for_two_seconds() -> None:
    clock = ManualClock(datetime(2026, 11, 1, tzinfo=UTC))
    asked = 0

    async def counting() -> None:
        nonlocal asked
        asked += 1

    parts = health.Health(clock, {"one": counting})
    await asyncio.gather(*(parts.report() for _ in range(50)))
    assert asked == 1
    clock.advance(2.1)
    await parts.report()
    assert asked == 2


async def test_a_hanging_part_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_SECONDS", 0.01)

    async def hanging() -> None:
        await asyncio.Event().wait()

    parts = health.Health(ManualClock(datetime(2026, 11, 1, tzinfo=UTC)), {"slow": hanging})
    assert await parts.report() == {"slow": "timeout"}
