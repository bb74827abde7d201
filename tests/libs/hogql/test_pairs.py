"""Pairs of HogQL and the SQL it becomes (fixtures/*.sql), each run in the real engine too.

A file begins with headers (`-- timezone: Europe/Berlin`); a pair is the HogQL on one line, `=> SQL`, and its values.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.hogql.compile import Project, compile_query
from tests.support.hogql import TEAM, Engine

FIXTURES = Path(__file__).parent / "fixtures"


def pairs() -> Iterator[object]:
    for path in sorted(FIXTURES.glob("*.sql")):
        headers, _, body = path.read_text().partition("\n\n")
        zone = headers.removeprefix("-- timezone: ").strip()
        for block in body.strip().split("\n\n"):
            hogql, sql, values = block.split("\n")
            yield pytest.param(
                zone, hogql, sql.removeprefix("=> "), json.loads(values), id=f"{path.stem}: {hogql[:60]}"
            )


@pytest.mark.parametrize(("zone", "hogql", "sql", "values"), list(pairs()))
def test_pair(engine: Engine, zone: str, hogql: str, sql: str, values: dict[str, object]) -> None:
    compiled = compile_query(hogql, Project(TEAM, zone))
    assert compiled.sql == sql
    assert compiled.values == values
    engine.compiled(compiled)
