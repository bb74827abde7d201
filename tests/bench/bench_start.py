"""How long `hedgerow up` takes until it is ready to serve: on an empty directory, and again on the same one.

    python -m tests.bench.bench_start [--runs 3] [--target-seconds 5]

Also the processor time all processes used until then: on a busy machine that is the figure to compare. Exit code 1 when
the median second start is over the target.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.support.instance import Instance


async def one_start(data_dir: Path) -> tuple[float, float]:
    """(wall seconds, processor seconds) until ready; stopped again afterwards."""
    instance = Instance(data_dir)
    began = time.monotonic()
    await instance.start()
    wall = time.monotonic() - began
    assert instance.process
    used = 0.0
    for process in (psutil.Process(instance.process.pid), *instance.descendants()):
        times = process.cpu_times()
        used += times.user + times.system
    await instance.stop()
    return wall, used


async def measure(runs: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """First and second starts."""
    first, second = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as scratch:
            first.append(await one_start(Path(scratch) / "data"))
            second.append(await one_start(Path(scratch) / "data"))
    return first, second


def main() -> int:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--target-seconds", type=float, default=5.0)
    options = parser.parse_args()
    first, second = asyncio.run(measure(options.runs))
    for name, rows in (("first start", first), ("second start", second)):
        wall, used = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{name:<13} {wall:5.2f} s  ({used:.2f} s of processor time; runs: {[round(w, 2) for w, _ in rows]})")
    return int(statistics.median(wall for wall, _ in second) > options.target_seconds)


if __name__ == "__main__":
    sys.exit(main())
