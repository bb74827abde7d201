"""How many queries run at once."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from libs.kit.errors import RateLimited
from services.query.turns import Turns


async def test_a_team_has_no_more_than_its_share() -> None:
    turns = Turns(total=3, per_team=2, waiting=10, wait_seconds=0.05)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(turns.turn(1))
        await stack.enter_async_context(turns.turn(1))
        with pytest.raises(RateLimited):
            await stack.enter_async_context(turns.turn(1))
        await stack.enter_async_context(turns.turn(2))
        with pytest.raises(RateLimited):
            await stack.enter_async_context(turns.turn(3))
    async with turns.turn(1), turns.turn(1):
        pass


async def test_who_waits_is_let_in() -> None:
    turns = Turns(total=1, per_team=1, waiting=1, wait_seconds=5)
    order = []

    async def query(name: str) -> None:
        async with turns.turn(1):
            order.append(name)

    async with turns.turn(1):
        waiting = asyncio.create_task(query("second"))
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):  # the queue holds one
            await query("third")
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    turns = Turns(total=1, per_team=1, waiting=1, wait_seconds=5)
    async with turns.turn(1):
        task = asyncio.create_task(turns.turn(1).__aenter__())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with turns.turn(1):
        pass
