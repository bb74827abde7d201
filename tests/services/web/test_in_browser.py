"""The pages in real Chromium, by keyboard alone, with what strangers may send on them."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, expect

from services.web.app import VENDOR
from services.web.settings import WebSettings
from tests.support import web as support
from tests.support.browser import chromium_at, new_page
from tests.support.ports import free_port
from tests.support.require import require
from tests.support.web import EMAIL, PASSWORD, Web

pytestmark = pytest.mark.embedded

XSS = "<img src=x onerror='document.title=1'>"


@asynccontextmanager
async def browsing(web: Web, *, width: int = 1280) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page on the served app, and every complaint of its console."""
    chromium = shutil.which("chromium")
    require(chromium, "chromium")
    require((VENDOR / "htmx.min.js").exists(), "browser assets (make assets)")
    complaints: list[str] = []
    async with support.served(web, WebSettings(), free_port()) as url, chromium_at(chromium) as browser:
        page = await new_page(browser, base_url=url, viewport={"width": width, "height": 800})
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page, complaints


async def sign_in(page: Page) -> None:
    """By keyboard: the first field has the focus."""
    await page.goto("/")
    await expect(page.get_by_label("E-mail")).to_be_focused()
    await page.keyboard.type(EMAIL)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/project/**")


async def test_from_the_sign_in_to_the_first_event_and_its_properties(web: Web) -> None:
    async with browsing(web) as (page, complaints):
        await sign_in(page)
        await expect(page.get_by_role("status")).to_contain_text("Waiting for the first event")
        await web.send(XSS, distinct_id="<b>u</b>", properties=json.dumps({"$current_url": "javascript:1", "p": XSS}))
        await expect(page.get_by_role("status")).to_contain_text(f"Got it: “{XSS}”")

        await page.keyboard.press("Tab")  # the skip link comes first
        await expect(page.get_by_text("Skip to the content")).to_be_focused()
        for _ in range(2):
            await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Live", exact=True)).to_be_focused()
        await page.keyboard.press("Enter")
        row = page.locator(".row").first
        await expect(row).to_contain_text(XSS)

        await web.send("later")
        await expect(row).to_contain_text("later")
        await page.keyboard.press("/")
        await page.keyboard.type("<img")
        await expect(page.locator(".row")).to_have_count(1)
        await expect(page.locator("#shown")).to_have_text("1 of 2 events")
        await page.keyboard.press("Escape")
        await expect(page.locator(".row")).to_have_count(2)
        await page.keyboard.press("Escape")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(page.locator(".detail pre")).to_contain_text(f'"p": "{XSS}"')
        await page.keyboard.press("p")
        await web.send("while paused")
        await expect(page.get_by_role("button", name="Resume")).to_contain_text("1 new")
        await expect(page.locator(".row")).to_have_count(2)
        await page.keyboard.press("p")
        await expect(page.locator(".row")).to_have_count(3)

        assert await page.locator("#rows img, #rows b").count() == 0
        assert await page.title() == "Live events · Hedgerow"
        assert complaints == []


async def test_settings_theme_and_sign_out(web: Web) -> None:
    async with browsing(web, width=380) as (page, complaints):
        await sign_in(page)
        await page.goto(f"/project/{web.project_id}/settings/project")
        await page.get_by_label("Time zone").fill("Europe/Berlin")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").filter(has_text="Saved")).to_be_visible()
        assert page.url.endswith("/settings/project")  # htmx drew the form again, in place

        await page.get_by_label("Your account").focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Dark").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        await page.reload()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        data = ("data-management/persons", "data-management/retention")
        for path in ("start", "activity/live", "sql", "settings/project", *data):
            await page.goto(f"/project/{web.project_id}/{path}")
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path

        await page.get_by_label("Your account").focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Sign out").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/login")
        await page.goto(f"/project/{web.project_id}/sql")
        assert "/login?next=" in page.url
        assert complaints == []
