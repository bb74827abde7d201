"""A running Hedgerow for tests: `hedgerow up` in its own process, as a newcomer starts it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]

# How a part shows itself in a process's command line.
PARTS: Mapping[str, tuple[str, ...]] = {
    "postgres": ("postgres", "-D"),
    "log": ("valkey", "log"),
    "state": ("valkey", "state"),
    "clickhouse": ("hedgerow.embedded.clickhouse",),
    "http": ("hedgerow.part", "serve"),
    "workers": ("hedgerow.part", "worker"),
}


@dataclass
class Instance:
    """`hedgerow up` on a data directory; may be killed and started again."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    info: dict[str, Any] = field(default_factory=dict)

    async def start(self, *, ready_within: float = 200.0) -> None:
        """Start and wait until instance.json is there and /_health answers 200."""
        output = (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hedgerow", "up", "--data-dir", str(self.data_dir), "--port", str(self.port)),
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=output,
            stderr=output,
            stdin=asyncio.subprocess.DEVNULL,
        )
        output.close()
        async with asyncio.timeout(ready_within):
            while not (self.data_dir / "instance.json").exists() or not await self.healthy():
                if self.process.returncode is not None:
                    raise AssertionError(f"hedgerow up ended with {self.process.returncode}: {self.tail()}")
                await asyncio.sleep(0.1)
        self.info = orjson.loads((self.data_dir / "instance.json").read_bytes())

    def tail(self) -> str:
        """The last lines it printed."""
        return (self.data_dir.parent / f"{self.data_dir.name}.log").read_text(errors="replace")[-3000:]

    async def healthy(self) -> bool:
        """Whether every part says it is ready."""
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{self.port}/_health", timeout=5)).status_code == 200
        except httpx.TransportError:
            return False

    async def wait_healthy(self, within: float = 200.0) -> None:
        """Until every part is ready again."""
        async with asyncio.timeout(within):
            while True:
                if await self.healthy():
                    return
                await asyncio.sleep(0.2)

    def descendants(self) -> list[psutil.Process]:
        """Every process below the supervisor."""
        assert self.process
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def part(self, name: str) -> psutil.Process | None:
        """The process of a part: the topmost below the supervisor whose command line shows it, and no other's."""
        assert self.process
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                line = " ".join(child.cmdline())
                if all(mark in line for mark in PARTS[name]):
                    found.append(child)
        assert len(found) < 2, f"{name} is not told apart: {[child.cmdline() for child in found]}"
        return found[0] if found else None

    async def kill(self, name: str) -> None:
        """SIGKILL a part, or the supervisor itself."""
        if name != "supervisor":
            if process := self.part(name):
                process.kill()
            return
        assert self.process
        below = self.descendants()
        self.process.kill()
        await self.process.wait()
        _, alive = await asyncio.to_thread(psutil.wait_procs, below, 60)
        assert not alive, f"outlived the supervisor: {[p.cmdline() for p in alive]}"

    async def stop(self, within: float = 120.0) -> None:
        """SIGTERM; afterwards nothing of it runs."""
        if self.process is None or self.process.returncode is not None:
            return
        below = self.descendants()
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(within):
            code = await self.process.wait()
        _, alive = await asyncio.to_thread(psutil.wait_procs, below, 30)
        assert not alive, f"left behind: {[p.cmdline() for p in alive]}"
        assert code == 0, f"ended with {code}: {self.tail()}"

    async def query(self, hogql: str) -> list[list[Any]]:
        """Rows of a HogQL query through the public API."""
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            answer = await client.post(
                f"/api/projects/{self.info['project_id']}/query/",
                json={"query": {"kind": "HogQLQuery", "query": hogql}},
                headers={"Authorization": f"Bearer {self.info['personal_api_key']}"},
            )
        assert answer.status_code == 200, answer.text
        rows: list[list[Any]] = answer.json()["results"]
        return rows

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def running(data_dir: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[Instance]:
    """An instance that is up inside the block and wholly gone after it."""
    instance = Instance(data_dir, environment=dict(environment or {}))
    await instance.start()
    try:
        yield instance
    finally:
        await instance.stop()
