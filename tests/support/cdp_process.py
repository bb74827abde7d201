"""Both workers in processes of their own, which a test may kill.

`python -m tests.support.cdp_process` imports everything once and then forks a worker for each line it reads from stdin:
`CRASH_POINTS NAME NAME...`, `-` for no crash point. It answers with the worker's pid, and with `PID STATUS` at its end.
"""

import asyncio
import os
import signal
import sys
import threading

from pydantic import SecretStr

from libs.kit import crashpoints
from libs.kit.logging import configure_logging
from libs.kit.runtime import open_runtime
from libs.kit.settings import KitSettings
from tests.support.pipeline import QUICK_INGESTION, QUICK_WRITER


def environment(settings: KitSettings, **more: str) -> dict[str, str]:
    """The variables with which a child reads these settings."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    plain = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in values.items()
    }
    mine = {f"HEDGEROW_{name.upper()}": str(value) for name, value in plain.items() if value is not None}
    return {**os.environ, **mine, **more}


class Forks:
    """The process that forks workers. Close it with `async with`; workers still running are killed."""

    def __init__(self, settings: KitSettings, **more: str):
        self._environment = environment(settings, **more)
        self._pids: set[int] = set()

    async def __aenter__(self) -> "Forks":
        self._parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.cdp_process"),
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)
        assert self._parent.stdin
        self._parent.stdin.close()
        await self._parent.wait()

    async def start(self, *names: str, crash_at: str = "") -> int:
        """Fork a worker and return its pid."""
        assert self._parent.stdin
        self._parent.stdin.write(f"{crash_at or '-'} {' '.join(names)}\n".encode())
        pid = int(await self._line())
        self._pids.add(pid)
        return pid

    async def ended(self, seconds: float = 120) -> tuple[int, int]:
        """The pid and the exit status (minus a signal) of the next worker that ends."""
        async with asyncio.timeout(seconds):
            pid, status = (await self._line()).split()
        self._pids.discard(int(pid))
        return int(pid), int(status)

    async def _line(self) -> str:
        assert self._parent.stdout
        return (await self._parent.stdout.readline()).decode()


def serve_forks() -> None:
    """The parent: fork for each line; report each end from a thread of its own."""
    from services.cdp.ingestion import worker as _ingestion  # noqa: F401 - imported before the fork
    from services.cdp.writer import worker as _writer  # noqa: F401

    for line in sys.stdin:
        crash_at, *names = line.split()
        pid = os.fork()
        if pid == 0:
            crashpoints.arm("" if crash_at == "-" else crash_at)
            configure_logging("info", service="cdp", version="test")
            run_here(names or ["ingestion", "writer"])
            os._exit(0)
        print(pid, flush=True)
        threading.Thread(target=_report, args=(pid,), daemon=True).start()


def _report(pid: int) -> None:
    _, status = os.waitpid(pid, 0)
    print(pid, os.waitstatus_to_exitcode(status), flush=True)


def run_here(names: list[str]) -> None:
    """Run workers in this process, on uvloop if TEST_UVLOOP is set."""
    if os.environ.get("TEST_UVLOOP"):
        import uvloop

        uvloop.run(main(names))
    else:
        asyncio.run(main(names))


async def main(names: list[str]) -> None:
    """Run until SIGTERM."""
    from services.cdp.ingestion import worker as ingestion
    from services.cdp.writer import worker as writer

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_runtime(KitSettings()) as runtime, asyncio.TaskGroup() as group:
        if "ingestion" in names:
            group.create_task(ingestion.run(runtime, QUICK_INGESTION, stop))
        if "writer" in names:
            group.create_task(writer.run(runtime, QUICK_WRITER, stop))


if __name__ == "__main__":
    serve_forks()
