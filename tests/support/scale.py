"""How large a generated test runs: HEDGEROW_TEST_SCALE is a share of full scale (CI 0.02, `make soak` 1)."""

import os

SCALE = float(os.environ.get("HEDGEROW_TEST_SCALE", "0.02"))


def scaled(full: int, *, least: int = 1) -> int:
    """`full` at scale 1, proportionally fewer below, never under `least`."""
    return max(least, int(full * SCALE))
