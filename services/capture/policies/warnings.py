"""Tells projects of events that capture did not take, now and then and by the number, through the log.

No request waits for it. While the log is away the numbers wait; beyond a bound of tokens, which nobody has checked,
newcomers are not counted.
"""

import asyncio

from libs.kit.clock import Clock
from libs.kit.contracts.capture_warnings import TYPES, warning_record
from libs.kit.contracts.topics import EVENTS
from libs.kit.errors import HedgerowError
from libs.kit.eventlog import EventLog
from libs.kit.logging import get_logger

MAX_WAITING = 1_000
log = get_logger(__name__)


class CaptureWarnings:
    """`note` while requests are answered, `run` beside it."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._waiting: dict[tuple[str, str], int] = {}

    def note(self, token: str, reason: str, events: int) -> None:
        """So many events of this token were refused or dropped, for a reason of ours. A batch of none counts as one."""
        if (kind := TYPES.get(reason)) is None:
            return
        name = (token, kind)
        if name in self._waiting or len(self._waiting) < MAX_WAITING:
            self._waiting[name] = self._waiting.get(name, 0) + max(1, events)

    async def tell(self, event_log: EventLog) -> None:
        """Send what was noted. When the log does not take it, it is kept for the next time."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        now = self._clock.now()
        try:
            await event_log.produce(
                EVENTS.name, [warning_record(token, kind, count, now) for (token, kind), count in waiting.items()]
            )
        except HedgerowError as exc:
            log.warning("warnings_not_told", error=exc.detail)
            for name, count in self._waiting.items():
                waiting[name] = waiting.get(name, 0) + count
            self._waiting = waiting

    async def run(self, event_log: EventLog, stop: asyncio.Event, seconds: float) -> None:
        """`tell` every so many seconds until `stop`, and once more."""
        while not stop.is_set():
            waiting = asyncio.ensure_future(stop.wait())
            await asyncio.wait({waiting}, timeout=seconds)
            waiting.cancel()
            await self.tell(event_log)
