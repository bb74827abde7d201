"""posthog-python, current and of version 3, unmodified, against a running Hedgerow."""

import hashlib
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import posthog
import pytest
import pytest_asyncio

from tests.sdk.conftest import one_person, rows_within
from tests.sdk.programs import CACHE, run
from tests.support.instance import ROOT, Instance

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("gzip", [False, True])
async def test_capture(hedgerow: Instance, mark: str, gzip: bool) -> None:
    errors: list[object] = []
    client = posthog.Posthog(
        hedgerow.info["project_api_key"],
        host=hedgerow.url,
        gzip=gzip,
        on_error=lambda error, _items: errors.append(error),
    )
    when = datetime.now(UTC) - timedelta(days=40)
    client.capture("ordered", distinct_id=mark, properties={"amount": 12.5, "note": 'naïve "quotes" \\ 日本 😀'})
    client.capture("ordered", distinct_id=mark, properties={"amount": 7}, timestamp=when)
    client.set(distinct_id=mark, properties={"plan": "pro"})
    client.flush()
    client.shutdown()
    assert errors == []
    rows = await rows_within(
        hedgerow,
        "select properties.amount, properties.note, properties.$lib, timestamp, person.properties.plan "
        f"from events where distinct_id = '{mark}' and event = 'ordered' order by timestamp",
        2,
    )
    assert [float(row[0]) for row in rows] == [7.0, 12.5]
    assert rows[1][1] == 'naïve "quotes" \\ 日本 😀'
    assert rows[0][2] == "posthog-python"
    assert datetime.fromisoformat(rows[0][3]) == pytest.approx(when, abs=timedelta(seconds=2))


async def test_the_query_of_the_readme(hedgerow: Instance, mark: str) -> None:
    client = posthog.Posthog(hedgerow.info["project_api_key"], host=hedgerow.url)
    for person in range(3):
        for _ in range(2):
            client.capture("seen", distinct_id=f"{mark}-{person}", properties={"$browser": f"Browser {mark}"})
    client.shutdown()
    query = """
        select properties.$browser as browser, count() as event_count, count(distinct distinct_id) as unique_users
        from events where timestamp > now() - interval 7 day group by browser order by event_count desc
    """
    await rows_within(hedgerow, f"select uuid from events where properties.$browser = 'Browser {mark}'", 6)
    assert [f"Browser {mark}", 6, 3] in await hedgerow.query(query)


async def test_v1_mode(hedgerow: Instance, mark: str) -> None:
    errors: list[object] = []
    client = posthog.Posthog(
        hedgerow.info["project_api_key"],
        host=hedgerow.url,
        capture_mode="v1",
        gzip=True,
        on_error=lambda error, _items: errors.append(error),
    )
    when = datetime.now(UTC) - timedelta(days=40)
    client.capture("judged", distinct_id=mark, properties={"amount": 12.5, "$lib": "mine"})
    client.capture("judged", distinct_id=mark, properties={"amount": 7}, timestamp=when)
    client.capture("judged", distinct_id="anonymous", properties={"mark": mark})
    client.set(distinct_id=mark, properties={"plan": "pro"})
    client.shutdown()
    assert errors == []
    rows = await rows_within(
        hedgerow,
        "select properties.amount, properties.$lib, timestamp from events "
        f"where distinct_id = '{mark}' and event = 'judged' order by timestamp",
        2,
    )
    assert [float(row[0]) for row in rows] == [7.0, 12.5]
    assert {row[1] for row in rows} == {"posthog-python"}
    assert datetime.fromisoformat(rows[0][2]) == pytest.approx(when, abs=timedelta(seconds=2))
    await rows_within(hedgerow, f"select uuid from events where event = 'judged' and properties.mark = '{mark}'", 1)


async def test_identities_and_ai(hedgerow: Instance, mark: str) -> None:
    errors: list[object] = []
    client = posthog.Posthog(
        hedgerow.info["project_api_key"], host=hedgerow.url, on_error=lambda error, _items: errors.append(error)
    )
    client.capture("seen", distinct_id=f"{mark}-old")
    client.alias(f"{mark}-old", f"{mark}-new")
    client.group_identify("company", f"{mark}-acme", {"size": 7}, distinct_id=f"{mark}-old")
    client.capture("seen", distinct_id=f"{mark}-new", groups={"company": f"{mark}-acme"})
    client.capture_ai("$ai_generation", distinct_id=f"{mark}-old", properties={"$ai_model": "m"})
    client.shutdown()
    assert errors == []
    rows = await rows_within(
        hedgerow,
        "select event, distinct_id, properties.alias, properties.$group_key, properties.$groups.company "
        f"from events where distinct_id in ('{mark}-old', '{mark}-new') order by event, distinct_id",
        5,
    )
    assert rows == [
        ["$ai_generation", f"{mark}-old", None, None, None],
        ["$create_alias", f"{mark}-old", f"{mark}-new", None, None],
        ["$groupidentify", f"{mark}-old", None, f"{mark}-acme", None],
        ["seen", f"{mark}-new", None, None, f"{mark}-acme"],
        ["seen", f"{mark}-old", None, None, None],
    ]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def version_3() -> Path:
    """Where posthog-python 3 is installed, apart from the current one."""
    lock = ROOT / "tests/sdk/python3/requirements.lock"
    target = CACHE / "sdk-python3" / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    if not target.is_dir():
        fetched = target.with_name(f"fetching-{os.getpid()}")
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
        await run(*pip, "--require-hashes", "--requirement", lock, "--target", fetched, cwd=ROOT)
        fetched.rename(target)
    return target


@pytest.mark.parametrize("ending", ["", "z"])  # z: gzipped
async def test_python_3(hedgerow: Instance, version_3: Path, mark: str, ending: str) -> None:
    mark += ending
    program = ROOT / "tests/sdk/python3/send.py"
    arguments = (hedgerow.url, hedgerow.info["project_api_key"], mark)
    await run(sys.executable, program, *arguments, cwd=version_3, environment={"PYTHONPATH": str(version_3)})
    rows = await rows_within(
        hedgerow,
        "select properties.n, distinct_id, properties.note, properties.$lib_version, properties.$groups.company "
        f"from events where event = 'python 3' and properties.mark = '{mark}' order by properties.n",
        3,
    )
    assert [row[1] for row in rows] == [f"{mark}-old", f"{mark}-old", f"{mark}-new"]
    assert rows[0][2] == "naïve 日本 😀"
    assert {row[3] for row in rows} == {"3.25.0"}
    assert rows[2][4] == f"{mark}-acme"
    others = await rows_within(
        hedgerow,
        "select event from events where (distinct_id = "
        f"'{mark}-old' or properties.$group_key = '{mark}-acme') and event != 'python 3' order by event",
        4,
    )
    assert [row[0] for row in others] == ["$create_alias", "$groupidentify", "$identify", "$set_once"]
    await one_person(hedgerow, f"{mark}-old", f"{mark}-new")
