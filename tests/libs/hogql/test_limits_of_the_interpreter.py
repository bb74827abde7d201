"""Compiling may need more frames than the interpreter's limit; nothing else in the process may have them."""

import sys

import pytest

from libs.hogql.compile import Project, compile_query
from libs.hogql.errors import HogQLError
from libs.hogql.parser.cursor import deep_recursion


def test_the_limit_is_given_back() -> None:
    before = sys.getrecursionlimit()
    with deep_recursion():
        with deep_recursion():
            assert sys.getrecursionlimit() > before
        assert sys.getrecursionlimit() > before
    assert sys.getrecursionlimit() == before


def test_the_limit_is_given_back_after_an_error() -> None:
    before = sys.getrecursionlimit()
    with pytest.raises(HogQLError):
        compile_query("select " + "(" * 5000, Project(team_id=1))
    assert sys.getrecursionlimit() == before
