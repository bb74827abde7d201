"""The pages about data of a running Hedgerow, in real Chromium: a person is deleted, and events are given an end."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.support.browser import chromium_at, new_page
from tests.support.instance import ROOT, Instance, running
from tests.support.require import require

pytestmark = pytest.mark.embedded


@pytest.fixture
async def hedgerow(tmp_path: Path) -> AsyncIterator[Instance]:
    """A Hedgerow of this test's own, which believes at the second look that everything is gone."""
    require((ROOT / "services/web/static/vendor/htmx.min.js").exists(), "browser assets (make assets)")
    environment = {"HEDGEROW_JOBS_DELETION_GRACE_SECONDS": "0", "HEDGEROW_JOBS_DELETION_SECONDS": "1"}
    async with running(tmp_path / "data", environment=environment) as instance:
        yield instance


async def capture(hedgerow: Instance, *events: dict[str, object]) -> None:
    """Events through the public endpoint, and wait until a query returns them."""
    async with httpx.AsyncClient(base_url=hedgerow.url) as client:
        body = {"api_key": hedgerow.info["project_api_key"], "batch": events}
        assert (await client.post("/batch/", json=body)).status_code == 200
    async with asyncio.timeout(120):
        while await hedgerow.query("select count() from events") != [[len(events)]]:
            await asyncio.sleep(0.1)


async def sign_in(page: Page, hedgerow: Instance) -> None:
    await page.goto(f"{hedgerow.url}/login")
    await page.keyboard.type(hedgerow.info["email"])
    await page.keyboard.press("Tab")
    await page.keyboard.type(hedgerow.info["password"])
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/project/**")


@pytest.mark.timeout(600)
async def test_a_person_is_deleted_and_events_get_an_end(hedgerow: Instance) -> None:
    chromium = shutil.which("chromium")
    require(chromium, "chromium")
    old = (datetime.now(UTC) - timedelta(days=50)).isoformat()
    await capture(
        hedgerow,
        {"event": "$identify", "distinct_id": "ada", "properties": {"$set": {"email": "ada@example.com"}}},
        {"event": "order", "distinct_id": "ada", "properties": {}},
        {"event": "order", "distinct_id": "bob", "properties": {}, "timestamp": old},
    )
    complaints: list[str] = []
    async with chromium_at(chromium) as browser:
        page = await new_page(browser)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await sign_in(page, hedgerow)

        await page.get_by_role("link", name="Data", exact=True).click()
        await page.get_by_label("Distinct ID or e-mail").fill("ada@example.com")
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="ada@example.com").click()
        await expect(page.locator(".facts")).to_contain_text("Events2, ")
        async with page.expect_download() as exporting:
            await page.get_by_role("link", name="Export everything").click()
        exported = await asyncio.to_thread(Path(await (await exporting.value).path()).read_text)
        assert (exported.count('"type":"event"'), "bob" in exported) == (2, False)

        await page.get_by_role("button", name="Delete").click()
        assert "/persons/" in page.url  # the browser asks for the tick first
        await page.get_by_label("I mean it").check()
        await page.get_by_role("button", name="Delete").click()
        deletions = page.locator("#deletions")
        await expect(deletions).to_contain_text("ada")
        # the page follows by itself
        await expect(deletions.get_by_role("cell", name="done")).to_be_visible(timeout=120_000)
        assert await hedgerow.query("select distinct_id from events") == [["bob"]]

        await page.get_by_role("link", name="Retention").click()
        await page.get_by_label("Event name").first.fill("order")
        await page.get_by_label("Days", exact=True).first.fill("30")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert")).to_contain_text("1 of order")
        await page.get_by_label("I mean it").check()
        await page.get_by_role("button", name="Save and let them go").click()
        await expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
        await expect(page.get_by_label("Event name").first).to_have_value("order")
        await page.reload()
        await expect(page.get_by_label("Days", exact=True).first).to_have_value("30")
    assert complaints == []
