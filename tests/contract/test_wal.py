"""The write-ahead log in front of real logs that stop, start, and break off half-way through what they are sent."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from libs.kit.clock import SystemClock
from libs.kit.errors import HedgerowError, Unavailable
from libs.kit.eventlog import EventLog, NewRecord, Topic
from libs.kit.eventlog.wal import WalOptions, WriteAheadLog, write_ahead
from tests.support.cutting_proxy import CuttingProxy, cutting
from tests.support.eventlogs import Backend, KafkaBackend, RedisBackend
from tests.support.kafka import KafkaBroker, private_broker
from tests.support.ports import free_port
from tests.support.scale import scaled
from tests.support.valkey import ValkeyServer, running_valkey

GROUP = "readers"
SENDERS = 8
PATIENCE = 90.0


@dataclass
class Server:
    """A log that a test may stop and start, and how to reach it with and without a proxy in between."""

    backend: Backend
    stop: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]
    proxied: Backend
    proxy: CuttingProxy


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    broker = private_broker(tmp_path_factory.mktemp("kafka"))
    broker.launch()
    broker.wait_ready()
    yield broker
    broker.kill()


@pytest.fixture(params=["valkey", pytest.param("kafka", marks=pytest.mark.networked)])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    if request.param == "kafka":
        async with kafka(request.getfixturevalue("broker")) as found:
            yield found
    else:
        with running_valkey() as valkey:
            async with redis(valkey) as found:
                yield found


@asynccontextmanager
async def kafka(broker: KafkaBroker) -> AsyncIterator[Server]:
    async with cutting(broker.proxy_port, broker.behind_proxy_port) as proxy:
        plain = KafkaBackend(broker.brokers, log_timeout_seconds=2)
        proxied = KafkaBackend(f"127.0.0.1:{broker.proxy_port}", log_timeout_seconds=2)
        yield Server(plain, broker.stop, broker.start, proxied, proxy)


@asynccontextmanager
async def redis(valkey: ValkeyServer) -> AsyncIterator[Server]:
    async def stop() -> None:
        valkey.kill()

    async def start() -> None:
        valkey.start()

    port = free_port()
    async with cutting(port, valkey.port) as proxy:
        proxied = RedisBackend(valkey.url.replace(str(valkey.port), str(port)), log_timeout_seconds=2)
        yield Server(RedisBackend(valkey.url, log_timeout_seconds=2), stop, start, proxied, proxy)


@pytest.fixture
def topic() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


@dataclass
class Senders:
    """Each sends numbers under a key of its own, the next one once the one before was acknowledged."""

    wal: WriteAheadLog
    topic: str
    size: int = 200
    acknowledged: dict[int, list[bytes]] = field(default_factory=lambda: {name: [] for name in range(SENDERS)})
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, name: int) -> None:
        mine = self.acknowledged[name]
        while not self.stopping.is_set():
            values = [b"%d:%d:" % (name, len(mine) + i) + b"x" * self.size for i in range(5)]
            while True:
                try:
                    await self.wal.produce(self.topic, [NewRecord(b"key%d" % name, value) for value in values])
                    break
                except Unavailable:  # as an SDK would: the same again
                    await asyncio.sleep(0.05)
            mine += values
            await asyncio.sleep(0.002)

    def total(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    async def more(self, count: int) -> None:
        """Until so many more are acknowledged."""
        wanted = self.total() + count
        while self.total() < wanted:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def sending(log: EventLog, topic: str, directory: Path, *, size: int = 200) -> AsyncIterator[Senders]:
    """Senders through a write-ahead log; at the end everything has been drained."""
    options = WalOptions(directory / "wal", max_bytes=10**9, segment_bytes=200_000, after_seconds=1.0)
    async with asyncio.timeout(PATIENCE), write_ahead(log, options, SystemClock()) as wal:
        senders = Senders(wal, topic, size)
        tasks = [asyncio.create_task(senders.send(name)) for name in senders.acknowledged]
        yield senders
        senders.stopping.set()
        await asyncio.gather(*tasks)
        while wal.state().behind:
            await asyncio.sleep(0.01)
    assert not list((directory / "wal").glob("*.wal"))


async def first_copies(log: EventLog, topic: str, count: int) -> list[bytes]:
    """All values in the order of their first copies, until there are `count` and no more come."""
    values: dict[bytes, None] = {}
    async with asyncio.timeout(PATIENCE), log.consumer([topic], GROUP) as consumer:
        idle = 0
        while len(values) < count or idle < 2:
            try:
                batches = await consumer.fetch(max_records=1000, timeout=0.3)
            except HedgerowError:
                continue
            values.update(dict.fromkeys(record.value for batch in batches for record in batch.records))
            idle = 0 if batches else idle + 1
    return list(values)


def assert_all_there_in_order(senders: Senders, values: list[bytes]) -> None:
    for name, acknowledged in senders.acknowledged.items():
        assert [value for value in values if value.startswith(b"%d:" % name)] == acknowledged


async def test_the_log_stops_and_comes_back(server: Server, topic: str, tmp_path: Path) -> None:
    log = await server.backend.connect()
    await log.ensure([Topic(topic, groups=(GROUP,))])
    async with sending(log, topic, tmp_path) as senders:
        await senders.more(200)
        for _ in range(scaled(20)):
            await server.stop()
            await senders.more(500)
            assert senders.wal.state().behind
            await server.start()
            while senders.wal.state().behind:
                await asyncio.sleep(0.01)
            await senders.more(100)
    assert_all_there_in_order(senders, await first_copies(log, topic, senders.total()))
    await log.close()


async def test_the_log_breaks_off_half_way_through_a_batch(server: Server, topic: str, tmp_path: Path) -> None:
    log, straight = await server.proxied.connect(), await server.backend.connect()
    await log.ensure([Topic(topic, groups=(GROUP,))])
    cuts = scaled(300, least=6)
    async with sending(log, topic, tmp_path, size=2_000) as senders:
        await senders.more(200)
        server.proxy.cut_after = 100_000
        while min(server.proxy.halved, server.proxy.muted) < cuts // 2:
            await asyncio.sleep(0.05)
        server.proxy.cut_after = None
        await senders.more(200)
    assert_all_there_in_order(senders, await first_copies(straight, topic, senders.total()))
    await log.close()
    await straight.close()
