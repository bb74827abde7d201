"""What a slow log may cost in memory: some wait, in order, and the rest is refused at once."""

import asyncio

import pytest

from libs.kit.errors import Unavailable
from libs.kit.eventlog.inflight import InflightBytes


async def hold(budget: InflightBytes, size: int, release: asyncio.Event, order: list[int]) -> None:
    async with budget.reserved(size):
        order.append(size)
        await release.wait()


async def holders(budget: InflightBytes, sizes: list[int], order: list[int]) -> tuple[asyncio.Event, list]:
    release = asyncio.Event()
    tasks = [asyncio.create_task(hold(budget, size, release, order)) for size in sizes]
    await asyncio.sleep(0)
    return release, tasks


async def test_those_who_wait_get_their_turn_in_order() -> None:
    budget, order = InflightBytes(100, timeout_seconds=5), list[int]()
    release, tasks = await holders(budget, [60, 50, 30, 20], order)
    assert order == [60]
    assert (budget.used, budget.waiting) == (60, 100)  # 30 would fit, but 50 was there before it
    release.set()
    await asyncio.gather(*tasks)
    assert order == [60, 50, 30, 20]
    assert (budget.used, budget.waiting) == (0, 0)


async def test_a_line_as_long_as_the_budget_is_closed() -> None:
    budget, order = InflightBytes(100, timeout_seconds=5), list[int]()
    release, tasks = await holders(budget, [100, 70], order)
    with pytest.raises(Unavailable):
        async with budget.reserved(31):
            pass
    assert (budget.used, budget.waiting) == (100, 70)
    release.set()
    await asyncio.gather(*tasks)
    assert (budget.used, budget.waiting) == (0, 0)


async def test_one_larger_than_the_budget_goes_alone() -> None:
    budget, order = InflightBytes(100, timeout_seconds=5), list[int]()
    release, tasks = await holders(budget, [10, 500], order)
    assert order == [10]
    release.set()
    await asyncio.gather(*tasks)
    assert order == [10, 500]


async def test_a_line_that_does_not_move_is_left() -> None:
    budget, order = InflightBytes(100, timeout_seconds=0.05), list[int]()
    release, tasks = await holders(budget, [100], order)
    with pytest.raises(Unavailable):
        async with budget.reserved(1):
            pass
    release.set()
    await asyncio.gather(*tasks)
    assert (budget.used, budget.waiting) == (0, 0)


async def test_whoever_is_cancelled_gives_its_place_up() -> None:
    budget, order = InflightBytes(100, timeout_seconds=5), list[int]()
    release, tasks = await holders(budget, [100, 70, 20], order)
    tasks[1].cancel()
    await asyncio.sleep(0)
    assert budget.waiting == 20
    release.set()
    # Cancelled in the very moment its turn comes: the bytes must come back all the same.
    await asyncio.sleep(0)
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (budget.used, budget.waiting) == (0, 0)
