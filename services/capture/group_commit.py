"""Group commit: what requests of one turn of the event loop want produced goes to the log as one produce.

A produce costs a task, a round trip and a share of an fsync, whether it holds one record or a thousand. Nobody waits
for company: a group leaves as soon as everything that had already arrived was looked at. Compiled when there is a
compiler (group_commit.pxd).
"""

import asyncio
from collections.abc import Mapping, Sequence
from time import perf_counter

from libs.kit import metrics
from libs.kit.errors import OutcomeUnknown, PayloadTooLarge
from libs.kit.eventlog import EventLog, NewRecord
from libs.kit.eventlog.block import joined, size_of
from libs.kit.logging import get_logger

log = get_logger(__name__)
# A produce of the log is all or nothing as far as a caller can tell, so neighbours share a failure: not too many.
MOST_RECORDS = 2_000
MOST_BYTES = 2 * 1024 * 1024


class LogBacklog(Exception):
    """Records that wait for the log fill the memory we allow for them."""


class Waiting:
    """Who waits for records to be durable."""

    __slots__ = ()

    def told(self, error: Exception | None) -> None:
        """Called once, on the event loop: None when the log has them durably, else why it has not (or may not have)."""
        raise NotImplementedError


class _Group:
    __slots__ = ("count", "records", "size", "waiting")

    def __init__(self) -> None:
        self.records: list[Sequence[NewRecord]] = []  # of each request
        self.waiting: list[Waiting] = []  # for them
        self.count = 0
        self.size = 0


class GroupCommit:
    """`EventLog.produce` for many small requests. `most_bytes`: of keys and values that may wait at once."""

    def __init__(self, event_log: EventLog, most_bytes: int):
        self._log = event_log
        self._most_bytes = most_bytes
        self._gathering: dict[str, _Group] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self.waiting_bytes = 0

    def submit(self, topic: str, records: Sequence[NewRecord], waiting: Waiting) -> None:
        """Produce one request's records in order. Raises LogBacklog, and has taken none.

        A request alone is never refused for its size: only the log can say that it is too large.
        """
        size = size_of(records)
        self._make_room(size)
        self._gather(topic, records, size, waiting)

    def submit_all(self, topics: Mapping[str, Sequence[NewRecord]], waiting: Waiting) -> None:
        """The same for a request whose records go to more than one topic; told once all have answered."""
        self._make_room(sum([size_of(records) for records in topics.values()]))
        if len(topics) > 1:
            waiting = _OnceAll(len(topics), waiting)
        for topic, records in topics.items():
            self._gather(topic, records, size_of(records), waiting)

    def _make_room(self, size: int) -> None:
        if self.waiting_bytes and self.waiting_bytes + size > self._most_bytes:
            raise LogBacklog
        self.waiting_bytes += size

    def _gather(self, topic: str, records: Sequence[NewRecord], size: int, waiting: Waiting) -> None:
        group, count = self._gathering.get(topic), len(records)
        if group is not None and (group.count + count > MOST_RECORDS or group.size + size > MOST_BYTES):
            self._send(topic)
            group = None
        if group is None:
            if not self._gathering:
                asyncio.get_running_loop().call_soon(self._send_all)
            group = self._gathering[topic] = _Group()
        group.records.append(records)
        group.waiting.append(waiting)
        group.count += count
        group.size += size

    async def drain(self) -> None:
        """Until nothing is under way."""
        self._send_all()
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _send_all(self) -> None:
        for topic in list(self._gathering):
            self._send(topic)

    def _send(self, topic: str) -> None:
        group = self._gathering.pop(topic)
        task = asyncio.get_running_loop().create_task(self._produce(topic, group))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _produce(self, topic: str, group: _Group) -> None:
        try:
            error = await self._attempt(topic, joined(group.records))
            if isinstance(error, PayloadTooLarge) and len(group.waiting) > 1:
                # nothing was written, and one of them alone is to blame
                for records, waiting in zip(group.records, group.waiting, strict=True):
                    _tell([waiting], await self._attempt(topic, records))
            else:
                _tell(group.waiting, error)
        finally:
            self.waiting_bytes -= group.size

    async def _attempt(self, topic: str, records: Sequence[NewRecord]) -> Exception | None:
        started = perf_counter()
        try:
            await self._log.produce(topic, records)
        except Exception as exc:
            return exc
        finally:
            metrics.CAPTURE_PRODUCE_SECONDS.observe(perf_counter() - started)
        return None


class _OnceAll(Waiting):
    """Tells another of the first error once all topics have answered."""

    __slots__ = ("_errors", "_topics", "_waiting")

    def __init__(self, topics: int, waiting: Waiting):
        self._topics = topics
        self._waiting = waiting
        self._errors: list[Exception | None] = []

    def told(self, error: Exception | None) -> None:
        """See `Waiting`."""
        self._errors.append(error)
        if len(self._errors) == self._topics:
            self._waiting.told(_error_of_all(self._errors))


def _error_of_all(errors: list[Exception | None]) -> Exception | None:
    failures = [error for error in errors if error is not None]
    # a part of the request is on the log: it may come again as copies, which is what "unknown" says
    if len(failures) < len(errors) and any(isinstance(error, PayloadTooLarge) for error in failures):
        return OutcomeUnknown("only some topics took their records")
    return failures[0] if failures else None


def _tell(waiting: Sequence[Waiting], error: Exception | None) -> None:
    for one in waiting:
        try:
            one.told(error)
        except Exception as exc:  # the others must hear of it all the same
            log.exception("answer_failed", exc_info=exc)
