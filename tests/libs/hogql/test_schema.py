"""The tables that queries see against the tables that there are."""

import pytest

from libs.hogql.compile import Project, compile_query
from libs.hogql.schema import EVENTS, HOT_PATHS, TABLES, ColumnField, LazyTable, Table, stored_columns
from libs.kit.schema.clickhouse.migrations import m0001_events
from tests.support.hogql import Engine

STORED = {name: table for name, table in TABLES.items() if isinstance(table, Table) and not table.structure}


@pytest.mark.parametrize("name", STORED)
def test_every_field_has_its_column(engine: Engine, name: str) -> None:
    table = STORED[name]
    columns = engine.run(f"SELECT name FROM system.columns WHERE database = 'hogql' AND table = '{table.name}'")
    assert {*stored_columns(table), table.team_column} <= {row[0] for row in columns}


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if isinstance(table, LazyTable)])
def test_tables_made_of_others_name_what_these_have(name: str) -> None:
    table = TABLES[name]
    assert isinstance(table, LazyTable)
    stored = TABLES[table.stored]
    columns = {field.column for field in table.fields.values() if isinstance(field, ColumnField)}
    assert columns - set(table.made) <= set(stored.fields)
    assert {*table.keys, *([table.version] if table.version else [])} <= set(stored.fields)
    assert set(table.star) <= set(table.fields)


def test_conditions_on_sessions_prune_by_the_time_in_their_ids(engine: Engine) -> None:
    for text in (
        "select $session_duration from sessions where $start_timestamp > now() - interval 7 day",
        "select session.$session_duration from events where timestamp between '2024-05-01' and '2024-05-02'",
    ):
        compiled = compile_query(text, Project(1, "Asia/Tokyo"))
        explained = "\n".join(
            row[0] for row in engine.run("EXPLAIN indexes = 1 " + compiled.sql, dict(compiled.values))
        )
        assert (
            "(toStartOfHour(toDateTime(intDiv(toUInt64(bitShiftRight(session_id_v7, 80)), 1000), 'UTC')) in ["
            in explained
        )


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
