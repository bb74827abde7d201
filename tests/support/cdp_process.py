"""Both workers in a process of their own, which a test may kill: `python -m tests.support.cdp_process [writer ...]`."""

import asyncio
import os
import signal
import sys

from pydantic import SecretStr

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


async def start(settings: KitSettings, *names: str, crash_at: str = "", **more: str) -> asyncio.subprocess.Process:
    """Start the named workers (both when none is named), to die at a crash point."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.cdp_process",
        *names,
        env=environment(settings, HEDGEROW_CRASH_AT=crash_at, **more),
    )


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
    configure_logging("info", service="cdp", version="test")
    if os.environ.get("TEST_UVLOOP"):
        import uvloop

        uvloop.run(main(sys.argv[1:] or ["ingestion", "writer"]))
    else:
        asyncio.run(main(sys.argv[1:] or ["ingestion", "writer"]))
