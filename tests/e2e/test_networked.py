"""The same services on the networked set: Kafka, PgBouncer, Redis, S3. What holds on one machine holds here."""

import asyncio
import contextlib
import gzip
import signal
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import httpx
import orjson
import posthog
import pytest
import pytest_asyncio

from hedgerow.embedded import process
from hedgerow.embedded.instance import Instance
from tests.e2e.test_ledger import assert_stored_once, release
from tests.support.cutting_proxy import cutting
from tests.support.ledger import Ledger, deliver
from tests.support.networked import Networked, running
from tests.support.scale import SCALE, scaled

pytestmark = [pytest.mark.networked, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]
OUTAGE_SECONDS = 30 if SCALE >= 1 else 5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hedgerow(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Networked]:
    async with running(instance, tmp_path_factory.mktemp("networked")) as networked:
        yield networked


async def test_an_event_arrives(hedgerow: Networked) -> None:
    began = datetime.now(UTC)
    client = posthog.Posthog(hedgerow.info["project_api_key"], host=hedgerow.url)
    client.capture("over kafka", distinct_id="ada", properties={"n": 1, "$browser": "Firefox"})
    client.shutdown()
    async with asyncio.timeout(120):
        while not await hedgerow.query("select uuid from events where event = 'over kafka'"):
            await asyncio.sleep(0.1)
    rows = await hedgerow.query("select properties.$browser, timestamp from events where event = 'over kafka'")
    assert rows[0][0] == "Firefox"
    second = timedelta(seconds=1)  # clocks of senders are corrected by what they say, which is whole milliseconds
    assert began - second < datetime.fromisoformat(rows[0][1]) < datetime.now(UTC) + second


async def test_the_parts_of_a_large_ai_event_are_in_s3_and_come_back(hedgerow: Networked) -> None:
    """By way of capture, S3, Kafka, both workers, ClickHouse and the API; a small event keeps its parts."""
    project, uuid, small = hedgerow.info["project_id"], str(uuid4()), str(uuid4())
    prompt = orjson.dumps([{"role": "user", "content": "x" * 1_500_000}])
    packed = gzip.compress(b"what it said\n" * 200_000, 1)
    token = {"Authorization": f"Bearer {hedgerow.info['project_api_key']}"}
    reader = {"Authorization": f"Bearer {hedgerow.info['personal_api_key']}"}
    async with httpx.AsyncClient(base_url=hedgerow.url, timeout=120) as http:
        for event, parts in (
            (uuid, {"$ai_input": (prompt, "application/json", {}), "said": (packed, "text/plain", GZIPPED)}),
            (small, {"$ai_input": (b'"short"', "application/json", {})}),
        ):
            answer = await http.post("/i/v0/ai", files=ai_event(event, parts), headers=token)
            assert answer.status_code == 200, answer.text
        async with asyncio.timeout(120):
            while len(await hedgerow.query("select uuid from events where event = '$ai_generation'")) < 2:
                await asyncio.sleep(0.1)
        address = f"/api/projects/{project}/events/{{}}/ai_blob"
        found = await http.get(address.format(uuid), params={"property": "$ai_input"}, headers=reader)
        assert (found.status_code, found.content == prompt, found.headers["content-type"]) == (
            200,
            True,
            "application/json",
        )
        found = await http.get(address.format(uuid), params={"property": "said"}, headers=reader)
        assert found.content == gzip.decompress(packed)
        found = await http.get(address.format(small), params={"property": "$ai_input"}, headers=reader)
        assert found.status_code == 404
        kept = await asyncio.to_thread(keys_in, hedgerow.environment)
        assert [uuid in key for key in kept] == [True]
        [[reference]] = await hedgerow.query(f"select properties.$ai_input from events where uuid = '{uuid}'")
        assert reference.startswith(f"s3://hedgerow/{kept[0]}?range=")
        [[whole]] = await hedgerow.query(f"select properties.$ai_input from events where uuid = '{small}'")
        assert whole == "short"


GZIPPED = {"Content-Encoding": "gzip"}


def ai_event(uuid: str, parts: Mapping[str, tuple[bytes, str, dict[str, str]]]) -> list[tuple[str, Any]]:
    """As the SDKs send it: the event, then each large property as a part of its own."""
    event = {"event": "$ai_generation", "distinct_id": "ada", "uuid": uuid, "properties": {"$ai_model": "m"}}
    files = [("event", (None, orjson.dumps(event)))]
    return [*files, *((f"event.properties.{name}", (None, *part)) for name, part in parts.items())]


def keys_in(environment: Mapping[str, str]) -> list[str]:
    """Of all AI blobs, as another client of the same S3 sees them."""
    s3 = boto3.client(
        "s3",
        endpoint_url=environment["HEDGEROW_S3_ENDPOINT"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    return [found["Key"] for found in s3.list_objects_v2(Bucket="hedgerow", Prefix="llma/").get("Contents", [])]


async def test_the_broker_stops_and_comes_back(hedgerow: Networked) -> None:
    """While it is away every answer is 503 (or none), never 200; afterwards each event is there once."""
    assert hedgerow.broker
    ledger = Ledger(seed=2, events=scaled(50_000))
    batches = ledger.events // ledger.batch_size
    permits = asyncio.Semaphore(0)
    token = hedgerow.info["project_api_key"]
    sending = asyncio.create_task(deliver(ledger, hedgerow.url, token, deadline=600, permits=permits))
    release(permits, batches // 2)
    await asyncio.sleep(0.2)
    await hedgerow.broker.stop()
    try:
        during = -1
        while during != ledger.acknowledged:  # an answer may still be on its way
            during = ledger.acknowledged
            await asyncio.sleep(1)
        release(permits, batches)
        await asyncio.sleep(OUTAGE_SECONDS)
        async with asyncio.timeout(120):
            while not ledger.resent:
                await asyncio.sleep(0.1)
        assert ledger.acknowledged == during < ledger.events
    finally:
        await hedgerow.broker.start()
    await sending
    await assert_stored_once(hedgerow, ledger, within=300)


@pytest.mark.parametrize("victim", ["http", "ingestion", "writer"])
async def test_a_process_is_killed(hedgerow: Networked, victim: str) -> None:
    before = (await hedgerow.query("select count() from events where event = 'ledger'"))[0][0]
    ledger = Ledger(seed=len(victim) + 10, events=1000, acknowledged=before)
    token = hedgerow.info["project_api_key"]
    permits = asyncio.Semaphore(0)
    sending = asyncio.create_task(deliver(ledger, hedgerow.url, token, deadline=300, permits=permits))
    release(permits, 10)
    await asyncio.sleep(0.05)
    hedgerow.processes[victim].kill()
    hedgerow.processes[victim].wait()
    release(permits, 10)
    hedgerow.relaunch(victim)
    await sending
    await assert_stored_once(hedgerow, ledger, within=300)


async def test_the_broker_fails_half_way_through_a_batch(hedgerow: Networked, tmp_path: Path) -> None:
    """Connections to the broker break in the middle of what they carry, and its answers get lost; then it is killed."""
    assert hedgerow.broker
    before = (await hedgerow.query("select count() from events where event = 'ledger'"))[0][0]
    ledger = Ledger(seed=77, events=scaled(50_000), acknowledged=before)
    token, permits = hedgerow.info["project_api_key"], asyncio.Semaphore(0)
    changes = {
        "HEDGEROW_KAFKA_BROKERS": f"127.0.0.1:{hedgerow.broker.proxy_port}",
        "HEDGEROW_CAPTURE_WAL_DIRECTORY": str(tmp_path / "wal"),
        "HEDGEROW_CAPTURE_WAL_AFTER_SECONDS": "1",
    }
    async with (
        cutting(hedgerow.broker.proxy_port, hedgerow.broker.behind_proxy_port) as proxy,
        http_with(hedgerow, changes),
    ):
        sending = asyncio.create_task(deliver(ledger, hedgerow.url, token, deadline=600, pause=0.01, permits=permits))
        release(permits, 4)
        proxy.cut_after = 20_000
        while min(proxy.halved, proxy.muted) < scaled(100, least=2):
            release(permits, 1)
            await asyncio.sleep(0.1)
        proxy.cut_after = None
        await hedgerow.broker.stop()
        try:
            during = ledger.acknowledged
            release(permits, 4)
            async with asyncio.timeout(200):
                while ledger.acknowledged < during + 2 * ledger.batch_size:
                    await asyncio.sleep(0.05)
        finally:
            await hedgerow.broker.start()
        release(permits, ledger.events)
        await sending
        await assert_stored_once(hedgerow, ledger, within=300)
        async with asyncio.timeout(120):
            while list((tmp_path / "wal").glob("*.wal")):
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def http_with(hedgerow: Networked, changes: Mapping[str, str]) -> AsyncIterator[None]:
    """Within the block, the HTTP process runs with other settings."""
    unchanged = hedgerow.environment
    try:
        await start_http(hedgerow, {**unchanged, **changes})
        yield
    finally:
        await start_http(hedgerow, unchanged)


async def start_http(hedgerow: Networked, environment: dict[str, str]) -> None:
    """End the HTTP process in order, and start it with these settings."""
    process.stop(hedgerow.processes["http"], signal.SIGTERM, seconds=20)
    hedgerow.environment = environment
    hedgerow.relaunch("http")
    await hedgerow.wait_healthy()
