"""Producing to Kafka partition by partition, in batches that grow while the one before them is under way.

aiokafka sends one request per broker at a time. So what arrives meanwhile waits here, and leaves together: a batch
built by hand costs a third of the CPU of a `send` per record, and what has not left yet can still be taken back, which
is how a produce that timed out knows that nothing was written.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from libs.kit.errors import OutcomeUnknown, PayloadTooLarge, Unavailable
from libs.kit.eventlog.base import NewRecord

# What brokers answer when they have looked at a batch and written none of it.
_REFUSED = (InvalidTopicError, PolicyViolationError, TopicAuthorizationFailedError)
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


@dataclass(slots=True)
class Share:
    """One produce's records for one partition. `sent`: they have left, and can no longer be taken back."""

    records: Sequence[NewRecord]
    timestamp_ms: int
    size: int
    done: "asyncio.Future[None]"
    sent: bool = False


@dataclass(slots=True)
class PartitionQueue:
    """What waits to be sent to one partition, in order, and the task that sends it."""

    waiting: deque[Share] = field(default_factory=deque)
    task: "asyncio.Task[None] | None" = None
    round_started: float | None = None


class BatchProducer:
    """Sends shares of records through one idempotent aiokafka producer, one round per partition at a time."""

    def __init__(self, options: dict[str, Any], *, batch_bytes: int, timeout_seconds: float):
        self._options = options
        self._batch_bytes = batch_bytes
        self._timeout_seconds = timeout_seconds
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._queues: dict[tuple[str, int], PartitionQueue] = {}

    def submit(self, topic: str, partition: int, records: Sequence[NewRecord], size: int, timestamp_ms: int) -> Share:
        """Queue records of `size` bytes; `done` of the share resolves once all replicas in sync have them.

        Raises Unavailable when the partition has not acknowledged anything for as long as we wait for it.
        """
        queue = self._queues.setdefault((topic, partition), PartitionQueue())
        if self._stalled(queue):
            raise Unavailable(f"{topic}/{partition} does not acknowledge what it was sent")
        share = Share(records, timestamp_ms, size, asyncio.get_running_loop().create_future())
        queue.waiting.append(share)
        if queue.task is None:
            queue.task = asyncio.create_task(self._run(topic, partition, queue))
        return share

    def _stalled(self, queue: PartitionQueue) -> bool:
        since = queue.round_started
        return since is not None and asyncio.get_running_loop().time() - since > self._timeout_seconds

    def stalled(self) -> list[tuple[str, int]]:
        """Partitions that have not acknowledged anything for as long as we wait for it."""
        return [place for place, queue in self._queues.items() if self._stalled(queue)]

    def withdraw(self, topic: str, partition: int, share: Share) -> bool:
        """Take back what has not been sent; False when it has, and nobody waits for it any more."""
        if share.sent:
            share.done.add_done_callback(_heard)
            return False
        queue = self._queues[topic, partition]
        if share in queue.waiting:
            queue.waiting.remove(share)
        share.done.cancel()
        return True

    async def _run(self, topic: str, partition: int, queue: PartitionQueue) -> None:
        while queue.waiting:
            shares = self._take(queue)
            queue.round_started = asyncio.get_running_loop().time()
            error = await self._round(topic, partition, shares)
            if isinstance(error, PayloadTooLarge) and len(shares) > 1:  # its neighbours are not at fault
                for share in shares:
                    _settle(share, await self._round(topic, partition, [share]))
            for share in shares:
                _settle(share, error)
            queue.round_started = None
        queue.task = None

    def _take(self, queue: PartitionQueue) -> list[Share]:
        """As many shares as fit one batch; always one."""
        shares = [queue.waiting.popleft()]
        size = shares[0].size
        while queue.waiting and size + queue.waiting[0].size <= self._batch_bytes * 3 // 4:
            shares.append(queue.waiting.popleft())
            size += shares[-1].size
        return shares

    async def _round(self, topic: str, partition: int, shares: Sequence[Share]) -> Exception | None:
        """Send the shares. What comes back is what to tell those who wait for them."""
        sent = False
        try:
            producer = await self._started()
            # Some may have been taken back while the producer started; from here on none can be.
            shares = [share for share in shares if not share.done.done()]
            for share in shares:
                share.sent = True
            acknowledgements = []
            for batch in self._batches(producer, shares) if shares else ():
                acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
                sent = True
            await asyncio.gather(*acknowledgements)
        except Unavailable as exc:
            return exc
        except _TOO_LARGE as exc:
            await self._start_over(exc)
            return PayloadTooLarge(f"larger than {topic} takes: {exc}")
        except _REFUSED as exc:
            await self._start_over(exc)
            return Unavailable(f"the event log refuses {topic}: {exc!r}")
        except KafkaError as exc:
            await self._start_over(exc)
            return OutcomeUnknown(f"the event log did not confirm: {exc!r}") if sent else Unavailable(repr(exc))
        except Exception as exc:  # a mistake of ours: those who wait for the records must hear of it
            return exc
        return None

    def _batches(self, producer: AIOKafkaProducer, shares: Sequence[Share]) -> list[Any]:
        batches = [producer.create_batch()]
        for share in shares:
            stamp = share.timestamp_ms
            for record in share.records:
                headers = list(record.headers)
                if batches[-1].append(timestamp=stamp, key=record.key, value=record.value, headers=headers) is None:
                    batches.append(producer.create_batch())
                    batches[-1].append(timestamp=stamp, key=record.key, value=record.value, headers=headers)
        for batch in batches:
            batch.close()
        return batches

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has; it must exist. Kept fresh by aiokafka."""
        producer = await self._started()
        try:
            return len(await producer.partitions_for(topic))
        except KafkaError as exc:
            raise Unavailable(f"the event log does not know {topic}: {exc!r}") from exc

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                # linger_ms concerns `send` only: a closed batch never lingers.
                producer = AIOKafkaProducer(
                    **self._options, acks="all", enable_idempotence=True, max_batch_size=self._batch_bytes
                )
                try:
                    await producer.start()
                except (KafkaError, OSError) as exc:
                    await producer.stop()
                    raise Unavailable(f"the event log cannot be reached: {exc!r}") from exc
                self._producer = producer
            return self._producer

    async def _start_over(self, error: KafkaError) -> None:
        """An idempotent producer is of no use after an error it could not retry: its sequence has a gap."""
        if error.retriable or self._producer is None:
            return
        producer, self._producer = self._producer, None
        await self._stop(producer)

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        """Let it deliver what it has, no longer than we wait for an acknowledgement."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await producer.stop()
        except TimeoutError:
            await producer.client.close()

    async def close(self) -> None:
        """Wait for what is under way, no longer than for an acknowledgement, and close."""
        tasks = [queue.task for queue in self._queues.values() if queue.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self._timeout_seconds)
            for task in tasks:
                task.cancel()
        if self._producer is not None:
            await self._stop(self._producer)


def _settle(share: Share, error: Exception | None) -> None:
    if share.done.done():
        return
    if error:
        share.done.set_exception(error)
    else:
        share.done.set_result(None)


def _heard(done: "asyncio.Future[None]") -> None:
    """Look at the outcome, or asyncio complains that nobody did."""
    if not done.cancelled():
        done.exception()
