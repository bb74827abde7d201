"""Nothing acknowledged is lost and nothing is stored twice, while every process in turn is killed with SIGKILL.

`make soak` runs it at full scale; CI runs a share of it.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.cdp.crashpoints import CRASH_POINTS
from tests.support.instance import PARTS, Instance
from tests.support.ledger import EVENT, Ledger, deliver
from tests.support.scale import SCALE, scaled

FULL_SCALE_EVENTS = 100_000


async def assert_stored_once(instance: Instance, ledger: Ledger, *, within: float = 300.0) -> None:
    """Wait until as many rows as were acknowledged are there, then hold them to be distinct and no more."""
    question = f"select count(), count(distinct uuid) from events where event = '{EVENT}'"
    rows = 0
    try:
        async with asyncio.timeout(within):
            while rows < ledger.acknowledged:
                await asyncio.sleep(0.5)
                rows = (await instance.query(question))[0][0]
    except TimeoutError:
        raise AssertionError(f"{rows} rows of {ledger.acknowledged} acknowledged events after {within} s") from None
    await asyncio.sleep(2)  # what would be a second copy has time to arrive
    stored, distinct = (await instance.query(question))[0]
    assert (stored, distinct) == (ledger.acknowledged, ledger.acknowledged)


def release(permits: asyncio.Semaphore, batches: int) -> None:
    """Let so many more batches be sent."""
    for _ in range(batches):
        permits.release()


@pytest.mark.embedded
@pytest.mark.timeout(900)
async def test_every_process_is_killed_in_turn(tmp_path: Path) -> None:
    instance = Instance(tmp_path / "data")
    await instance.start()
    ledger = Ledger(seed=1, events=scaled(FULL_SCALE_EVENTS))
    victims = [*PARTS, "supervisor"] * (1 if SCALE < 1 else 5)
    batches = ledger.events // ledger.batch_size
    permits = asyncio.Semaphore(0)
    try:
        token = instance.info["project_api_key"]
        sending = asyncio.create_task(deliver(ledger, instance.url, token, pause=0.02, deadline=800, permits=permits))
        for victim in victims:
            release(permits, batches // len(victims))
            await asyncio.sleep(random.uniform(0.0, 0.15))
            await instance.kill(victim)
            if victim == "supervisor":
                await instance.start()
            await instance.wait_healthy()
        release(permits, batches)
        await sending
        await assert_stored_once(instance, ledger)
    finally:
        await instance.stop()


# Plain traffic never needs more inserts for a batch than one, and makes no dead letters; these two are reached with
# engines alone, in tests/services/cdp/test_exactly_once.py, as all the others are once more. The ledger waits for
# events, not for what tells of persons: tests/services/cdp/test_identity.py does.
REACHABLE = [
    point
    for point in CRASH_POINTS
    if point != "writer.between_inserts" and "dead_letters" not in point and not point.startswith("tables.")
]


@pytest.mark.embedded
@pytest.mark.timeout(900)
async def test_crash_points_behind_the_real_endpoint(tmp_path: Path) -> None:
    crashes = tmp_path / "crashes"
    crashes.mkdir()
    instance = Instance(tmp_path / "data", environment={"HEDGEROW_CRASH_DIR": str(crashes)})
    await instance.start()
    total = 0
    try:
        for number, point in enumerate(REACHABLE if SCALE >= 1 else REACHABLE[1::4]):
            (crashes / point).touch()
            if "recovery" in point:  # passed when a partition is taken over, not batch by batch
                await instance.kill("workers")
            ledger = Ledger(seed=100 + number, events=100)
            await deliver(ledger, instance.url, instance.info["project_api_key"])
            total += ledger.acknowledged
            await assert_stored_once(instance, Ledger(seed=0, events=0, acknowledged=total))
            assert not (crashes / point).exists(), f"{point} was never passed"
    finally:
        await instance.stop()


@pytest.mark.embedded
@pytest.mark.timeout(900)
async def test_the_write_ahead_log_takes_over(tmp_path: Path) -> None:
    """The log stands still, is killed, and the HTTP process is killed meanwhile: events are taken all the same."""
    wal = tmp_path / "wal"
    instance = Instance(
        tmp_path / "data",
        environment={"HEDGEROW_CAPTURE_WAL_DIRECTORY": str(wal), "HEDGEROW_CAPTURE_WAL_AFTER_SECONDS": "0.5"},
    )
    await instance.start()
    rounds, kills = (1, 2) if SCALE < 1 else (10, 3)
    ledger = Ledger(seed=3, events=rounds * scaled(FULL_SCALE_EVENTS // rounds, least=2_000))
    each = ledger.events // ledger.batch_size // rounds // 8
    permits = asyncio.Semaphore(0)
    try:
        token = instance.info["project_api_key"]
        sending = asyncio.create_task(deliver(ledger, instance.url, token, deadline=800, permits=permits))
        for _ in range(rounds):
            release(permits, each)
            async with stopped(instance, "log"):
                for _ in range(kills):
                    before = ledger.acknowledged
                    release(permits, 2 * each)
                    async with asyncio.timeout(200):
                        while ledger.acknowledged == before:
                            await asyncio.sleep(0.02)
                    assert list(wal.glob("*.wal"))
                    await instance.kill("http")
            await instance.kill("log")
            release(permits, each)
            await instance.wait_healthy()
        release(permits, ledger.events)
        await sending
        await assert_stored_once(instance, ledger)
        async with asyncio.timeout(200):
            while list(wal.glob("*.wal")):
                await asyncio.sleep(0.1)
    finally:
        await instance.stop()


@contextlib.asynccontextmanager
async def stopped(instance: Instance, part: str) -> AsyncIterator[None]:
    """Within the block the part's process stands still: connections stay open and nothing is answered."""
    process = instance.part(part)
    assert process is not None
    process.suspend()
    try:
        yield
    finally:
        process.resume()
