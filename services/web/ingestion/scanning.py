"""The newest records of a topic, read without a group and within bounds, for one that is looked for."""

from collections.abc import Callable
from dataclasses import dataclass

from libs.kit.clock import Clock
from libs.kit.eventlog import EventLog, Record

_AT_ONCE = 500
_FETCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Scan:
    """The newest record that matched, how many were looked at, and whether the end of the topic was reached."""

    found: Record | None
    records: int
    reached_end: bool


async def scan(
    log: EventLog, topic: str, matches: Callable[[Record], bool], *, last: int, clock: Clock, seconds: float
) -> Scan:
    """Look at the `last` records of each partition, for `seconds` at most.

    Raises Unavailable while the log is away, or has no such topic.
    """
    deadline = clock.monotonic() + seconds
    found: Record | None = None
    seen = 0
    async with log.tail(topic, last=last) as tail:
        while not tail.caught_up and clock.monotonic() < deadline:
            records = await tail.fetch(max_records=_AT_ONCE, timeout=_FETCH_SECONDS)
            seen += len(records)
            found = next((record for record in reversed(records) if matches(record)), found)
        return Scan(found, seen, tail.caught_up)
