"""Health: what a process needs, asked at most every two seconds, answered by name.

Liveness says only that the loop runs: a failing shared store must not get every pod killed. Readiness names the part
that is not ready.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from libs.kit.clock import Clock

Check = Callable[[], Awaitable[None]]
CACHE_SECONDS = 2.0
CHECK_TIMEOUT_SECONDS = 2.0


@dataclass
class Health:
    """Named checks; each raises when its part is not ready."""

    clock: Clock
    checks: dict[str, Check] = field(default_factory=dict)
    _answer: dict[str, str] = field(default_factory=dict)
    _asked_at: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, name: str, check: Check) -> None:
        """Register a part. `check` returns when it is ready and raises when it is not."""
        self.checks[name] = check

    async def report(self) -> dict[str, str]:
        """Part -> "ok" or why not."""
        async with self._lock:
            if self.clock.monotonic() - self._asked_at > CACHE_SECONDS:
                names = list(self.checks)
                answers = await asyncio.gather(*(self._ask(name) for name in names))
                self._answer = dict(zip(names, answers, strict=True))
                self._asked_at = self.clock.monotonic()
            return dict(self._answer)

    async def _ask(self, name: str) -> str:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await self.checks[name]()
        except TimeoutError:
            return "timeout"
        except Exception as exc:  # whatever a check raises means the same thing: this part is not ready
            return str(exc) or type(exc).__name__
        return "ok"
