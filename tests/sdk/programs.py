"""Programs that use an SDK: run outside of this process, each with packages pinned in a folder of its own."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.instance import ROOT

CACHE = ROOT / ".cache"
SECONDS = 280


async def run(*command: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """What a command printed; it must end with 0."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
    )
    async with asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@asynccontextmanager
async def started(*command: str | Path, cwd: Path) -> AsyncIterator[None]:
    """A command that runs while the block does, and ends, with 0, once its input does."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield
    finally:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate(b"")
    assert process.returncode == 0, output.decode()


async def installed() -> Path:
    """The folder with the SDKs pinned in `node/package-lock.json`, beside the programs that use them."""
    source, target = ROOT / "tests/sdk/node", CACHE / "sdk-node"
    target.mkdir(parents=True, exist_ok=True)
    lock = (source / "package-lock.json").read_bytes()
    complete = target / "installed.json"
    if not complete.exists() or complete.read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, target / name)
        await run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=target)
        complete.write_bytes(lock)
    for program in source.glob("*.mjs"):
        shutil.copy(program, target / program.name)
    return target
