"""Start the server as a child process, in tests and tools:

    async with clickhouse_server(tmp_path / "clickhouse", "secret") as (host, http_port, native_port):
        ...

The user is `default`. The child gets SIGTERM at the end of the block, and dies with this process if that is killed.
`ClickHouseProcess` is the same by hand, for tests that kill and restart it.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class ClickHouseProcess:
    """One server process on a data directory. `start` after `kill` gives new ports unless they were given."""

    def __init__(self, data_dir: Path, password: str, *arguments: str, environment: dict[str, str] | None = None):
        self._data_dir = data_dir
        self._password = password
        self._arguments = arguments
        self._environment = environment or {}
        self.process: asyncio.subprocess.Process | None = None
        self.host, self.http_port, self.native_port = "127.0.0.1", 0, 0

    @property
    def pid(self) -> int:
        """Of the running server."""
        if self.process is None:
            raise RuntimeError("not started")
        return self.process.pid

    async def start(self, timeout: float = 30.0) -> None:
        """Start, and wait until it serves."""
        command = [sys.executable, "-m", "hedgerow.embedded.clickhouse", "--data-dir", str(self._data_dir)]
        self.process = await asyncio.create_subprocess_exec(
            *command,
            *self._arguments,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **self._environment, "HEDGEROW_CLICKHOUSE_PASSWORD": self._password},
            preexec_fn=_die_with_parent,
        )
        stdout = self.process.stdout
        line = await asyncio.wait_for(stdout.readline(), timeout) if stdout is not None else b""
        if not line:
            raise RuntimeError(f"the ClickHouse server ended with code {await self.process.wait()}")
        ready = json.loads(line)
        self.host, self.http_port, self.native_port = ready["host"], ready["http_port"], ready["native_port"]

    async def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM, then SIGKILL when that takes too long; gives the exit code."""
        return await self._end(signal.SIGTERM, timeout)

    async def kill(self) -> int:
        """SIGKILL."""
        return await self._end(signal.SIGKILL, 15.0)

    async def _end(self, number: signal.Signals, timeout: float) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            return await asyncio.wait_for(process.wait(), timeout)
        except TimeoutError:
            process.kill()
            return await process.wait()


@contextlib.asynccontextmanager
async def clickhouse_server(data_dir: Path, password: str, *arguments: str) -> AsyncIterator[tuple[str, int, int]]:
    """A server of one's own: (host, HTTP port, native port)."""
    server = ClickHouseProcess(data_dir, password, *arguments)
    await server.start()
    try:
        yield server.host, server.http_port, server.native_port
    finally:
        await server.stop()
