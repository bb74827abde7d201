"""The tables that queries see against the tables that there are."""

from libs.hogql.compile import Project, compile_query
from libs.hogql.schema import EVENTS, HOT_PATHS, stored_columns
from libs.kit.schema.clickhouse.migrations import m0001_events
from tests.support.hogql import Engine


def test_every_field_has_its_column(engine: Engine) -> None:
    columns = engine.run("SELECT name FROM system.columns WHERE database = 'hogql' AND table = 'events'")
    assert set(stored_columns(EVENTS)) <= {row[0] for row in columns}


def test_typed_paths_are_the_tables() -> None:
    assert frozenset(m0001_events.HOT_PATHS) == HOT_PATHS


def test_star_names_fields() -> None:
    assert set(EVENTS.star) <= set(EVENTS.fields)


def test_time_conditions_prune_partitions(engine: Engine) -> None:
    recent = "select event from events where timestamp > now() - interval 7 day"
    compiled = compile_query(recent, Project(1, "Asia/Tokyo"))
    explained = engine.run("EXPLAIN indexes = 1 " + compiled.sql, dict(compiled.values))
    text = "\n".join(row[0] for row in explained)
    assert "Partition" in text
    assert "timestamp" in text.split("Partition")[0]
    assert "Parts: 0/" in text
