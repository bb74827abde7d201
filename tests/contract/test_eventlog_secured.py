"""The event logs over TLS and with a password, as a cluster has them: the same promises, and nothing without both."""

import asyncio
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from hedgerow.embedded import process
from libs.kit.clock import SystemClock
from libs.kit.errors import Unavailable
from libs.kit.eventlog import Consumer, EventLog, NewRecord, Record, Topic
from libs.kit.eventlog.open import open_eventlog
from tests.support.certificates import Certificates, certificates
from tests.support.eventlogs import log_settings
from tests.support.kafka import MECHANISMS, PASSWORD, USERNAME, private_broker
from tests.support.ports import free_port
from tests.support.require import require

pytestmark = pytest.mark.networked
GROUP = "readers"
PATIENCE = 60.0
Settings = dict[str, Any]


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def kafka(trusted: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings for a broker that takes nobody without a password, on TLS only."""
    broker = private_broker(tmp_path_factory.mktemp("kafka"), trusted)
    broker.launch()
    try:
        broker.wait_ready()
        yield {
            "eventlog": "kafka",
            "kafka_brokers": broker.secured,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-512",
            "kafka_username": USERNAME,
            "kafka_password": PASSWORD,
            "kafka_ca_file": trusted.authority,
        }
    finally:
        broker.kill()


@pytest.fixture(scope="module")
def redis(trusted: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The same of the Redis that the system has; the Valkey that we bring has no TLS."""
    binary = shutil.which("redis-server")
    require(binary, "Redis with TLS (Debian: redis-server)")
    assert binary
    port, directory = free_port(), tmp_path_factory.mktemp("redis")
    options = {
        "port": 0, "tls-port": port, "tls-cert-file": trusted.certificate, "tls-key-file": trusted.key,
        "tls-ca-cert-file": trusted.authority, "tls-auth-clients": "no", "requirepass": "a-password",
        "dir": directory, "appendonly": "yes", "appendfsync": "always", "save": "",
    }  # fmt: skip
    argv = [binary, *(text for name, value in options.items() for text in (f"--{name}", str(value)))]
    server = process.start(process.Command(argv=tuple(argv), env={}), subprocess.DEVNULL)
    url = f"rediss://:a-password@127.0.0.1:{port}/0?ssl_ca_certs={trusted.authority}"
    try:
        process.wait_until(lambda: _answers(url), server, seconds=60)
        yield {"eventlog": "redis", "log_redis_url": url}
    finally:
        server.kill()
        server.wait()


def _answers(url: str) -> bool:
    try:
        with Redis.from_url(url) as client:
            return bool(client.ping())
    except RedisError:
        return False


@pytest.fixture(params=["kafka", "redis"])
def secured(request: pytest.FixtureRequest) -> Settings:
    found: Settings = request.getfixturevalue(request.param)
    return found


@asynccontextmanager
async def opened(settings: Settings, **changes: Any) -> AsyncIterator[EventLog]:
    log = await open_eventlog(log_settings(**{**settings, **changes}), SystemClock())
    try:
        yield log
    finally:
        await log.close()


async def made(log: EventLog) -> str:
    topic = f"t{uuid.uuid4().hex[:12]}"
    await log.ensure([Topic(topic, groups=(GROUP,))])
    return topic


async def read(consumer: Consumer, count: int) -> list[Record]:
    """So many records, committed."""
    records: list[Record] = []
    async with asyncio.timeout(PATIENCE):
        while len(records) < count:
            for batch in await consumer.fetch(max_records=100, timeout=0.5):
                records += batch.records
                await consumer.commit(batch.topic, batch.partition, batch.next_offset)
    return records


def numbered(first: int, last: int) -> list[NewRecord]:
    return [NewRecord(b"k%d" % (i % 5), b"v%d" % i, (("h", b"%d" % i),)) for i in range(first, last)]


async def test_records_come_back_in_order_and_positions_stay(secured: Settings) -> None:
    async with opened(secured) as log, opened(secured) as other:
        topic = await made(log)
        await log.check()
        await log.produce(topic, numbered(0, 50))
        async with log.consumer([topic], GROUP) as consumer:
            first = await read(consumer, 50)
        await other.produce(topic, numbered(50, 80))
        async with other.consumer([topic], GROUP) as consumer:
            second = await read(consumer, 30)
        by_key: dict[bytes | None, list[int]] = {}
        for record in first + second:
            assert record.headers[0] == ("h", record.value[1:])
            by_key.setdefault(record.key, []).append(int(record.value[1:]))
        assert by_key == {b"k%d" % key: [*range(key, 80, 5)] for key in range(5)}
        assert await log.log_id(topic) == await other.log_id(topic)
        async with asyncio.timeout(PATIENCE), log.tail(topic, last=100) as tail:
            seen: list[Record] = []
            while len(seen) < 80:
                seen += await tail.fetch(max_records=100, timeout=0.5)


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_each_way_to_sign_in(kafka: Settings, mechanism: str) -> None:
    async with opened(kafka, kafka_sasl_mechanism=mechanism) as log:
        await log.produce(await made(log), numbered(0, 1))


async def test_a_stranger_is_not_let_in(secured: Settings) -> None:
    if secured["eventlog"] == "kafka":
        changes = {"kafka_password": "another"}
    else:
        changes = {"log_redis_url": secured["log_redis_url"].replace("a-password", "another")}
    await refused(secured, changes)


async def test_a_server_that_nobody_vouches_for_is_not_believed(secured: Settings, tmp_path: Path) -> None:
    unknown = certificates(tmp_path).authority
    if secured["eventlog"] == "kafka":
        changes: Settings = {"kafka_ca_file": unknown}
    else:
        changes = {"log_redis_url": f"{secured['log_redis_url'].partition('=')[0]}={unknown}"}
    await refused(secured, changes)


async def test_a_certificate_of_another_host_is_none(secured: Settings) -> None:
    address = "kafka_brokers" if secured["eventlog"] == "kafka" else "log_redis_url"
    await refused(secured, {address: secured[address].replace("127.0.0.1", "localhost")})


async def refused(settings: Settings, changes: Settings) -> None:
    """As an outage: whoever waits for the log waits, and readiness says so."""
    async with asyncio.timeout(PATIENCE), opened(settings, **changes, log_timeout_seconds=3) as log:
        with pytest.raises(Unavailable):
            await log.check()
        with pytest.raises(Unavailable):
            await log.produce("any", numbered(0, 1))
