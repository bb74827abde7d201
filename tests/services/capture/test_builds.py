"""Capture's request path compiled and the same source in plain Python: the same tests over sockets."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.require import require
from tests.support.scale import SCALE

ROOT = Path(__file__).resolve().parents[3]
SHAPES = sorted((*ROOT.glob("libs/kit/**/*.pxd"), *ROOT.glob("services/**/*.pxd")))
SUITES = (
    *("test_callers.py", "test_callers_log.py", "test_callers_slow_clients.py"),
    *("test_fuzz_sockets.py", "test_group_commit.py"),
)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda path: path.stem)
def test_the_compiled_build_serves_and_is_of_these_sources(shape: Path) -> None:
    module = import_module(".".join(shape.with_suffix("").relative_to(ROOT).parts))
    if os.environ.get("HEDGEROW_PURE_PYTHON"):
        assert module.__file__ == str(shape.with_suffix(".py"))
        return
    made = Path(module.__file__ or "")
    require(made.suffix != ".py", "compiled modules (setup.py build_ext --inplace)")
    newest = max(shape.stat().st_mtime, shape.with_suffix(".py").stat().st_mtime)
    assert made.stat().st_mtime >= newest, f"{made.name} is older than its source: setup.py build_ext --inplace"


def test_plain_python_passes_the_same_tests() -> None:
    require(not os.environ.get("HEDGEROW_PURE_PYTHON"), "the compiled build, to have another")
    tests = [f"tests/services/capture/{name}" for name in ("test_builds.py", *SUITES)]
    chosen = "(not asgi) and (not test_plain_python_passes)"
    smaller = str(SCALE / 4)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", chosen, *tests],
        env={**os.environ, "HEDGEROW_PURE_PYTHON": "1", "HEDGEROW_TEST_SCALE": smaller},
        cwd=ROOT, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
