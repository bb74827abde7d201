"""One engine for all tests of the language."""

import pytest

from tests.support.hogql import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The real events table with two teams' events."""
    return Engine()
