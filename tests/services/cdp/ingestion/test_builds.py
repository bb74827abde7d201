"""Ingestion's decisions compiled and the same source in plain Python: the same tests."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.require import require
from tests.support.scale import SCALE

HERE = Path(__file__).parent
SUITES = ("test_plan.py", "test_ordinary.py", "test_merging.py")


def test_plain_python_passes_the_same_tests() -> None:
    require(not os.environ.get("HEDGEROW_PURE_PYTHON"), "the compiled build, to have another")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *(str(HERE / name) for name in SUITES)],
        env={**os.environ, "HEDGEROW_PURE_PYTHON": "1", "HEDGEROW_TEST_SCALE": str(SCALE / 4)},
        cwd=HERE.parents[3], capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
