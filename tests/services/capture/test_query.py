"""Query strings that follow each other: what is kept of the last one is never taken for another."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.answers import Refused
from services.capture.query import parse_query
from tests.support.scale import scaled

FORMS = (
    b"_=%s", b"ip=1&_=%s&ver=1.205.0", b"ip=0&_=%s&ver=1.205.0", b"ip=1&_=%s&ver=1.205.00",
    b"compression=gzip-js&_=%s", b"compression=gzip-js&ip=1&_=%s&ver=1.205.0", b"_=%s&beacon=1", b"_=%s5&ver=1",
    b"ip=1&ver=%s", b"sent_at=%s&_=1", b"x_=%s&_=7",
)  # fmt: skip


def seen(query: bytes) -> tuple[bytes, str | None, int | None, bool] | str:
    """What is understood, or why it is refused."""
    try:
        found = parse_query(query)
    except Refused as refused:
        return refused.text
    return found.data, found.compression, found.sent_at_ms, found.beacon


def alone(query: bytes) -> tuple[bytes, str | None, int | None, bool] | str:
    """The same behind a query string that has no clock, in a form that no short cut knows."""
    return seen(b"unknown=1&" + query)


@settings(max_examples=scaled(5_000, least=200), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(FORMS), st.integers(0, 10**16)), min_size=2, max_size=8))
def test_what_came_before_changes_nothing(queries: list[tuple[bytes, int]]) -> None:
    for form, clock in queries:
        query = form.replace(b"%s", b"%d" % clock)
        assert seen(query) == alone(query)


@pytest.mark.parametrize("form", FORMS[:6])
def test_a_form_that_comes_again_is_read_with_its_own_clock(form: bytes) -> None:
    for clock in (b"1795262000123", b"1795262000456", b"1795262000456", b"9"):
        query = form.replace(b"%s", clock)
        assert seen(query) == (b"", "gzip" if b"gzip" in form else None, int(clock), False)
