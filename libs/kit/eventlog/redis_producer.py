"""Producing to Redis Streams in scripts that grow while every connection is busy.

A script costs the server and us about as much for one record as for twenty. So a produce that finds all connections
busy waits here, and leaves together with the others that do. Records of one script are written all or none.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from libs.kit.errors import OutcomeUnknown, Unavailable
from libs.kit.eventlog.block import RecordBlock, join_blocks

# A script holds the server up while it runs: one takes no more than this, unless a single produce is larger.
SCRIPT_BYTES = 4 * 1024 * 1024

Write = Callable[[str, RecordBlock], Awaitable[None]]


@dataclass(slots=True)
class Share:
    """One produce's records. `sent`: they have left, and can no longer be taken back."""

    block: RecordBlock
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    sent: bool = False


class MergingProducer:
    """Runs at most `lanes` calls of `write` at a time, each with all that waits for its topic."""

    def __init__(self, write: Write, *, lanes: int, timeout_seconds: float):
        self._write = write
        self._lanes = lanes
        self._timeout_seconds = timeout_seconds
        self._waiting: OrderedDict[str, deque[Share]] = OrderedDict()
        self._busy = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def produce(self, topic: str, block: RecordBlock) -> None:
        """Return when `write` has; raise what it raised. Unavailable when no turn came in time."""
        share = Share(block)
        self._waiting.setdefault(topic, deque()).append(share)
        if self._busy < self._lanes:
            self._busy += 1
            task = asyncio.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await share.done
        except TimeoutError as exc:
            if share.sent:
                raise OutcomeUnknown(f"{topic} did not acknowledge in time") from exc
            raise Unavailable("the event log is too slow for what is produced") from exc
        finally:
            self._withdraw(topic, share)

    def _withdraw(self, topic: str, share: Share) -> None:
        queue = self._waiting.get(topic)
        if not share.sent and queue is not None and share in queue:
            queue.remove(share)
            if not queue:
                del self._waiting[topic]

    async def _run(self) -> None:
        while self._waiting:
            topic, shares = self._take()
            merged = shares[0].block if len(shares) == 1 else join_blocks([share.block for share in shares])
            error: Exception | None = None
            try:
                await self._write(topic, merged)
            except Exception as exc:  # whatever it is, those who wait for the records must hear of it
                error = exc
            for share in shares:
                if share.done.done():
                    continue
                if error is None:
                    share.done.set_result(None)
                else:
                    share.done.set_exception(error)
        self._busy -= 1  # here and now, not when the task is seen to have ended: what comes next must find a lane free

    def _take(self) -> tuple[str, list[Share]]:
        """Shares of the topic that waits longest for its turn, as many as one script may hold; always one."""
        topic, queue = self._waiting.popitem(last=False)
        shares = [queue.popleft()]
        size = len(shares[0].block.payload)
        while queue and (size := size + len(queue[0].block.payload)) <= SCRIPT_BYTES:
            shares.append(queue.popleft())
        if queue:
            self._waiting[topic] = queue
        for share in shares:
            share.sent = True
        return topic, shares

    async def close(self) -> None:
        """Wait for what is under way, no longer than for an acknowledgement."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._timeout_seconds)
