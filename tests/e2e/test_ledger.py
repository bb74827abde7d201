"""Nothing acknowledged is lost and nothing is stored twice, while every process in turn is killed with SIGKILL.

`make soak` runs it at full scale; CI runs a share of it.
"""

import asyncio
import random
from pathlib import Path

import pytest

from services.cdp.crashpoints import CRASH_POINTS
from tests.support.instance import PARTS, Instance
from tests.support.ledger import EVENT, Ledger, deliver
from tests.support.scale import SCALE, scaled

FULL_SCALE_EVENTS = 100_000


async def assert_stored_once(instance: Instance, ledger: Ledger, *, within: float = 120.0) -> None:
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
