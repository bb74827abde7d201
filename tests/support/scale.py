"""How large a generated test runs, and from which seed.

HEDGEROW_TEST_SCALE is a share of full scale (CI 0.02, `make soak` 1). HEDGEROW_TEST_SEED, a number, gives other inputs
than the fixed ones of CI: the same ones for the same number.
"""

import os

SCALE = float(os.environ.get("HEDGEROW_TEST_SCALE", "0.02"))
SEED = int(os.environ["HEDGEROW_TEST_SEED"]) if os.environ.get("HEDGEROW_TEST_SEED") else None


def scaled(full: int, *, least: int = 1) -> int:
    """`full` at scale 1, proportionally fewer below, never under `least`."""
    return max(least, int(full * SCALE))
