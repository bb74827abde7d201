"""A process is killed at each point of its write-ahead log in turn: nothing acknowledged is lost, the order holds."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from libs.kit.eventlog import Topic
from libs.kit.eventlog.wal_files import CRASH_POINTS
from tests.contract.test_wal import GROUP, first_copies
from tests.support.cdp_process import environment
from tests.support.eventlogs import RedisBackend, log_settings
from tests.support.instance import ROOT
from tests.support.valkey import ValkeyServer, running_valkey

PATIENCE = 60.0
TOPIC = "events"
APPENDING = CRASH_POINTS[:3]
DRAINING = CRASH_POINTS[3:]


@dataclass
class Producer:
    """`tests.support.wal_process`, one child after another on one directory."""

    valkey: ValkeyServer
    directory: Path
    parent: asyncio.subprocess.Process
    acknowledged: list[int] = field(default_factory=list)
    pid: int = 0
    _ended: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def start(self) -> None:
        """The next child goes on where the acknowledgements end."""
        assert self.parent.stdin is not None
        self.pid, self._ended = 0, asyncio.get_running_loop().create_future()
        self.parent.stdin.write(b"%d\n" % (self.acknowledged[-1] + 1 if self.acknowledged else 0))
        await self.parent.stdin.drain()

    async def read(self) -> None:
        """What children say, until there are no more."""
        assert self.parent.stdout is not None
        async for line in self.parent.stdout:
            match line.split():
                case [b"pid", pid]:
                    self.pid = int(pid)
                case [b"ended", code]:
                    self._ended.set_result(int(code))
                case [number]:
                    self.acknowledged.append(int(number))

    def die_at(self, point: str) -> None:
        (self.directory / "crashes" / point).touch()

    async def ended(self) -> int:
        return await self._ended

    async def finish(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        assert await self.ended() == 0

    async def more(self, count: int) -> None:
        wanted = len(self.acknowledged) + count
        while len(self.acknowledged) < wanted:
            await asyncio.sleep(0.01)

    def drained(self) -> bool:
        return not list((self.directory / "wal").glob("*.wal"))


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    with running_valkey() as server:
        yield server


@pytest.fixture
async def producer(valkey: ValkeyServer, tmp_path: Path) -> AsyncIterator[Producer]:
    (tmp_path / "crashes").mkdir()
    settings = log_settings(log_redis_url=valkey.url, log_timeout_seconds=2)
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.wal_process", TOPIC, str(tmp_path / "wal")),
        cwd=ROOT,
        env=environment(settings, HEDGEROW_CRASH_DIR=str(tmp_path / "crashes")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    producer = Producer(valkey, tmp_path, parent)
    reading = asyncio.create_task(producer.read())
    await producer.start()
    yield producer
    assert parent.stdin is not None
    parent.stdin.close()
    while not producer.pid and not producer._ended.done():
        await asyncio.sleep(0.01)  # 0 would be this test run's own process group
    if not producer._ended.done():
        os.kill(producer.pid, signal.SIGKILL)
    await parent.wait()
    await reading


@pytest.mark.embedded
async def test_nothing_is_lost_at_any_point(valkey: ValkeyServer, producer: Producer) -> None:
    log = await RedisBackend(valkey.url).connect()
    await log.ensure([Topic(TOPIC, groups=(GROUP,))])
    async with asyncio.timeout(PATIENCE):
        await producer.more(5)
        valkey.kill()
        for point in APPENDING:
            await producer.more(20)
            producer.die_at(point)
            assert await producer.ended() == -signal.SIGKILL
            await producer.start()
        await producer.more(40)  # more than one file of them
        valkey.start()
        for point in DRAINING:
            producer.die_at(point)
            assert await producer.ended() == -signal.SIGKILL
            assert not producer.drained()
            await producer.start()
        await producer.more(20)
        await producer.finish()
    assert producer.drained()
    stored = [int(value) for value in await first_copies(log, TOPIC, len(producer.acknowledged))]
    # A record that was kept and not yet acknowledged when its process died was sent again: it stands before the others.
    assert sorted(stored) == stored
    assert set(producer.acknowledged) <= set(stored)
    assert set(stored) <= set(range(producer.acknowledged[-1] + 2))
    await log.close()
