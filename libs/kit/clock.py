"""Time, handed in. Decisions take `now`; loops take a Clock; only this file asks the operating system.

Compiled when there is a compiler (clock.pxd).
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Where a process gets its time from."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC."""

    def now_us(self) -> int:
        """Wall clock, in microseconds since 1970."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Let others run for so long."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_us(self) -> int:
        nanoseconds = time_ns()
        return nanoseconds // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock for tests: time moves only by `advance` and `sleep`, and sleeping takes no real time."""

    def __init__(self, start: datetime):
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def now_us(self) -> int:
        return (self._now - _EPOCH) // _MICROSECOND

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
