"""Sending the demo: through capture itself, exactly as many events as asked, in each person's order, with patience."""

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import httpx
import orjson
import pytest
from rich.console import Console

from hedgerow import demo
from hedgerow.sending import NotTaken, Sending, send_events
from libs.kit.errors import LogFull
from libs.kit.eventlog import NewRecord
from services.capture.heatmaps import HEATMAP
from tests.support.capturing import KeptLog, capturing
from tests.support.served_capture import served

NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)


class FullAtTimes(KeptLog):
    """Refuses every third request."""

    asked = 0

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        self.asked += 1
        if self.asked % 3 == 0:
            raise LogFull("full")
        await super().produce(topic, records)


def test_a_run_sends_exactly_what_was_asked_and_says_so() -> None:
    log, said = KeptLog(), StringIO()
    with served(log) as url:
        summary = demo.run(url, "phc_demo", 3001, now=NOW, console=Console(file=said, width=200))
    events = [event for event in log.events() if event["event"] != HEATMAP]
    assert summary.events == len(events) == 3001
    assert len({event["uuid"] for event in events}) == 3001
    assert {event["token"] for event in log.events()} == {"phc_demo"}
    assert "Sent 3,001 events" in said.getvalue()
    assert url in said.getvalue()
    order: dict[str, str] = {}
    for event in events:
        browser = event["data"]["properties"]["$device_id"]
        assert order.get(browser, "") <= event["timestamp"]
        order[browser] = event["timestamp"]


async def test_a_full_log_delays_and_loses_nothing() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with capturing() as capture:
        log = FullAtTimes()
        capture.intake._commit._log = log  # type: ignore[assignment]
        stories = [[event(f"u{n}", m) for m in range(7)] for n in range(20)]
        counts: list[int] = []
        sending = Sending(lanes=3, batch_events=10)
        await send_events(
            capture.http, "phc_t", stories, events=131, sending=sending, progress=counts.append, sleep=sleep
        )
    assert sum(counts) == len(log.records) == 131
    assert len({record["uuid"] for record in log.events()}) == 131
    assert slept
    assert min(slept) >= 2  # as Retry-After asks


def event(person: str, number: int) -> dict[str, Any]:
    return {"event": "a", "distinct_id": person, "uuid": f"0190a1b2-0000-7000-8000-{int(person[1:]):06d}{number:06d}"}


async def send_one(client: httpx.AsyncClient, token: str, patience: float = 5.0) -> None:
    async def sleep(_: float) -> None: ...

    sending = Sending(patience_seconds=patience)
    await send_events(
        client, token, [[event("u1", 1)]], events=1, sending=sending, progress=lambda _: None, sleep=sleep
    )


async def test_a_refusal_ends_the_run_with_hedgerows_words() -> None:
    async with capturing() as capture:
        with pytest.raises(NotTaken, match="401: API key is not valid: personal_api_key"):
            await send_one(capture.http, "phx_secret")


async def test_patience_ends() -> None:
    async with capturing() as capture:
        capture.log.failure = LogFull("full")
        with pytest.raises(NotTaken, match=r"gave up after \d+ s: Hedgerow answered 503: transient error"):
            await send_one(capture.http, "phc_t")


async def test_nobody_there() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse), base_url="http://nobody") as client:
        with pytest.raises(NotTaken, match="cannot be reached"):
            await send_one(client, "phc_t")


async def test_the_body_is_gzip_without_a_clock_to_correct() -> None:
    bodies: list[bytes] = []

    def keep(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(keep), base_url="http://kept") as client:
        await send_events(client, "phc_t", [[event("u1", 1)]], events=1, sending=Sending(), progress=lambda _: None)
    assert set(orjson.loads(gzip.decompress(bodies[0]))) == {"api_key", "batch"}
