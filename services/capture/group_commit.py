"""Group commit: what requests of one turn of the event loop want produced goes to the log as one produce.

A produce costs a task, a round trip and a share of an fsync, whether it holds one record or a thousand. Nobody waits
for company: a group leaves as soon as everything that had already arrived was looked at. Compiled when there is a
compiler (group_commit.pxd).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

from libs.kit import metrics
from libs.kit.errors import OutcomeUnknown, PayloadTooLarge
from libs.kit.eventlog import EventLog, NewRecord
from libs.kit.eventlog.base import record_bytes
from libs.kit.eventlog.block import RecordBlock, joined
from libs.kit.logging import get_logger

log = get_logger(__name__)
#: Called once, on the event loop: None when the log has the records durably, else why it has not (or may not have).
Done = Callable[[Exception | None], None]
# A produce of the log is all or nothing as far as a caller can tell, so neighbours share a failure: not too many.
MOST_RECORDS = 2_000
MOST_BYTES = 2 * 1024 * 1024


class LogBacklog(Exception):
    """Records that wait for the log fill the memory we allow for them."""


class _Group:
    __slots__ = ("members", "records", "size")

    def __init__(self) -> None:
        self.members: list[tuple[Sequence[NewRecord], Done]] = []
        self.records = 0
        self.size = 0


class GroupCommit:
    """`EventLog.produce` for many small requests. `most_bytes`: of keys and values that may wait at once."""

    def __init__(self, event_log: EventLog, most_bytes: int):
        self._log = event_log
        self._most_bytes = most_bytes
        self._gathering: dict[str, _Group] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self.waiting_bytes = 0

    def submit(self, topics: Mapping[str, Sequence[NewRecord]], done: Done) -> None:
        """Produce one request's records, those of a topic in order. Raises LogBacklog, and has taken none.

        A request alone is never refused for its size: only the log can say that it is too large.
        """
        total = 0
        for records in topics.values():
            total += _size_of(records)
        if self.waiting_bytes and self.waiting_bytes + total > self._most_bytes:
            raise LogBacklog
        self.waiting_bytes += total
        if len(topics) > 1:
            done = _once_all(len(topics), done)
        for topic, records in topics.items():
            self._gather(topic, records, done)

    def _gather(self, topic: str, records: Sequence[NewRecord], done: Done) -> None:
        group, size = self._gathering.get(topic), _size_of(records)
        if group is not None and (group.records + len(records) > MOST_RECORDS or group.size + size > MOST_BYTES):
            self._send(topic)
            group = None
        if group is None:
            if not self._gathering:
                asyncio.get_running_loop().call_soon(self._send_all)
            group = self._gathering[topic] = _Group()
        group.members.append((records, done))
        group.records += len(records)
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
        members = group.members
        try:
            if len(members) == 1:
                _tell(members, await self._attempt(topic, members[0][0]))
                return
            error = await self._attempt(topic, joined([records for records, _ in members]))
            if isinstance(error, PayloadTooLarge):  # nothing was written, and one of them alone is to blame
                for member in members:
                    _tell([member], await self._attempt(topic, member[0]))
            else:
                _tell(members, error)
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


def _size_of(records: Sequence[NewRecord]) -> int:
    return records.size if isinstance(records, RecordBlock) else record_bytes(records)


def _once_all(topics: int, done: Done) -> Done:
    """Tells `done` of the first error once all topics have answered."""
    errors: list[Exception | None] = []

    def one_done(error: Exception | None) -> None:
        errors.append(error)
        if len(errors) == topics:
            failures = [error for error in errors if error is not None]
            # a part of the request is on the log: it may come again as copies, which is what "unknown" says
            mixed = len(failures) < topics and any(isinstance(error, PayloadTooLarge) for error in failures)
            done(OutcomeUnknown("only some topics took their records") if mixed else next(iter(failures), None))

    return one_done


def _tell(members: Sequence[tuple[Sequence[NewRecord], Done]], error: Exception | None) -> None:
    for _, done in members:
        try:
            done(error)
        except Exception as exc:  # the others must hear of it all the same
            log.exception("answer_failed", exc_info=exc)
