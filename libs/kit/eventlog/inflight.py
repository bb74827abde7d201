"""How much a process may have handed to the event log without an acknowledgement: what a slow log costs in memory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.kit.errors import Unavailable


class InflightBytes:
    """A budget of bytes. Whoever finds it spent waits in line; who finds the line as long as the budget is refused.

    So twice the budget bounds what all callers hold. One that is larger than the budget goes alone.
    """

    def __init__(self, limit_bytes: int, timeout_seconds: float):
        self._limit = limit_bytes
        self._timeout_seconds = timeout_seconds
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.used = 0
        self.waiting = 0

    @asynccontextmanager
    async def reserved(self, size: int) -> AsyncIterator[None]:
        """Hold `size` bytes of the budget. Raises Unavailable when the line is too long, or does not move in time."""
        if self._line or not self._fits(size):
            await self._wait(size)
        else:
            self.used += size
        try:
            yield
        finally:
            self.used -= size
            self._admit()

    def _fits(self, size: int) -> bool:
        return self.used == 0 or self.used + size <= self._limit

    async def _wait(self, size: int) -> None:
        if self._line and self.waiting + size > self._limit:
            raise Unavailable("the event log is too slow for what is produced")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (size, turn)
        self._line.append(place)
        self.waiting += size
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await turn
        except BaseException as exc:
            if turn.done() and not turn.cancelled():  # its turn came at the very moment it gave up
                self.used -= size
            else:
                self._line.remove(place)
                self.waiting -= size
            self._admit()
            if isinstance(exc, TimeoutError):
                raise Unavailable("the event log is too slow for what is produced") from exc
            raise

    def _admit(self) -> None:
        while self._line and self._fits(self._line[0][0]):
            size, turn = self._line.popleft()
            self.waiting -= size
            self.used += size
            turn.set_result(None)
