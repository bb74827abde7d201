"""The writer's filter: memory, false positives and time. `python -m tests.bench.bench_seen [keys, 100M by default]`

A false positive costs one look-up in ClickHouse; a wrong "new" does not happen (see tests/libs/fastpath/test_seen.py).
"""

import os
import random
import sys
import time
from pathlib import Path

from libs.fastpath import CHOSEN, seen_filter

ASKED = 1_000_000


def main(keys: int) -> None:
    """One generation holds all the keys; the other is empty, as it is after a rotation and a refill."""
    print(f"implementation: {CHOSEN['_seen']}; {keys:,} keys")
    print(f"{'MiB':>6} {'bits/key':>9} {'maybe of new':>13} {'add ns':>8} {'ask ns':>8} {'RSS MiB':>8}")
    rng = random.Random(3)
    for mebibytes in sorted({max(1, keys * bits * 2 // 8 // 2**20) for bits in (8, 10, 12, 16)}):
        seen = seen_filter(mebibytes * 2**20)
        began = time.process_time()
        for start in range(0, keys, ASKED):
            seen.add_packed(rng.randbytes(16 * min(ASKED, keys - start)))
        filled = time.process_time()
        unknown = [rng.randbytes(16) for _ in range(ASKED // 10)]
        asking = time.process_time()
        wrong = sum(map(seen.maybe, unknown))
        asked = time.process_time()
        print(
            f"{mebibytes:>6} {mebibytes * 2**20 * 8 / 2 / keys:>9.1f} {wrong / len(unknown):>13.4%} "
            f"{(filled - began) / keys * 1e9:>8.1f} {(asked - asking) / len(unknown) * 1e9:>8.1f} {_resident():>8}",
            flush=True,
        )
        del seen


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000_000)
