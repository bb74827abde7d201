"""Copies that come to the log long after the window: those of our own making are found, for they keep their arrival."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from libs.kit.clock import ManualClock
from libs.kit.contracts import topics
from libs.kit.contracts.arrival import with_arrival
from libs.kit.errors import OutcomeUnknown, Unavailable
from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.wal import WalOptions, write_ahead
from libs.kit.runtime import Runtime
from tests.support.pipeline import Workers, drained, events, prepare, stored, until

LATE = timedelta(hours=30)


class Forgetful:
    """A log that takes records, does not say so, and is then away until it is `back`."""

    def __init__(self, log: Any, long_ago_ms: int):
        self._log = log
        self._long_ago_ms = long_ago_ms
        self._asked = False
        self.back = asyncio.Event()

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        if not self._asked:
            self._asked = True
            # as if the log's own time of them were that of then
            old = [NewRecord(r.key, r.value, with_arrival(r.headers, self._long_ago_ms)) for r in records]
            await self._log.produce(topic, old)
            raise OutcomeUnknown("no answer came")
        await self.check()
        await self._log.produce(topic, records)

    async def check(self) -> None:
        if not self.back.is_set():
            raise Unavailable("away")


async def test_what_a_write_ahead_log_sends_after_the_window_is_found_to_be_a_copy(
    runtime: Runtime, tmp_path: Path
) -> None:
    await prepare(runtime)
    clock = ManualClock(runtime.clock.now() - LATE)
    log: Any = Forgetful(runtime.log, int(clock.now().timestamp() * 1000))
    batch = events(20)
    async with Workers(runtime):
        async with write_ahead(log, WalOptions(tmp_path, 10**8, 10**6, 5.0), clock) as wal:
            await wal.produce(topics.EVENTS.name, batch)
            await drained(runtime)
            assert await stored(runtime) == (20, 20)
            clock.advance(LATE.total_seconds())
            log.back.set()

            async def sent() -> bool:
                clock.advance(1)
                return not wal.state().behind

            await until(sent)
        await drained(runtime)
        assert await stored(runtime) == (20, 20)
