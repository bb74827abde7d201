"""How many queries run at once: so many of one team, so many of all. The others wait their turn, but not for ever."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.kit.errors import RateLimited


class Turns:
    """Bounds one process. The queue is bounded too: a crowd is told to come back, not kept in memory."""

    def __init__(self, *, total: int, per_team: int, waiting: int, wait_seconds: float):
        self._total = total
        self._per_team = per_team
        self._most_waiting = waiting
        self._wait_seconds = wait_seconds
        self._running: Counter[int] = Counter()
        self._waiting = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self, team_id: int) -> AsyncIterator[None]:
        """Hold a turn. Raises RateLimited when the queue is full or the wait too long."""
        await self._take(team_id)
        try:
            yield
        finally:
            self._running[team_id] -= 1
            if not self._running[team_id]:
                del self._running[team_id]
            async with self._changed:
                self._changed.notify_all()

    async def _take(self, team_id: int) -> None:
        if self._free(team_id):
            self._running[team_id] += 1
            return
        if self._waiting >= self._most_waiting:
            raise self._refused()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds), self._changed:
                await self._changed.wait_for(lambda: self._free(team_id))
                self._running[team_id] += 1
        except TimeoutError:
            raise self._refused() from None
        finally:
            self._waiting -= 1

    def _free(self, team_id: int) -> bool:
        return self._running.total() < self._total and self._running[team_id] < self._per_team

    def _refused(self) -> RateLimited:
        seconds = 5.0
        detail = f"Too many queries are running. Expected available in {seconds:.0f} seconds."
        return RateLimited(detail, retry_after=seconds)
