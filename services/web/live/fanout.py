"""One tail of the log per process, handed out to the streams that are open here."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import merge

from libs.kit import metrics
from libs.kit.clock import Clock
from libs.kit.contracts.topics import STORED_EVENTS
from libs.kit.errors import HedgerowError, Unavailable
from libs.kit.eventlog import EventLog, Record, Tail
from libs.kit.logging import get_logger
from services.web.live.event import LiveEvent, live_event
from services.web.live.window import SIZE, Arrival, Window

log = get_logger(__name__)

Numbered = tuple[int, LiveEvent]


class Subscription:
    """A stream's queue: bounded; when it is full the oldest event goes and is counted."""

    def __init__(self, size: int):
        self._events: deque[Numbered] = deque(maxlen=size)
        self._arrived = asyncio.Event()
        self._dropped = 0

    def put(self, event: Numbered) -> None:
        """Never waits: a slow reader loses events, not the others their pace."""
        if len(self._events) == self._events.maxlen:
            self._dropped += 1
        self._events.append(event)
        self._arrived.set()

    async def take(self, timeout: float) -> tuple[int, list[Numbered]]:
        """How many were dropped, and what has come; nothing after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._arrived.wait()
        except TimeoutError:
            return 0, []
        self._arrived.clear()
        events, dropped = list(self._events), self._dropped
        self._events.clear()
        self._dropped = 0
        return dropped, events


class Fanout:
    """Follows the log and feeds every open stream of a team."""

    def __init__(self, eventlog: EventLog, window: Window, clock: Clock, *, most: int, queue_events: int):
        self._log = eventlog
        self._window = window
        self._clock = clock
        self._most = most
        self._queue_events = queue_events
        self._subscriptions: dict[int, set[Subscription]] = defaultdict(set)
        self._log_id = ""

    @contextmanager
    def subscribed(self, team_id: int) -> Iterator[Subscription]:
        """A team's events from now on. Raises Unavailable when this process serves enough streams."""
        self.check_room()
        subscription = Subscription(self._queue_events)
        self._subscriptions[team_id].add(subscription)
        metrics.LIVE_STREAMS.inc()
        try:
            yield subscription
        finally:
            metrics.LIVE_STREAMS.dec()
            self._subscriptions[team_id].discard(subscription)
            if not self._subscriptions[team_id]:
                del self._subscriptions[team_id]

    def check_room(self) -> None:
        """Raise Unavailable when this process serves as many streams as it may."""
        if sum(map(len, self._subscriptions.values())) >= self._most:
            raise Unavailable("Too many live streams.")

    async def run(self, *, retry_seconds: float) -> None:
        """Until cancelled. The log away: wait, then go on from its end; a live view keeps no position."""
        while True:
            try:
                self._log_id = await self._log.log_id(STORED_EVENTS.name)
                # The newest few again: what arrived while no process was there to write the window. Copies are refused.
                async with self._log.tail(STORED_EVENTS.name, last=SIZE) as tail:
                    await self._follow(tail)
            except HedgerowError as exc:
                log.warning("live_tail_interrupted", code=exc.code, detail=exc.detail)
            except Exception as exc:  # a bug here must not end live views for good
                log.exception("live_tail_failed", exc_info=exc)
            await self._clock.sleep(retry_seconds)

    async def _follow(self, tail: Tail) -> None:
        while True:
            records = await tail.fetch(max_records=1000, timeout=1.0)
            for team_id, arrivals in by_team(self._log_id, records).items():
                await self._settle(team_id, arrivals[-SIZE:])

    async def _settle(self, team_id: int, arrivals: Sequence[Arrival]) -> None:
        try:
            numbers = await self._window.write(team_id, arrivals)
        except Unavailable as exc:  # open streams go on without numbers; a new one sees a gap
            log.warning("live_window_not_written", detail=exc.detail)
            numbers = [-1] * len(arrivals)
        for subscription in self._subscriptions.get(team_id, ()):
            for number, arrival in zip(numbers, arrivals, strict=True):
                if number:
                    subscription.put((number, arrival.event))


def by_team(log_id: str, records: Sequence[Record]) -> dict[int, list[Arrival]]:
    """Records as arrivals per team, in the order of arrival. What is not an event of ours is left out."""
    partitions: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        partitions[record.partition].append(record)
    found: dict[int, list[Arrival]] = defaultdict(list)
    # A merge, not a sort: whatever the times say, a partition's own records stay in their order.
    for record in merge(*partitions.values(), key=lambda record: record.timestamp_ms):
        parsed = live_event(record)
        if parsed is not None:
            team_id, event = parsed
            found[team_id].append(Arrival(f"{log_id}:{record.partition}", record.offset, event))
    return found
