"""Tools a test needs. Missing: the test is skipped with the reason, or fails under HEDGEROW_TEST_REQUIRE=all."""

import os

import pytest


def require(present: object, reason: str) -> None:
    """Go on when `present` is truthy."""
    if present:
        return
    if os.environ.get("HEDGEROW_TEST_REQUIRE") == "all":
        pytest.fail(f"required here: {reason}")
    pytest.skip(reason)
