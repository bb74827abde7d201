"""From `capture()` in posthog-python to a row of the query API: p50, p99 and worst, at 200 events/s, embedded engines.

    python -m tests.bench.bench_visible [--rate 200] [--seconds 30]

A load of the asked rate runs all the time; ten times a second a probe event is captured and flushed, and the query API
is asked until it returns that event. The baseline, in the same run, is one query of the same kind for a row that is
already there: what is above it is the pipeline.
"""

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
import uuid
from pathlib import Path

import httpx
from posthog import Posthog

from tests.support.instance import Instance, running


def load(instance: Instance, rate: int, stop: threading.Event) -> None:
    """Capture `rate` events a second until told to stop."""
    client = Posthog(instance.info["project_api_key"], host=instance.url, flush_interval=0.2)
    started, sent = time.monotonic(), 0
    while not stop.is_set():
        while sent < (time.monotonic() - started) * rate:
            client.capture("load", distinct_id=f"user-{sent % 1000}", properties={"n": sent, "$browser": "Firefox"})
            sent += 1
        time.sleep(0.01)
    client.shutdown()


async def ask(client: httpx.AsyncClient, project: int, marker: str) -> int:
    """How many rows of the marker the query API returns."""
    query = f"select count() from events where event = 'probe' and distinct_id = '{marker}'"
    answer = await client.post(
        f"/api/projects/{project}/query/", json={"query": {"kind": "HogQLQuery", "query": query}}
    )
    answer.raise_for_status()
    count: int = answer.json()["results"][0][0]
    return count


async def measure(instance: Instance, seconds: float) -> tuple[list[float], list[float]]:
    """Seconds until a probe was visible; seconds of one query for a row that was there."""
    probe = Posthog(instance.info["project_api_key"], host=instance.url, sync_mode=True)
    headers = {"Authorization": f"Bearer {instance.info['personal_api_key']}"}
    visible: list[float] = []
    queries: list[float] = []
    async with httpx.AsyncClient(base_url=instance.url, headers=headers, timeout=30) as client:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            marker = uuid.uuid4().hex
            started = time.monotonic()
            await asyncio.to_thread(probe.capture, "probe", distinct_id=marker)
            while not await ask(client, instance.info["project_id"], marker):
                await asyncio.sleep(0.01)
            visible.append(time.monotonic() - started)
            started = time.monotonic()
            await ask(client, instance.info["project_id"], marker)
            queries.append(time.monotonic() - started)
            await asyncio.sleep(0.1)
    return visible, queries


def line(name: str, values: list[float]) -> str:
    """p50, p99 and the worst, in milliseconds."""
    p99 = statistics.quantiles(values, n=100)[98]
    return (
        f"{name:<28} n={len(values):<5} p50 {statistics.median(values) * 1e3:7.1f} ms  "
        f"p99 {p99 * 1e3:7.1f} ms  max {max(values) * 1e3:7.1f} ms"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        async with running(Path(directory) / "data") as instance:
            stop = threading.Event()
            sender = threading.Thread(target=load, args=(instance, arguments.rate, stop))
            sender.start()
            await asyncio.sleep(3)
            visible, queries = await measure(instance, arguments.seconds)
            stop.set()
            sender.join()
    print(line("capture to query, visible", visible))
    print(line("baseline: one query", queries))
    print(f"ratio of medians {statistics.median(visible) / statistics.median(queries):.1f}")


if __name__ == "__main__":
    asyncio.run(main())
