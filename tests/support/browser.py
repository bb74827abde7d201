"""How tests start Chromium: without a sandbox, which containers lack, and without calls to anywhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE_MS = 120_000  # playwright's own 5 and 30 seconds are for a machine that does nothing else
expect.set_options(timeout=PATIENCE_MS)


@asynccontextmanager
async def chromium_at(executable: str | None) -> AsyncIterator[Browser]:
    """A browser of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=FLAGS, timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            await browser.close()


async def new_page(browser: Browser, **options: Any) -> Page:
    """A page in a context of its own, made with these options."""
    context = await browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    return await context.new_page()
