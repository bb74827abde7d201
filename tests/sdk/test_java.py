"""posthog-server (the PostHog SDK for the JVM), unmodified, against a running Hedgerow."""

import os
import shutil
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sdk.conftest import one_person, rows_within
from tests.sdk.programs import CACHE, run, started
from tests.support.instance import ROOT, Instance
from tests.support.require import require

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]
SOURCE = ROOT / "tests/sdk/java"
TARGET = CACHE / "sdk-java" / "2.3.3"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def program() -> Path:
    """Where the SDK's jars and the compiled program are."""
    require(shutil.which("java"), "Java runs the SDK (Debian: openjdk-17-jre-headless)")
    require(TARGET.is_dir() or shutil.which("mvn"), "Maven fetches the SDK (Debian: maven)")
    if not TARGET.is_dir():
        fetched = TARGET.with_name(f"fetching-{os.getpid()}")
        await run(
            *("mvn", "-q", "-B", "-f", SOURCE / "pom.xml", "dependency:copy-dependencies"),
            f"-DoutputDirectory={fetched}",
            cwd=SOURCE,
        )
        fetched.rename(TARGET)
    # Debian's runtime brings no compiler
    compiler = "org.eclipse.jdt.internal.compiler.batch.Main"
    await run("java", "-cp", f"{TARGET}/*", compiler, "-17", "-nowarn", "-d", TARGET, SOURCE / "Send.java", cwd=SOURCE)
    return TARGET


async def test_java(hedgerow: Instance, program: Path, mark: str) -> None:
    arguments = (hedgerow.url, hedgerow.info["project_api_key"], mark)
    command = ("java", "-Xmx128m", "-cp", f"{program}:{program}/*", "Send", *arguments)
    query = (
        "select properties.n, distinct_id, properties.note, properties.$groups.company, properties.$lib "
        f"from events where event = 'java' and properties.mark = '{mark}' order by toInt(properties.n)"
    )
    async with started(*command, cwd=program):
        rows = await rows_within(hedgerow, query, 7, seconds=60)
    assert [int(row[0]) for row in rows] == list(range(7))
    assert {tuple(row[1:]) for row in rows} == {(f"{mark}-user", "naïve 日本", f"{mark}-acme", "posthog-server")}
    others = await rows_within(
        hedgerow,
        "select event, properties.alias, properties.$group_key from events "
        f"where distinct_id = '{mark}-user' and event in ('$identify', '$groupidentify', '$create_alias') "
        "order by event",
        3,
    )
    assert others == [
        ["$create_alias", f"{mark}-alias", None],
        ["$groupidentify", None, f"{mark}-acme"],
        ["$identify", None, None],
    ]
    await one_person(hedgerow, f"{mark}-user")
