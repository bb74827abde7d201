"""Counting: gathered, and then in the metrics without anybody asking for it."""

import asyncio

from libs.kit import metrics
from services.capture.accounting import FLUSH_SECONDS, Accounting


def _accepted() -> float:
    return metrics.CAPTURE_EVENTS.labels("accepted", "a test of accounting")._value.get()


async def test_what_was_gathered_is_counted_by_itself_each_time() -> None:
    accounting = Accounting(1_000)
    for turn in range(2):
        before = _accepted()
        for _ in range(3):
            accounting.events("accepted", "a test of accounting", 2)
            accounting.answered("POST", "/e/", 200, 0.001, None)
        assert _accepted() == before, turn
        async with asyncio.timeout(30):
            while _accepted() == before:
                await asyncio.sleep(FLUSH_SECONDS / 5)
        assert _accepted() == before + 6
