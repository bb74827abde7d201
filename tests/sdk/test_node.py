"""posthog-node and posthog-js-lite, unmodified, against a running Hedgerow."""

import shutil
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sdk.conftest import one_person, rows_within
from tests.sdk.programs import installed, run
from tests.support.instance import Instance
from tests.support.require import require

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def package() -> Path:
    """The pinned SDKs, installed once into the cache, beside the programs that use them."""
    require(shutil.which("npm"), "npm")
    return await installed()


@pytest.mark.parametrize("mode", ["v0", "v1"])
async def test_node(hedgerow: Instance, package: Path, mark: str, mode: str) -> None:
    arguments = (hedgerow.url, hedgerow.info["project_api_key"], mark)
    await run("node", "send.mjs", *arguments, cwd=package, environment={"POSTHOG_CAPTURE_MODE": mode})
    rows = await rows_within(
        hedgerow,
        f"select properties.n, distinct_id, properties.$lib from events where event = 'node {mark}' "
        "order by toInt(properties.n)",
        26,
    )
    assert [int(row[0]) for row in rows] == list(range(26))
    assert [row[1] for row in rows] == [f"{mark}-{n % 5}" for n in range(26)]
    assert {row[2] for row in rows} == {"posthog-node"}
    named = f"'$identify', '$create_alias', '$groupidentify', 'grouped {mark}', '$ai_generation'"
    others = await rows_within(
        hedgerow,
        "select event, properties.alias, properties.$group_key, properties.$groups.company, properties.$ai_model "
        f"from events where distinct_id in ('{mark}-0', '{mark}-alias') and event in ({named}) order by event",
        5,
    )
    assert others == [
        ["$ai_generation", None, None, None, "m"],
        ["$create_alias", f"{mark}-alias", None, None, None],
        ["$groupidentify", None, f"{mark}-acme", None, None],
        ["$identify", None, None, None, None],
        [f"grouped {mark}", None, None, f"{mark}-acme", None],
    ]
    await one_person(hedgerow, f"{mark}-0", f"{mark}-alias")


async def test_js_lite(hedgerow: Instance, package: Path, mark: str) -> None:
    await run("node", "send-lite.mjs", hedgerow.url, hedgerow.info["project_api_key"], mark, cwd=package)
    rows = await rows_within(
        hedgerow,
        "select properties.n, distinct_id, properties.$lib, properties.note, properties.$groups.company "
        f"from events where properties.mark = '{mark}' order by properties.n",
        2,
    )
    assert [row[2] for row in rows] == ["js", "js"]
    assert rows[1][1:] == [f"{mark}-user", "js", "naïve 日本 😀", f"{mark}-acme"]
    others = await rows_within(
        hedgerow,
        "select event, properties.$anon_distinct_id, properties.alias, properties.$group_key from events "
        f"where distinct_id = '{mark}-user' and event in ('$identify', '$groupidentify', '$create_alias') "
        "order by event",
        3,
    )
    assert [row[0] for row in others] == ["$create_alias", "$groupidentify", "$identify"]
    assert others[0][2] == f"{mark}-alias"
    assert others[1][3] == f"{mark}-acme"
    assert others[2][1] == rows[0][1]
    await one_person(hedgerow, f"{mark}-user", str(rows[0][1]))
