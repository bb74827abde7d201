"""Produces that wait for a connection leave together, and each hears what became of its own."""

import asyncio

import pytest

from libs.kit.errors import LogFull, OutcomeUnknown, Unavailable
from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.block import RecordBlock
from libs.kit.eventlog.redis_producer import SCRIPT_BYTES, MergingProducer


class Server:
    """Takes writes one by one, when told to."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, list[bytes]]] = []
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def write(self, topic: str, block: RecordBlock) -> None:
        self.writes.append((topic, [record.value for record in block]))
        await self.open.wait()
        if self.error:
            raise self.error


def produce(producer: MergingProducer, *values: bytes, topic: str = "t") -> "asyncio.Task[None]":
    block = RecordBlock.of([NewRecord(None, value) for value in values])
    return asyncio.create_task(producer.produce(topic, block))


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_waits_leaves_together_in_order() -> None:
    server = Server()
    producer = MergingProducer(server.write, lanes=1, timeout_seconds=5)
    tasks = [produce(producer, b"a")]
    await turns()
    tasks += [produce(producer, b"b", b"c"), produce(producer, b"x", topic="other"), produce(producer, b"d")]
    await turns()
    server.open.set()
    await asyncio.gather(*tasks)
    assert server.writes == [("t", [b"a"]), ("t", [b"b", b"c", b"d"]), ("other", [b"x"])]


async def test_a_script_is_bounded() -> None:
    server = Server()
    producer = MergingProducer(server.write, lanes=1, timeout_seconds=5)
    server.open.set()
    large = b"x" * (SCRIPT_BYTES - 15)  # 8 more as a record, and 6 for each of the others
    await asyncio.gather(produce(producer, large), produce(producer, b"a"), produce(producer, b"b"))
    assert [len(written) for _, written in server.writes] == [2, 1]


async def test_an_error_reaches_all_whose_records_it_was_about() -> None:
    server = Server()
    producer = MergingProducer(server.write, lanes=1, timeout_seconds=5)
    server.error = LogFull("full")
    server.open.set()
    answers = await asyncio.gather(produce(producer, b"a"), produce(producer, b"b"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [LogFull, LogFull]
    server.error = None
    await produce(producer, b"c")


async def test_what_has_not_left_in_time_never_leaves() -> None:
    server = Server()
    producer = MergingProducer(server.write, lanes=1, timeout_seconds=0.05)
    sent = produce(producer, b"sent")
    await turns()
    waiting, cancelled = produce(producer, b"waiting"), produce(producer, b"cancelled")
    await turns()
    cancelled.cancel()
    with pytest.raises(OutcomeUnknown):
        await sent
    with pytest.raises(Unavailable) as refused:
        await waiting
    assert not isinstance(refused.value, OutcomeUnknown)
    server.open.set()
    await produce(producer, b"later")
    assert [values for _, values in server.writes] == [[b"sent"], [b"later"]]
    await producer.close()


async def test_lanes_bound_what_is_under_way() -> None:
    server = Server()
    producer = MergingProducer(server.write, lanes=2, timeout_seconds=5)
    tasks = []
    for number in range(6):
        tasks.append(produce(producer, b"%d" % number))
        await turns()
    assert len(server.writes) == 2
    server.open.set()
    await asyncio.gather(*tasks)
    assert [value for _, values in server.writes for value in values] == [b"%d" % number for number in range(6)]
