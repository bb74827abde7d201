"""Capture as it runs: over HTTP, in front of a real event log, which comes and goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from redis.asyncio import Redis

from libs.kit.clock import SystemClock
from libs.kit.contracts.topics import CAPTURED, DEAD_LETTERS, EVENTS, INGESTION_GROUP
from libs.kit.eventlog import EventLog
from libs.kit.health import Health
from services.capture.app import open_app
from services.capture.settings import CaptureSettings
from tests.support.eventlogs import RedisBackend
from tests.support.valkey import ValkeyServer, running_valkey

pytestmark = pytest.mark.embedded
MIB = 1024 * 1024


@asynccontextmanager
async def serving(log: EventLog, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of capture on a port of its own."""
    clock = SystemClock()
    away = {"state": Redis(port=1), "blobs": None, "settings": SimpleNamespace(s3_bucket="hedgerow")}
    runtime: Any = SimpleNamespace(log=log, clock=clock, health=Health(clock), **away)
    async with open_app(runtime, CaptureSettings(**settings)) as app:
        server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))  # type: ignore[arg-type]
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
        server.should_exit = True
        await task


@asynccontextmanager
async def connected(server: ValkeyServer, *, prepared: bool = True, **changes: Any) -> AsyncIterator[EventLog]:
    """`prepared`: with its topics, as an earlier run of capture left it. Without them it answers 503 until it has made
    them, in the background."""
    log = await RedisBackend(server.url, **changes).connect()
    try:
        if prepared:
            await log.ensure([*CAPTURED, DEAD_LETTERS])
        yield log
    finally:
        await log.close()


def batch(first: int, count: int, filler: str = "") -> bytes:
    events = [
        {"event": "a", "distinct_id": f"u{n % 7}", "properties": {"n": n, "f": filler}}
        for n in range(first, first + count)
    ]
    return orjson.dumps({"api_key": "phc_t", "batch": events})


async def stored(log: EventLog, expected: int) -> list[dict[str, Any]]:
    """The values on the topic, per key in order, once there are so many different `n`. A record that is read
    twice, as after a pause longer than a lease, is one."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    async with log.consumer([EVENTS.name], INGESTION_GROUP) as consumer:
        while len({event["data"]["properties"]["n"] for event in found.values()}) < expected:
            for part in await consumer.fetch(max_records=500, timeout=5):
                found.update({(part.partition, record.offset): orjson.loads(record.value) for record in part.records})
    return [found[place] for place in sorted(found)]


async def test_acknowledged_means_durable_even_when_the_log_is_killed() -> None:
    with running_valkey() as server:
        async with connected(server, log_timeout_seconds=10) as log, serving(log) as client:
            for start in range(0, 100, 20):
                assert (await client.post("/batch/", content=batch(start, 20))).status_code == 200
            assert (await client.get("/_readiness")).status_code == 200
            server.kill()
            answer = await client.post("/batch/", content=batch(100, 20))
            assert (answer.status_code, answer.text) == (503, "transient error, please retry")
            assert (await client.get("/_readiness")).status_code == 503
            assert (await client.get("/_liveness")).status_code == 200
            server.start()
            async with asyncio.timeout(60):
                while (await client.post("/batch/", content=batch(100, 20))).status_code != 200:
                    await asyncio.sleep(0.05)
            events = await stored(log, 120)
        numbers = [event["data"]["properties"]["n"] for event in events]
        assert set(numbers) == set(range(120))
        for person in range(7):  # order within a key
            own = [n for n in numbers if n % 7 == person and n < 100]
            assert own == sorted(own)


async def test_capture_starts_before_its_log() -> None:
    with running_valkey() as server:
        server.stop()
        async with connected(server, prepared=False, log_timeout_seconds=1) as log, serving(log) as client:
            assert (await client.post("/e/", content=batch(0, 1))).status_code == 503
            server.start()
            async with asyncio.timeout(60):
                while (await client.post("/e/", content=batch(0, 1))).status_code != 200:
                    await asyncio.sleep(0.05)


async def test_what_a_slow_log_may_hold_is_bounded() -> None:
    """A log that stands still: some requests wait for it, the others are told at once to come back."""
    with running_valkey() as server:
        async with (
            connected(server, log_timeout_seconds=30, log_inflight_bytes=500_000) as log,
            serving(log) as client,
        ):
            assert (await client.post("/batch/", content=batch(0, 1))).status_code == 200
            server.freeze()
            sending = [
                asyncio.create_task(client.post("/batch/", content=batch(10 * n, 10, "x" * 5_000))) for n in range(60)
            ]
            async with asyncio.timeout(60):
                while sum(task.done() for task in sending) < 35:
                    await asyncio.sleep(0.02)
            refused = [task.result() for task in sending if task.done()]
            assert {answer.status_code for answer in refused} == {503}
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
            server.thaw()
            codes = [(await task).status_code for task in sending]
            assert set(codes) == {200, 503}
            assert 15 <= codes.count(200) <= 20  # nine under way and nine in line


async def test_events_are_taken_while_the_log_is_away(tmp_path: Path) -> None:
    with running_valkey() as server:
        async with connected(server, log_timeout_seconds=10) as log, serving(log, wal_directory=tmp_path) as client:
            assert (await client.post("/batch/", content=batch(0, 20))).status_code == 200
            assert (await client.get("/_readiness")).text == "ok; write-ahead log: empty"
            server.kill()
            for start in range(20, 100, 20):
                assert (await client.post("/batch/", content=batch(start, 20))).status_code == 200
            ready = await client.get("/_readiness")
            assert ready.status_code == 200
            assert ready.text.startswith("ok; write-ahead log: draining 80 records")
            server.start()
            events = await stored(log, 100)
        numbers = [event["data"]["properties"]["n"] for event in events]
        assert sorted(numbers) == list(range(100))
        for person in range(7):
            own = [n for n in numbers if n % 7 == person]
            assert own == sorted(own)


async def test_a_full_write_ahead_log_is_a_503(tmp_path: Path) -> None:
    small = {"wal_directory": tmp_path, "wal_max_bytes": MIB, "wal_segment_bytes": 100_000}
    with running_valkey() as server:
        async with connected(server, log_timeout_seconds=10) as log, serving(log, **small) as client:
            server.kill()
            taken = 0
            while (answer := await client.post("/batch/", content=batch(taken, 50, "x" * 2000))).status_code == 200:
                taken += 50
            assert (answer.status_code, answer.text) == (503, "transient error, please retry")
            assert int(answer.headers["retry-after"]) >= 1
            assert 200 < taken < 500
            server.start()
            async with asyncio.timeout(60):
                while (await client.post("/batch/", content=batch(taken, 50, "x" * 2000))).status_code != 200:
                    await asyncio.sleep(0.05)
            events = await stored(log, taken + 50)
            assert sorted(event["data"]["properties"]["n"] for event in events) == list(range(taken + 50))


async def test_a_full_log_is_a_503_and_not_a_loss() -> None:
    with running_valkey(max_memory_mb=12) as server:
        async with connected(server) as log, serving(log) as client:
            taken = 0
            async with asyncio.timeout(120):
                while (answer := await client.post("/batch/", content=batch(taken, 50, "x" * 4000))).status_code == 200:
                    taken += 50
            assert (answer.status_code, answer.text) == (503, "transient error, please retry")
            assert int(answer.headers["retry-after"]) >= 1
            assert taken > 100
            assert {event["data"]["properties"]["n"] for event in await stored(log, taken)} >= set(range(taken))


async def test_a_body_of_thirty_megabytes_leaves_the_connection_usable() -> None:
    with running_valkey() as server:
        async with connected(server) as log, serving(log) as client:
            for _ in range(2):
                answer = await client.post("/batch/", content=b"x" * 30 * MIB)
                assert answer.status_code == 413
                assert answer.text.startswith("maximum event size exceeded: ")
            assert (await client.post("/e/", content=batch(0, 1))).status_code == 200
            assert (await client.get("/nowhere")).status_code == 404
