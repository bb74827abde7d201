"""What `hedgerow up` holds in memory when nothing happens: PSS of every process, and the sum.

    python -m tests.bench.bench_idle_memory [--settle 20] [--target-mb 900]

PSS counts a page shared by n processes as 1/n in each, so the sum is what the machine would get back. Exit code 1 when
it is over the target.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import psutil

from tests.support.instance import running


def name_of(process: psutil.Process) -> str:
    """Enough of the command line to tell what it is."""
    line = process.cmdline()
    words = [Path(line[0]).name, *(word for word in line[1:] if not word.startswith(("-c", "listen_", "/")))]
    return " ".join(words)[:70]


async def measure(settle: float) -> list[tuple[int, str]]:
    """(PSS in bytes, name) of the supervisor and everything below it."""
    with tempfile.TemporaryDirectory() as scratch:
        async with running(Path(scratch) / "data") as instance:
            await asyncio.sleep(settle)
            assert instance.process
            family = [psutil.Process(instance.process.pid), *instance.descendants()]
            return sorted(((p.memory_full_info().pss, name_of(p)) for p in family), reverse=True)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settle", type=float, default=20.0, help="seconds to wait after it is ready")
    parser.add_argument("--target-mb", type=float, default=900.0)
    options = parser.parse_args()
    rows = asyncio.run(measure(options.settle))
    for size, name in rows:
        print(f"{size / 2**20:8.1f} MB  {name}")
    total = sum(size for size, _ in rows) / 2**20
    print(f"{total:8.1f} MB  sum of PSS (target: under {options.target_mb:g})")
    return int(total > options.target_mb)


if __name__ == "__main__":
    sys.exit(main())
