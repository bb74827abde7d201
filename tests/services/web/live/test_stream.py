"""The live stream over a real server, log and Valkey."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest

from services.web.settings import WebSettings
from tests.support import web as support
from tests.support.ports import free_port
from tests.support.web import Web

pytestmark = pytest.mark.embedded

SETTINGS = WebSettings(live_heartbeat_seconds=0.3, live_subscribers=3)


@pytest.fixture
async def url(web: Web) -> AsyncIterator[str]:
    async with support.served(web, SETTINGS, free_port()) as url:
        yield f"{url}/api/projects/{web.project_id}/live_events/stream"


@asynccontextmanager
async def listening(web: Web, url: str, **headers: str) -> AsyncIterator[AsyncIterator[tuple[str, str, object]]]:
    """(event, id, data) as they come; a heartbeat is ("", "", None)."""

    async def parsed(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, str, object]]:
        fields: dict[str, str] = {}
        async for line in lines:
            if line.startswith(":"):
                yield "", "", None
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                yield fields.get("event", ""), fields.get("id", ""), orjson.loads(fields["data"])
                fields = {}

    async with (
        asyncio.timeout(120),
        httpx.AsyncClient(headers={"Authorization": f"Bearer {web.key}", **headers}, timeout=60) as client,
        client.stream("GET", url) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parsed(answer.aiter_lines())


async def test_snapshot_then_events_then_the_rest_after_a_break(web: Web, url: str) -> None:
    async with listening(web, url) as stream:
        assert (await anext(stream))[::2] == ("snapshot", [])
        await web.send("first", properties='{"n": 1.0}')
        name, number, data = await next_event(stream)
        assert (name, data["event"], data["properties"]) == ("event", "first", {"n": 1.0})
        assert set(data) >= {"uuid", "timestamp", "distinct_id", "person_id", "event", "properties"}
    await web.send("second", "third")
    async with listening(web, url) as stream:
        events = await snapshot_with(stream, web, 3)
        assert sorted(found["event"] for found in events) == ["first", "second", "third"]
    async with listening(web, url, **{"Last-Event-ID": number}) as stream:
        missed = [(await next_event(stream))[2]["event"] for _ in range(2)]
        assert sorted(missed) == ["second", "third"]
    async with listening(web, url, **{"Last-Event-ID": "3"}) as stream:
        assert (await anext(stream))[0] == "snapshot"


async def next_event(stream: AsyncIterator[tuple[str, str, object]]) -> tuple[str, str, dict]:
    async for name, number, data in stream:
        if name:
            return name, number, data
    raise AssertionError("the stream ended")


async def snapshot_with(stream: AsyncIterator[tuple[str, str, object]], web: Web, count: int) -> list[dict]:
    """Events of a snapshot and behind it, until there are `count`."""
    _, _, events = await anext(stream)
    while len(events) < count:
        events.append((await next_event(stream))[2])
    return events


async def test_heartbeats_in_the_silence(web: Web, url: str) -> None:
    async with listening(web, url) as stream:
        await anext(stream)
        assert [await anext(stream) for _ in range(2)] == [("", "", None)] * 2


async def test_other_teams_and_filtered_events_do_not_come(web: Web, url: str) -> None:
    other, _ = await web.add_foreign_project()
    async with listening(web, f"{url}?eventType=wanted,also&distinctId=u1&columns=a") as stream:
        await anext(stream)
        await web.send("wanted", team_id=other, distinct_id="u1")
        await web.send("unwanted", distinct_id="u1")
        await web.send("wanted", distinct_id="u2")
        await web.send("wanted", distinct_id="u1", properties='{"a": 1, "b": 2}')
        _, _, data = await next_event(stream)
        assert (data["event"], data["distinct_id"], data["properties"]) == ("wanted", "u1", {"a": 1})


async def test_who_may_not_listen(web: Web, url: str) -> None:
    project, _ = await web.add_foreign_project()
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 401
        key = await web.add_key(scopes=["project:read"])
        assert (await client.get(url, headers={"Authorization": f"Bearer {key}"})).status_code == 403
        foreign = url.replace(f"/{web.project_id}/", f"/{project}/")
        assert (await client.get(foreign, headers={"Authorization": f"Bearer {web.key}"})).status_code == 403


async def test_one_stream_too_many(web: Web, url: str) -> None:
    async with listening(web, url) as a, listening(web, url) as b, listening(web, url) as c:
        for stream in (a, b, c):
            await anext(stream)
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {web.key}"}) as client:
            answer = await client.get(url)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
