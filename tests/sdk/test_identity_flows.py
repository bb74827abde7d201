"""Anonymous, identified, reset, identified: the persons that PostHog's documentation promises, from unmodified SDKs.

An anonymous visitor who signs in takes what they did along; after a reset they are somebody new, until they sign in;
who is identified is never merged into somebody else who is.
"""

import asyncio
import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import posthog
import pytest
from playwright.async_api import Page

from tests.sdk.conftest import rows_within
from tests.sdk.test_browser import Quiet
from tests.support.browser import chromium_at, new_page
from tests.support.instance import ROOT, Instance
from tests.support.require import require

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture
def shop(tmp_path: Path, hedgerow: Instance, mark: str) -> Iterator[str]:
    """Where the page is served: another origin than Hedgerow's."""
    html = (ROOT / "tests/sdk/browser/identity.html").read_text()
    for name, value in {"HOST": hedgerow.url, "KEY": hedgerow.info["project_api_key"], "MARK": mark}.items():
        html = html.replace(f"__{name}__", value)
    (tmp_path / "index.html").write_text(html)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    thread.join()


async def person(hedgerow: Instance, distinct_id: str) -> dict[str, Any] | None:
    """Whom the API finds under a distinct id."""
    headers = {"Authorization": f"Bearer {hedgerow.info['personal_api_key']}"}
    async with httpx.AsyncClient(base_url=hedgerow.url, headers=headers, timeout=120) as client:
        answer = await client.get(
            f"/api/projects/{hedgerow.info['project_id']}/persons/", params={"distinct_id": distinct_id}
        )
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    return results[0] if results else None


async def known_as(hedgerow: Instance, distinct_id: str, *names: str, seconds: float = 120.0) -> dict[str, Any]:
    """The person of a distinct id, once they have exactly these."""
    deadline = time.monotonic() + seconds
    while True:
        found = await person(hedgerow, distinct_id)
        if found is not None and set(found["distinct_ids"]) == set(names):
            return found
        assert time.monotonic() < deadline, (found, names)
        await asyncio.sleep(0.2)


async def visit(page: Page, ada: str, bob: str, eve: str) -> list[str]:
    """What the visitors do; returns the anonymous ids that the SDK has made up."""

    async def anonymous(event: str) -> str:
        await page.evaluate("event => posthog.capture(event)", event)
        found: str = await page.evaluate("posthog.get_distinct_id()")
        return found

    async def signs_in(who: str, event: str) -> None:
        await page.evaluate("who => posthog.identify(who, {email: who + '@example.com'})", who)
        await page.evaluate("event => posthog.capture(event)", event)

    ids = [await anonymous("1 looked")]
    await signs_in(ada, "2 bought")
    await page.evaluate("posthog.reset()")
    ids.append(await anonymous("3 looked"))
    await signs_in(ada, "4 bought")
    await page.evaluate("posthog.reset()")
    ids.append(await anonymous("5 looked"))
    await signs_in(bob, "6 bought")
    await signs_in(eve, "7 bought")  # without a reset: another account on the same screen
    await page.evaluate("posthog.reset()")
    ids.append(await anonymous("8 looked"))
    await page.wait_for_timeout(3500)  # posthog-js sends its queue every 3 s
    await page.goto("about:blank")
    return ids


async def test_posthog_js(hedgerow: Instance, shop: str, mark: str) -> None:
    chromium = shutil.which("chromium")
    require(chromium, "chromium")
    require((ROOT / "services/web/static/vendor/array.js").exists(), "browser assets (make assets)")
    ada, bob, eve = (f"{name}-{mark}" for name in ("ada", "bob", "eve"))
    async with chromium_at(chromium) as browser:
        page = await new_page(browser)
        await page.goto(shop)
        first, second, third, last = await visit(page, ada, bob, eve)
    assert len({first, second, third, last, ada, bob, eve}) == 7, "each reset makes a new visitor"

    rows = await rows_within(
        hedgerow,
        "select event, distinct_id, person_mode from events "
        f"where properties.mark = '{mark}' and match(event, '^[1-8] ') order by event",
        8,
    )
    assert [(event[0], distinct_id) for event, distinct_id, _ in rows] == list(
        zip("12345678", (first, ada, second, ada, third, bob, eve, last), strict=True)
    )
    assert [mode for event, _, mode in rows if event[0] in "1358"] == ["propertyless"] * 4
    assert [mode for event, _, mode in rows if event[0] in "2467"] == ["full"] * 4

    ada_person = await known_as(hedgerow, ada, ada, first, second)
    bob_person = await known_as(hedgerow, bob, bob, third)
    eve_person = await known_as(hedgerow, eve, eve)
    assert len({each["uuid"] for each in (ada_person, bob_person, eve_person)}) == 3
    assert [each["properties"]["email"] for each in (ada_person, bob_person, eve_person)] == [
        f"{name}@example.com" for name in (ada, bob, eve)
    ]
    assert ada_person["is_identified"]
    assert await person(hedgerow, last) is None, "nobody has signed in since: no profile"


async def test_posthog_python(hedgerow: Instance, mark: str) -> None:
    """A server has no anonymous state of its own: it says by `alias` which visitor was whom."""
    ada, bob, first, second = (f"{name}-{mark}" for name in ("ada", "bob", "first", "second"))
    client = posthog.Posthog(hedgerow.info["project_api_key"], host=hedgerow.url)
    client.capture("1 looked", distinct_id=first)
    client.set(distinct_id=ada, properties={"email": "ada@example.com"})
    client.alias(previous_id=ada, distinct_id=first)
    client.capture("2 looked", distinct_id=second)
    client.capture("3 bought", distinct_id=bob)
    client.flush()
    await known_as(hedgerow, ada, ada, first)
    await known_as(hedgerow, bob, bob)
    await known_as(hedgerow, second, second)
    client.alias(previous_id=ada, distinct_id=second)
    client.alias(previous_id=bob, distinct_id=first)  # who is identified stays who they are
    client.capture("4 bought", distinct_id=first)
    client.flush()
    client.shutdown()
    found = await known_as(hedgerow, second, ada, first, second)
    assert (found["properties"]["email"], found["is_identified"]) == ("ada@example.com", True)
    await rows_within(hedgerow, f"select uuid from events where distinct_id = '{first}' and event = '4 bought'", 1)
    await known_as(hedgerow, first, ada, first, second)
    await known_as(hedgerow, bob, bob)
