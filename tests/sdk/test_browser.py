"""posthog-js, unmodified, in real Chromium: a page of another origin loads it from Hedgerow, or brings an old one."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sdk.conftest import one_person, rows_within
from tests.sdk.programs import installed
from tests.support.browser import chromium_at, new_page
from tests.support.instance import ROOT, Instance
from tests.support.require import require

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without printing a line for each."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory served on a port of its own: another origin than Hedgerow's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def two_years_old() -> Path:
    """The bundle of posthog-js 1.188, of November 2024."""
    require(shutil.which("npm"), "npm")
    package = await installed()
    return package / "node_modules/posthog-js-2024/dist/array.full.js"


async def visit(instance: Instance, site: tuple[Path, str], mark: str, script: str) -> list[str]:
    """A visitor looks, buys and leaves; `script` is the SDK's address. Gives what the browser complained of."""
    chromium = shutil.which("chromium")
    require(chromium, "chromium")
    directory, origin = site
    page_html = (ROOT / "tests/sdk/browser/page.html").read_text()
    values = {"SCRIPT": script, "HOST": instance.url, "KEY": instance.info["project_api_key"], "MARK": mark}
    for name, value in values.items():
        page_html = page_html.replace(f"__{name}__", value)
    (directory / "index.html").write_text(page_html)

    complaints: list[str] = []
    async with chromium_at(chromium) as browser:
        page = await new_page(browser)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{origin}/index.html?utm_source=hedge&plan=pro")
        await page.get_by_role("button", name="Buy").click()
        await page.wait_for_function("window.sent === true")
        await page.wait_for_timeout(3500)  # posthog-js sends its queue every 3 s
        await page.goto("about:blank")  # what is left goes as a beacon
    return complaints


async def check_visit(instance: Instance, origin: str, mark: str) -> None:
    rows = await rows_within(
        instance,
        "select event, properties.$browser, properties.$current_url, properties.utm_source "
        f"from events where properties.mark = '{mark}' "
        "and event in ('$pageview', '$autocapture', 'bought', '$pageleave') order by event",
        4,
    )
    assert [row[0] for row in rows] == ["$autocapture", "$pageleave", "$pageview", "bought"]
    assert all("Chrom" in row[1] for row in rows)
    assert f"{origin}/index.html?utm_source=hedge&plan=pro" in rows[2][2]
    others = await rows_within(
        instance,
        "select event, distinct_id, properties.$anon_distinct_id, properties.alias, properties.$group_key from events "
        f"where properties.mark = '{mark}' and event in ('$identify', '$create_alias', '$groupidentify') "
        "order by event",
        3,
    )
    assert [row[0] for row in others] == ["$create_alias", "$groupidentify", "$identify"]
    assert others[0][3] == f"{mark}-alias"
    assert others[1][4] == f"{mark}-acme"
    assert others[2][1] == f"{mark}-user"
    await one_person(instance, f"{mark}-user", others[2][2])


async def test_a_visit(hedgerow: Instance, site: tuple[Path, str], mark: str) -> None:
    require((ROOT / "services/web/static/vendor/array.js").exists(), "browser assets (make assets)")
    complaints = await visit(hedgerow, site, mark, f"{hedgerow.url}/static/array.js")
    await check_visit(hedgerow, site[1], mark)
    assert complaints == []


async def test_a_visit_with_the_sdk_of_two_years_ago(
    hedgerow: Instance, site: tuple[Path, str], mark: str, two_years_old: Path
) -> None:
    shutil.copy(two_years_old, site[0] / "array.js")
    complaints = await visit(hedgerow, site, mark, "/array.js")
    await check_visit(hedgerow, site[1], mark)
    rows = await hedgerow.query(f"select distinct properties.$lib_version from events where properties.mark = '{mark}'")
    assert rows == [["1.188.1"]]
    assert complaints == []
