"""One running Hedgerow for all SDK tests: theirs is the stable interface, so nothing of ours is called directly."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.support.instance import Instance, running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hedgerow(tmp_path_factory: Any) -> AsyncIterator[Instance]:
    """`hedgerow up` on an empty directory."""
    directory: Path = tmp_path_factory.mktemp("sdk")
    async with running(directory / "data") as instance:
        yield instance


@pytest_asyncio.fixture
async def mark() -> str:
    """Makes one test's events its own."""
    return uuid.uuid4().hex[:10]


async def rows_within(instance: Instance, query: str, count: int, seconds: float = 120.0) -> list[list[Any]]:
    """The rows of `query` as soon as there are `count`; fails when there are others or too few in time."""
    deadline = time.monotonic() + seconds
    while True:
        rows = await instance.query(query)
        if len(rows) >= count or time.monotonic() > deadline:
            assert len(rows) == count, rows
            return rows
        await asyncio.sleep(0.2)


async def settled_within(instance: Instance, query: str, expected: list[list[Any]], seconds: float = 120.0) -> None:
    """Wait until `query` gives `expected`: for what changes after the events are there, such as merged persons."""
    deadline = time.monotonic() + seconds
    while (rows := await instance.query(query)) != expected:
        assert time.monotonic() < deadline, rows
        await asyncio.sleep(0.3)


async def one_person(instance: Instance, *distinct_ids: str, plan: str = "pro") -> None:
    """Wait until all these ids are one person's, who has this plan."""
    ids = ", ".join(f"'{distinct_id}'" for distinct_id in distinct_ids)
    persons = f"select distinct person_id from events where distinct_id in ({ids})"
    await settled_within(instance, f"select count(distinct person_id) from events where distinct_id in ({ids})", [[1]])
    await settled_within(instance, f"select properties.plan from persons where id in ({persons})", [[plan]])
