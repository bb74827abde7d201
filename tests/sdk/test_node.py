"""posthog-node, unmodified, against a running Hedgerow."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.sdk.conftest import rows_within
from tests.support.instance import ROOT, Instance
from tests.support.require import require

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]


async def run(*command: str, cwd: Path) -> str:
    """What a command printed; it must end with 0."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(120):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.fixture(scope="session")
def package() -> Path:
    """The pinned SDK, installed once into the cache."""
    require(shutil.which("npm"), "npm")
    source, target = ROOT / "tests/sdk/node", ROOT / ".cache/sdk-node"
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "send.mjs"):
        shutil.copy(source / name, target / name)
    return target


async def test_capture(hedgerow: Instance, package: Path, mark: str) -> None:
    await run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=package)
    await run("node", "send.mjs", hedgerow.url, hedgerow.info["project_api_key"], mark, cwd=package)
    rows = await rows_within(
        hedgerow,
        f"select properties.n, distinct_id, properties.$lib from events where event = 'node {mark}' "
        "order by toInt(properties.n)",
        26,
    )
    assert [int(row[0]) for row in rows] == list(range(26))
    assert [row[1] for row in rows] == [f"{mark}-{n % 5}" for n in range(26)]
    assert {row[2] for row in rows} == {"posthog-node"}
