"""Retries: bounded for a call, endless but stoppable for a batch."""

import asyncio
from datetime import UTC, datetime

import pytest

from libs.kit.clock import ManualClock
from libs.kit.errors import HedgerowError, InvalidRequest, Unavailable
from libs.kit.retry import RetryPolicy, retrying, until_settled


def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 1, tzinfo=UTC))


class Failing:
    """Raises the given errors in turn, then returns 'done'."""

    def __init__(self, *errors: HedgerowError):
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


async def test_a_passing_fault_is_retried() -> None:
    call = Failing(Unavailable("one"), Unavailable("two"))
    assert await retrying(call, RetryPolicy(attempts=3), clock()) == "done"
    assert call.calls == 3


async def test_the_last_error_is_raised_when_attempts_run_out() -> None:
    call = Failing(*(Unavailable(str(n)) for n in range(9)))
    with pytest.raises(Unavailable, match="2"):
        await retrying(call, RetryPolicy(attempts=3), clock())


async def test_bad_input_is_not_retried() -> None:
    call = Failing(InvalidRequest("no"))
    with pytest.raises(InvalidRequest):
        await retrying(call, RetryPolicy(attempts=3), clock())
    assert call.calls == 1


async def test_the_budget_bounds_the_whole() -> None:
    time = clock()
    call = Failing(*(Unavailable(str(n)) for n in range(1000)))
    with pytest.raises(Unavailable):
        await retrying(call, RetryPolicy(attempts=1000, base_seconds=1, cap_seconds=1, budget_seconds=5), time)
    assert time.monotonic() <= 5


def test_delays_grow_to_the_cap_and_never_pass_it() -> None:
    policy = RetryPolicy(base_seconds=0.1, cap_seconds=2.0)
    for attempt in range(1, 40):
        assert 0 <= policy.delay(attempt) <= min(2.0, 0.1 * 2 ** (attempt - 1))


async def test_a_batch_is_tried_until_it_settles() -> None:
    call = Failing(*(Unavailable(str(n)) for n in range(20)))
    seen: list[str] = []
    async for attempt in until_settled(clock(), asyncio.Event(), on_retry=lambda error: seen.append(error.detail)):
        with attempt:
            await call()
    assert call.calls == 21
    assert seen == [str(n) for n in range(20)]


async def test_a_bug_is_not_swallowed() -> None:
    attempts = until_settled(clock(), asyncio.Event())
    attempt = await anext(attempts)
    with pytest.raises(ZeroDivisionError), attempt:
        raise ZeroDivisionError


async def test_stop_ends_the_attempts_unsettled() -> None:
    stop = asyncio.Event()
    last = None
    async for attempt in until_settled(clock(), stop):
        last = attempt
        with attempt:
            stop.set()
            raise Unavailable("still away")
    assert last is not None
    assert not last.settled
