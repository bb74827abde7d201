"""The SQL page of a running Hedgerow, in real Chromium: sign in by keyboard, run the first query, break one."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browser import chromium_at, new_page
from tests.support.instance import ROOT, Instance, running
from tests.support.require import require

pytestmark = pytest.mark.embedded


@pytest.fixture
async def hedgerow(tmp_path: Path) -> AsyncIterator[Instance]:
    """A Hedgerow of this test's own."""
    require((ROOT / "services/web/static/vendor/htmx.min.js").exists(), "browser assets (make assets)")
    async with running(tmp_path / "data") as instance:
        yield instance


async def capture(hedgerow: Instance, browser: str) -> None:
    """One event through the public endpoint, and wait until a query returns it."""
    event = {"event": "$pageview", "distinct_id": f"user of {browser}", "properties": {"$browser": browser}}
    async with httpx.AsyncClient(base_url=hedgerow.url) as client:
        body = {"api_key": hedgerow.info["project_api_key"], **event}
        assert (await client.post("/i/v0/e/", json=body)).status_code == 200
    async with asyncio.timeout(120):
        while not await hedgerow.query(f"select 1 from events where properties.$browser = '{browser}'"):
            await asyncio.sleep(0.1)


def row_of(page: Page) -> Locator:
    """The row of the captured event's browser."""
    return page.get_by_role("row").filter(has_text="Hedgehog")


async def test_the_first_query_on_the_sql_page(hedgerow: Instance) -> None:
    chromium = shutil.which("chromium")
    require(chromium, "chromium")
    await capture(hedgerow, "Hedgehog")
    complaints: list[str] = []
    async with chromium_at(chromium) as browser:
        page = await new_page(browser)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{hedgerow.url}/login")
        await page.keyboard.type(hedgerow.info["email"])
        await page.keyboard.press("Tab")
        await page.keyboard.type(hedgerow.info["password"])
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/project/**")
        await page.goto(f"{hedgerow.url}/project/{hedgerow.info['project_id']}/sql")

        await page.get_by_label("Query", exact=True).focus()
        await page.keyboard.press("Control+Enter")  # the editor opens with the query of the README
        await expect(row_of(page).get_by_role("cell")).to_have_text(["Hedgehog", "1", "1"])
        await expect(page.locator("#summary")).to_contain_text("row")

        await page.get_by_label("Query", exact=True).fill("select nothing_here from events")
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_role("alert")).to_contain_text("nothing_here")
        assert await page.locator("table").is_hidden()

        signed_in = await page.context.storage_state()
        page = await new_page(browser, java_script_enabled=False, storage_state=signed_in)
        await page.goto(f"{hedgerow.url}/project/{hedgerow.info['project_id']}/sql")
        await page.get_by_role("button", name="Run").click()
        await expect(row_of(page).get_by_role("cell")).to_have_text(["Hedgehog", "1", "1"])
        await page.get_by_label("Query", exact=True).fill("select nothing_here from events")
        await page.get_by_role("button", name="Run").click()
        await expect(page.get_by_role("alert")).to_contain_text("nothing_here")
    assert complaints == []
