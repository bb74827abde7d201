"""Events a second from the log to ClickHouse on embedded engines, and where the time goes.

`python -m tests.bench.bench_pipeline [events, 20000 by default]`
"""

import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from prometheus_client import REGISTRY

from libs.kit.contracts import topics
from libs.kit.eventlog import NewRecord
from services.cdp.settings import IngestionSettings, WriterSettings
from tests.support import engines as support
from tests.support.captured import captured_new
from tests.support.pipeline import Workers, drained, prepare, stored

CHUNK = 1_000


def realistic(number: int) -> list[NewRecord]:
    """Page views of about 1.3 KB with 30 properties, of many people, over a month."""
    rng = random.Random(7)
    made = []
    for index in range(number):
        properties = {
            "$browser": rng.choice(["Chrome", "Firefox", "Safari"]),
            "$os": rng.choice(["Mac OS X", "Windows", "Linux"]),
            "$current_url": f"https://example.com/{rng.randrange(500)}?q={rng.randrange(9)}",
            "$pathname": f"/{rng.randrange(500)}",
            "$session_id": f"s{index // 20}",
            "amount": rng.random() * 100,
            **{f"property_{key}": f"value {rng.randrange(1000)} of some length" for key in range(24)},
        }
        made.append(
            captured_new(
                event=rng.choice(["$pageview", "$autocapture", "signed up"]),
                distinct_id=f"user {rng.randrange(max(10, number // 20))}",
                timestamp=f"2026-10-{rng.randrange(1, 29):02}T10:11:12.345Z",
                properties=json.dumps(properties),
            )
        )
    return made


async def measure(runtime_events: int) -> None:
    """Fill the log, then start both workers and wait until everything is stored."""
    with tempfile.TemporaryDirectory() as directory:
        context = support.running(Path(directory) / "engines")
        opened = await asyncio.to_thread(context.__enter__)
        try:
            async with support.fresh_runtime(opened) as runtime:
                await prepare(runtime)
                batch = realistic(runtime_events)
                for start in range(0, len(batch), CHUNK):
                    await runtime.log.produce(topics.EVENTS.name, batch[start : start + CHUNK])
                size = sum(len(record.value) for record in batch) / len(batch)
                began, cpu = time.perf_counter(), _cpu()
                async with Workers(runtime, IngestionSettings(), WriterSettings()):
                    await drained(runtime, seconds=600)
                    took, used = time.perf_counter() - began, _cpu() - cpu
                assert await stored(runtime) == (runtime_events, runtime_events)
                print(f"{runtime_events} events of {size:.0f} bytes: {runtime_events / took:.0f} a second, log to rows")
                print(
                    f"CPU of both workers: {used / runtime_events * 1e6:.0f} us an event, {used / took:.0%} of a core"
                )
                _steps()
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)


def _steps() -> None:
    for metric in REGISTRY.collect():
        if metric.name == "hedgerow_consumer_batch_duration_seconds":
            for sample in metric.samples:
                if sample.name.endswith("_sum"):
                    print(f"  {sample.labels['worker']:>10} {sample.labels['step']:<8} {sample.value:.2f} s")


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
