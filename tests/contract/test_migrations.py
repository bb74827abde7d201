"""Migrations on the real engines: once each, safe to repeat, and never edited afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from libs.kit.clickhouse import ClickHouse
from libs.kit.clock import SystemClock
from libs.kit.errors import QueryRefused
from libs.kit.postgres import Postgres
from libs.kit.schema.clickhouse import runner as clickhouse_runner
from libs.kit.schema.clickhouse.layout import Layout
from libs.kit.schema.clickhouse.operations import AddColumn, AddIndex, CreateTable, DropColumn, DropTable
from libs.kit.schema.clickhouse.runner import Migration, migrate_clickhouse
from libs.kit.schema.errors import MigrationRefused
from libs.kit.schema.migrate import migrate
from libs.kit.schema.postgres.runner import SqlFile, migrate_postgres, shipped, unapplied
from libs.kit.settings import KitSettings

CLOCK = SystemClock()
SNAPSHOT = Path(__file__).parent / "snapshots" / "clickhouse_cluster.sql"


@pytest.fixture
async def postgres(fresh_settings: KitSettings) -> AsyncIterator[Postgres]:
    postgres = Postgres(fresh_settings, CLOCK)
    await postgres.open()
    yield postgres
    await postgres.close()


@pytest.fixture
async def clickhouse(fresh_settings: KitSettings) -> AsyncIterator[ClickHouse]:
    client = ClickHouse(fresh_settings, CLOCK)
    await client.open()
    yield client
    await client.execute(f"DROP DATABASE IF EXISTS {fresh_settings.clickhouse_database}")
    await client.close()


async def test_everything_runs_once(postgres: Postgres, clickhouse: ClickHouse, fresh_settings: KitSettings) -> None:
    first = await migrate(postgres, clickhouse, fresh_settings, CLOCK)
    assert first.postgres[0] == "0001_pre_foundation"
    assert first.clickhouse[0] == "0001_events"
    assert await unapplied(postgres) == []
    again = await migrate(postgres, clickhouse, fresh_settings, CLOCK)
    assert (again.postgres, again.clickhouse) == ([], [])


async def test_processes_that_migrate_at_once_do_not_collide(
    postgres: Postgres, clickhouse: ClickHouse, fresh_settings: KitSettings
) -> None:
    done = await asyncio.gather(*(migrate(postgres, clickhouse, fresh_settings, CLOCK) for _ in range(3)))
    assert sorted(name for each in done for name in each.postgres) == [file.name for file in shipped()]
    assert (await postgres.fetch("SELECT count(*) FROM hedgerow_migration"))[0][0] == len(shipped())


async def test_persons_are_partitioned_as_settings_say(postgres: Postgres, fresh_settings: KitSettings) -> None:
    await migrate_postgres(postgres, fresh_settings.model_copy(update={"person_partitions": 7}))
    rows = await postgres.fetch(
        "SELECT inhparent::regclass::text AS parent, count(*) AS parts FROM pg_inherits "
        "WHERE inhparent IN ('posthog_person'::regclass, 'posthog_persondistinctid'::regclass) GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("posthog_person", 7), ("posthog_persondistinctid", 7)]
    await postgres.execute(
        "INSERT INTO posthog_person (team_id, uuid, created_at) SELECT i, gen_random_uuid(), now() "
        "FROM generate_series(1, 200) AS i"
    )
    assert (await postgres.fetch("SELECT count(DISTINCT tableoid) FROM posthog_person"))[0][0] == 7


async def test_a_file_that_was_changed_is_refused(postgres: Postgres, fresh_settings: KitSettings) -> None:
    files = [SqlFile("0001_pre_a", "CREATE TABLE a (i int)"), SqlFile("0001_post_a", "CREATE TABLE b (i int)")]
    assert await migrate_postgres(postgres, fresh_settings, "pre", files) == ["0001_pre_a"]
    assert await migrate_postgres(postgres, fresh_settings, "post", files) == ["0001_post_a"]
    with pytest.raises(MigrationRefused, match="0001_pre_a"):
        await migrate_postgres(postgres, fresh_settings, None, [replace(files[0], text="CREATE TABLE a (i bigint)")])


async def test_a_file_that_fails_leaves_nothing_and_those_before_it_stay(
    postgres: Postgres, fresh_settings: KitSettings
) -> None:
    files = [
        SqlFile("0001_pre_a", "CREATE TABLE a (i int)"),
        SqlFile("0002_pre_b", "CREATE TABLE b (i int); SELECT 1/0"),
    ]
    with pytest.raises(Exception, match="Not a value"):
        await migrate_postgres(postgres, fresh_settings, None, files)
    tables = await postgres.fetch("SELECT tablename FROM pg_tables WHERE tablename IN ('a', 'b')")
    assert [row[0] for row in tables] == ["a"]
    files[1] = SqlFile("0002_pre_b", "CREATE TABLE b (i int)")
    assert await migrate_postgres(postgres, fresh_settings, None, files) == ["0002_pre_b"]


async def test_an_index_can_be_made_while_others_write(postgres: Postgres, fresh_settings: KitSettings) -> None:
    files = [
        SqlFile("0001_pre_a", "CREATE TABLE a (i int)"),
        SqlFile("0001_post_i", "-- no transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a_i ON a (i)"),
    ]
    assert await migrate_postgres(postgres, fresh_settings, None, files) == ["0001_pre_a", "0001_post_i"]
    assert await postgres.fetch_one("SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_i'::regclass") == (True,)


def events_like() -> Migration:
    table = CreateTable("x", ["id UInt64", "v String"], "id", sharding_key="id")
    return Migration(1, "x", False, [table], [DropTable("x")])


async def test_a_clickhouse_migration_that_was_changed_is_refused(
    clickhouse: ClickHouse, fresh_settings: KitSettings
) -> None:
    first = events_like()
    assert await migrate_clickhouse(clickhouse, fresh_settings, CLOCK, None, [first]) == ["0001_x"]
    assert await migrate_clickhouse(clickhouse, fresh_settings, CLOCK, None, [first]) == []
    edited = replace(first, operations=[CreateTable("x", ["id UInt64", "v UInt8"], "id", sharding_key="id")])
    with pytest.raises(MigrationRefused, match="0001"):
        await migrate_clickhouse(clickhouse, fresh_settings, CLOCK, None, [edited])


async def test_operations_and_their_reverses(clickhouse: ClickHouse, fresh_settings: KitSettings) -> None:
    grow = Migration(
        2,
        "grow",
        True,
        [AddColumn("x", "w", "UInt8 DEFAULT 5", after="id"), AddIndex("x", "w_minmax w TYPE minmax GRANULARITY 1")],
        [DropColumn("x", "v")],
    )
    both = [events_like(), grow]
    assert await migrate_clickhouse(clickhouse, fresh_settings, CLOCK, "pre", both) == ["0001_x"]
    assert await migrate_clickhouse(clickhouse, fresh_settings, CLOCK, "post", both) == ["0002_grow"]
    await clickhouse.insert("x", b'{"id":1,"v":"a"}')
    assert (await clickhouse.query("SELECT * FROM x")).rows == [[1, 5, "a"]]
    layout = Layout(fresh_settings.clickhouse_database)
    for operation in (*grow.reverse, *events_like().reverse):
        for statement in (*operation.render(layout), *operation.render(layout)):  # each may be repeated
            await clickhouse.execute(statement)
    with pytest.raises(QueryRefused):
        await clickhouse.fetch("SELECT * FROM x")


async def test_events_of_before_read_the_same_while_and_after_their_columns_change(
    clickhouse: ClickHouse, fresh_settings: KitSettings
) -> None:
    before = [each for each in clickhouse_runner.shipped() if each.number < 8]
    await migrate_clickhouse(clickhouse, fresh_settings, CLOCK, None, before)
    properties = {f"key {number:02}": number for number in range(60)} | {"$browser": "Chrome", "o": {"l": ["a", "b"]}}
    person = {f"trait {number:02}": "x" for number in range(40)}
    row = {"team_id": 1, "properties": properties, "person_properties": person}
    await clickhouse.insert("events", json.dumps({**row, "event": "before"}).encode())
    await clickhouse.execute(f"SYSTEM STOP MERGES {fresh_settings.clickhouse_database}.events")
    await migrate_clickhouse(clickhouse, fresh_settings, CLOCK)
    await clickhouse.insert("events", json.dumps({**row, "event": "after"}).encode())
    read = (
        "SELECT event, properties.`$browser`, properties.`key 59`, dynamicType(properties.`key 59`), properties.o.l, "
        "properties.^o, person_properties.`trait 39`, mapSort(JSONAllPathsWithTypes(properties)) FROM events"
    )
    undone = "SELECT count() > 0 FROM system.mutations WHERE database = currentDatabase() AND NOT is_done"

    async def same() -> bool:
        old, new = sorted((await clickhouse.query(read)).rows, key=lambda one: one[0] == "after")
        return (old[0], new[0], old[1:]) == ("before", "after", new[1:])

    assert await same()
    assert (await clickhouse.query(undone)).rows == [[1]]
    await clickhouse.execute(f"SYSTEM START MERGES {fresh_settings.clickhouse_database}.events")
    async with asyncio.timeout(60):
        while (await clickhouse.query(undone)).rows != [[0]]:
            await asyncio.sleep(0.1)
    assert await same()


def test_what_a_cluster_is_given() -> None:
    """Reviewed as text: no usable server is at hand here on which ON CLUSTER runs. Made anew by deleting the file."""
    layout = Layout("hedgerow", "main")
    statements = [*clickhouse_runner.RECORDS.render(layout)]
    for migration in clickhouse_runner.shipped():
        statements += migration.statements(layout)
    text = ";\n\n".join(statements) + ";\n"
    if not SNAPSHOT.exists():
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(text)
        pytest.fail("the snapshot was missing and has been written: read it and run again")
    assert text == SNAPSHOT.read_text()
