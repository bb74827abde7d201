"""How deep a query may be, and what reading one leaves behind."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from libs.hogql.compile import Project, compile_query
from libs.hogql.errors import HogQLSyntaxError
from libs.hogql.parser.cursor import MAX_CHAIN

DEEP = {
    "brackets": "select " + "(" * 240 + "1" + ")" * 240,
    "calls": "select " + "toString(" * 240 + "1" + ")" * 240,
    "subqueries": "select 1 from " + "(select 1 from " * 110 + "numbers(1)" + ")" * 110,
    "values": "select " + "(select " * 110 + "1" + ")" * 110,
    "not": "select " + "not " * 240 + "1",
    "sum": "select " + "1 + " * (MAX_CHAIN - 1) + "1",
    "and": "select " + "event = 'a' and " * 1_500 + "true from events",
    "or": "select " + "event = 'a' or " * 1_500 + "true from events",
    "concat": "select " + "'a' || " * 1_500 + "'b'",
    "case": "select " + "if(1, " * 120 + "1" + ", 2)" * 120,
    "lambdas": "select " + "arrayMap(x -> " * 100 + "1" + ", [1])" * 100,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_deep_queries_compile(text: str) -> None:
    assert compile_query(text, Project(1)).sql


def test_the_interpreters_limit_is_given_back() -> None:
    before = sys.getrecursionlimit()
    for text in (DEEP["calls"], "select " + "(" * 5_000, "select 1 +"):
        try:
            compile_query(text, Project(1))
        except HogQLSyntaxError:
            continue
    assert sys.getrecursionlimit() == before


def test_threads_do_not_take_it_from_each_other() -> None:
    before = sys.getrecursionlimit()
    with ThreadPoolExecutor(4) as pool:
        texts = [DEEP[name] for name in ("brackets", "calls", "subqueries", "not")] * 2
        assert all(pool.map(lambda text: compile_query(text, Project(1)).sql, texts))
    assert sys.getrecursionlimit() == before
