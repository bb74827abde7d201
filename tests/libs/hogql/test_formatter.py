"""A query written out again is the same query."""

import pytest

from libs.hogql.errors import HogQLError
from libs.hogql.formatter import formatted
from libs.hogql.parser import parse_select
from tests.libs.hogql.corpus import Corpus
from tests.support.scale import scaled

CASES = [
    ("select a+b*c - (d-e), not x and (y or z)", "SELECT a + b * c - (d - e), NOT x AND (y OR z)"),
    ("select  1 as x,count() c from events where a is null", "SELECT 1 AS x, count() c FROM events WHERE a IS NULL"),
    ("select (a as b) = 1, `from`, properties.`a b`", "SELECT (a AS b) = 1, `from`, properties.`a b`"),
    ("select a from (select b from c) t", "SELECT a FROM (SELECT b FROM c) AS t"),
    ("select f(x -> x+1), interval 3 day, 'it''s'", "SELECT f((x) -> x + 1), INTERVAL 3 DAY, 'it\\'s'"),
    ("select ((1, 2), (1,), (select 1))", "SELECT ((1, 2), (1,), (SELECT 1))"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "written"), CASES)
def test_written_as_a_person_would(text: str, written: str) -> None:
    assert formatted(parse_select(text)) == written


def test_long_queries_have_lines() -> None:
    columns = ", ".join(f"properties.property_{i}" for i in range(8))
    text = formatted(parse_select(f"select {columns} from (select {columns} from events) where event = 'a'"))
    assert text.splitlines()[:3] == ["SELECT", "    properties.property_0,", "    properties.property_1,"]
    assert "FROM (\n    SELECT\n        properties.property_0," in text
    assert text.splitlines()[-1] == "WHERE event = 'a'"


def test_read_again_it_is_equal() -> None:
    corpus = Corpus(20)
    read = 0
    for _ in range(scaled(20_000, least=300)):
        text = corpus.text()
        try:
            tree = parse_select(text)
        except HogQLError:
            continue
        read += 1
        written = formatted(tree)
        assert parse_select(written) == tree, f"{text}\n{written}"
        assert formatted(parse_select(written)) == written
    assert read > 100
