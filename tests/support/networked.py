"""The networked set: the same services over Kafka, PgBouncer, Redis and S3, each a real server on loopback.

Kafka from Maven Central; PostgreSQL behind PgBouncer in transaction mode; Redis from Debian; S3 spoken by moto; our own
ClickHouse server over TCP. Services run as they do on a cluster: `hedgerow serve` and `hedgerow worker`, one process
each, configured by environment variables alone.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
from moto.server import ThreadedMotoServer

from hedgerow.embedded import preparation, process
from hedgerow.embedded.instance import Instance as EngineInstance
from tests.support.instance import ROOT, Instance
from tests.support.kafka import KafkaBroker, shared_broker
from tests.support.pgbouncer import pgbouncer
from tests.support.ports import free_port
from tests.support.require import require


@dataclass
class Networked(Instance):
    """Looks like an Instance to its tests, but each service is a process of its own."""

    broker: KafkaBroker | None = None
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def launch(self, name: str, *argv: str) -> None:
        """Start one process of ours."""
        self.commands[name] = argv
        output = (self.data_dir / f"{name}.log").open("ab")
        command = process.Command((sys.executable, "-m", "hedgerow", *argv), env=self.environment, cwd=ROOT)
        self.processes[name] = process.start(command, output)

    def relaunch(self, name: str) -> None:
        """Start it again as an orchestrator would."""
        self.launch(name, *self.commands[name])

    def finish(self) -> None:
        """SIGTERM to all; whoever is still there after 20 s gets SIGKILL."""
        for child in self.processes.values():
            process.stop(child, signal.SIGTERM, seconds=20)


@contextlib.contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    """Debian's Redis with a password; yields its address."""
    binary = shutil.which("redis-server")
    require(binary, "Redis (Debian: redis-server)")
    assert binary
    directory.mkdir()
    port, password = free_port(), secrets.token_hex(8)
    configuration = f"port {port}\nbind 127.0.0.1\nrequirepass {password}\ndir {directory}\nsave ''\n".encode()
    child = process.start(process.Command((binary, "-"), stdin=configuration), subprocess.DEVNULL)
    try:
        yield f"redis://:{password}@127.0.0.1:{port}/0"
    finally:
        process.stop(child, signal.SIGTERM, seconds=10)


@contextlib.contextmanager
def bouncing(dsn: str) -> Iterator[str]:
    """PgBouncer in front of `dsn`, outside the test's directory: it drops to an account that may not enter there."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        with pgbouncer(dsn, Path(directory) / "bouncer", pool=10) as address:
            yield address


def environment_of(engines: EngineInstance, *, site: str, **networked: str) -> Mapping[str, str]:
    """What a deployment's manifest would set."""
    return {
        **engines.environment(site),
        "HEDGEROW_EVENTLOG": "kafka",
        "HEDGEROW_BLOBS": "s3",
        "HEDGEROW_S3_BUCKET": "hedgerow",
        "HEDGEROW_S3_ACCESS_KEY_ID": "test",
        "HEDGEROW_S3_SECRET_ACCESS_KEY": "test",
        **{f"HEDGEROW_{name}": value for name, value in networked.items()},
    }


@contextlib.asynccontextmanager
async def running(engines: EngineInstance, directory: Path) -> AsyncIterator[Networked]:
    """The whole networked set, migrated, bootstrapped and ready; PostgreSQL and ClickHouse are those of `engines`."""
    broker = await asyncio.to_thread(shared_broker)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    s3 = "http://{}:{}".format(*moto.get_host_and_port())
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(moto.stop)
        redis = stack.enter_context(redis_server(directory / "redis"))
        dsn = engines.environment("")["HEDGEROW_POSTGRES_DSN"]
        bounced = stack.enter_context(bouncing(dsn))
        port = free_port()
        environment = environment_of(
            engines,
            site=f"http://127.0.0.1:{port}",
            POSTGRES_DSN=bounced,
            STATE_REDIS_URL=redis,
            KAFKA_BROKERS=broker.brokers,
            S3_ENDPOINT=s3,
        )
        async with httpx.AsyncClient() as client:
            (await client.put(f"{s3}/hedgerow")).raise_for_status()
        mine = Networked(directory, port, environment=dict(environment), broker=broker)
        mine.info = await boot(mine.environment, engines.directory)
        mine.launch("http", "serve", "all", "--port", str(port))
        mine.launch("ingestion", "worker", "ingestion")
        mine.launch("writer", "worker", "writer")
        stack.callback(mine.finish)
        await mine.wait_healthy()
        yield mine


async def boot(environment: Mapping[str, str], directory: Path) -> dict[str, Any]:
    """Migrations, topics, first user and project, through the networked addresses; what instance.json would say."""
    booting = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hedgerow.embedded.first_boot", str(directory)),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await booting.communicate()
    assert booting.returncode == 0, output.decode()
    return {**orjson.loads((directory / "secrets.json").read_bytes()), "project_id": preparation.project_id(directory)}
