"""What Postgres promises, straight and through a real PgBouncer in transaction mode."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from libs.kit.clock import SystemClock
from libs.kit.errors import (
    Conflict,
    DeadlineExceeded,
    HedgerowError,
    InvalidRequest,
    OutcomeUnknown,
    Unavailable,
)
from libs.kit.postgres import Postgres
from libs.kit.settings import KitSettings
from tests.support.pgbouncer import pgbouncer
from tests.support.ports import free_port


async def opened(settings: KitSettings, dsn: str, **changes: object) -> Postgres:
    postgres = Postgres(settings.model_copy(update={"postgres_dsn": SecretStr(dsn), **changes}), SystemClock())
    await postgres.open()
    return postgres


@contextmanager
def bouncing(settings: KitSettings) -> Iterator[str]:
    # not below tmp_path: PgBouncer drops to another account, which may not enter there
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        with pgbouncer(settings.postgres_dsn.get_secret_value(), Path(directory) / "bouncer") as address:
            yield address


@pytest.fixture(params=["embedded", pytest.param("networked", marks=pytest.mark.networked)])
async def dsn(request: pytest.FixtureRequest, fresh_settings: KitSettings) -> AsyncIterator[str]:
    if request.param == "embedded":
        yield fresh_settings.postgres_dsn.get_secret_value()
        return
    with bouncing(fresh_settings) as address:
        yield address


@pytest.fixture
async def postgres(fresh_settings: KitSettings, dsn: str) -> AsyncIterator[Postgres]:
    postgres = await opened(fresh_settings, dsn)
    await postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v varchar(10), j jsonb, n int CHECK (n > 0))")
    yield postgres
    await postgres.close()


async def test_reads_what_was_written(postgres: Postgres) -> None:
    assert await postgres.execute("INSERT INTO t VALUES ($1, $2, $3)", 1, "é'\"\\", '{"a": [1.50]}') == "INSERT 0 1"
    row = await postgres.fetch_one("SELECT v, j FROM t WHERE id = $1", 1)
    assert row
    assert (row["v"], row["j"]) == ("é'\"\\", '{"a": [1.50]}')
    assert await postgres.fetch_one("SELECT 1 FROM t WHERE id = $1", 2) is None
    assert [r["id"] for r in await postgres.fetch("SELECT id FROM t")] == [1]
    await postgres.check()


async def test_clients_never_run_each_others_statements(fresh_settings: KitSettings, dsn: str) -> None:
    """More clients than backends, each with a statement of its own shape: the two steps of a statement must meet."""
    clients = [await opened(fresh_settings, dsn, postgres_pool_size=1) for _ in range(8)]

    async def work(client: Postgres, mark: int) -> None:
        columns = ", ".join(f"$1::int + {mark * 1000 + i}" for i in range(mark + 1))
        for turn in range(25):
            row = await client.fetch_one(f"SELECT {columns}", turn)
            assert row
            assert list(row) == [turn + mark * 1000 + i for i in range(mark + 1)]

    await asyncio.gather(*(work(client, mark) for mark, client in enumerate(clients)))
    await asyncio.gather(*(client.close() for client in clients))


@pytest.mark.networked
async def test_why_no_statement_is_cached(fresh_settings: KitSettings) -> None:
    """The trap itself: with asyncpg's own default, clients behind PgBouncer meet each other's prepared statements."""
    with bouncing(fresh_settings) as dsn:
        clients = [await asyncpg.connect(dsn) for _ in range(3)]

        async def repeat() -> None:
            for turn in range(50):
                await asyncio.gather(*(client.fetchval("SELECT $1::int", turn) for client in clients))

        with pytest.raises(asyncpg.PostgresError, match="prepared statement"):
            await repeat()
        for client in clients:
            client.terminate()


async def test_nothing_stays_in_the_session(postgres: Postgres) -> None:
    async with postgres.transaction() as connection:
        await connection.execute("SET LOCAL hedgerow.mark = 'mine'")
        assert await connection.fetchval("SELECT pg_try_advisory_xact_lock(1)")
    for _ in range(10):
        assert await postgres.fetch_one("SELECT coalesce(current_setting('hedgerow.mark', true), '') AS mark") == ("",)
        assert await postgres.fetch_one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == (0,)


async def test_a_transaction_is_all_or_nothing(postgres: Postgres) -> None:
    async def fails() -> None:
        async with postgres.transaction() as connection:
            await connection.execute("INSERT INTO t (id) VALUES (1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert await postgres.fetch("SELECT id FROM t") == []
    async with postgres.transaction() as connection:
        await connection.execute("INSERT INTO t (id) VALUES (1)")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with connection.transaction():  # a savepoint
                await connection.execute("INSERT INTO t (id) VALUES (1)")
        await connection.execute("INSERT INTO t (id) VALUES (2)")
    assert [r["id"] for r in await postgres.fetch("SELECT id FROM t ORDER BY id")] == [1, 2]


async def test_a_swallowed_error_does_not_pass_for_a_commit(postgres: Postgres) -> None:
    async def swallows() -> None:
        async with postgres.transaction() as connection:
            await connection.execute("INSERT INTO t (id) VALUES (1)")
            with pytest.raises(asyncpg.UniqueViolationError):
                await connection.execute("INSERT INTO t (id) VALUES (1)")

    with pytest.raises(HedgerowError, match="rolled back"):
        await swallows()
    assert await postgres.fetch("SELECT id FROM t") == []


async def test_a_cancelled_block_rolls_back_and_gives_the_connection_back(
    fresh_settings: KitSettings, dsn: str
) -> None:
    postgres = await opened(fresh_settings, dsn, postgres_pool_size=1)
    await postgres.execute("CREATE TABLE t (id int)")

    async def forever() -> None:
        async with postgres.transaction() as connection:
            await connection.execute("INSERT INTO t VALUES (1)")
            await connection.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(forever())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await postgres.fetch("SELECT * FROM t") == []
    await postgres.close()


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("INSERT INTO t (id, v) VALUES (1, $1)", ["a\0b"]),
        ("INSERT INTO t (id, v) VALUES (1, $1)", ["x" * 11]),
        ("INSERT INTO t (id, v) VALUES (1, $1)", ["\ud800"]),
        ("INSERT INTO t (id, v) VALUES (1, $1)", [5]),
        ("INSERT INTO t (id, j) VALUES (1, $1)", ["{"]),
        ("INSERT INTO t (id, j) VALUES (1, $1)", ['{"a": "\\u0000"}']),
        ("INSERT INTO t (id, j) VALUES (1, $1)", ["[" * 10_000]),
        ("INSERT INTO t (id, n) VALUES (1, $1)", [0]),
        ("INSERT INTO t (id) VALUES ($1)", [None]),
        ("INSERT INTO t (id) VALUES ($1)", [2**40]),
        ("SELECT * FROM t WHERE id = $1", ["1; DROP TABLE t"]),
        ("SELECT $1::uuid", ["no uuid"]),
    ],
)
async def test_bad_input_is_the_callers_fault(postgres: Postgres, statement: str, values: list[object]) -> None:
    with pytest.raises(InvalidRequest):
        await postgres.execute(statement, *values)
    assert await postgres.fetch("SELECT * FROM t") == []


async def test_conflicts_name_the_constraint(postgres: Postgres) -> None:
    await postgres.execute("INSERT INTO t (id) VALUES (1)")
    with pytest.raises(Conflict, match="t_pkey"):
        await postgres.execute("INSERT INTO t (id) VALUES (1)")
    await postgres.execute("CREATE TABLE child (id int REFERENCES t)")
    with pytest.raises(Conflict, match="child_id_fkey"):
        await postgres.execute("INSERT INTO child VALUES (7)")


async def test_a_slow_statement_is_cut_off_and_ends_on_the_server(fresh_settings: KitSettings, dsn: str) -> None:
    postgres = await opened(fresh_settings, dsn, postgres_query_timeout_seconds=0.3)
    with pytest.raises(DeadlineExceeded):
        await postgres.fetch("SELECT pg_sleep(3000)")
    await postgres.close()
    patient = await opened(fresh_settings, dsn)
    running = (
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 60
    while await patient.fetch(running):
        assert time.monotonic() < deadline
    await patient.close()


async def test_a_full_pool_is_unavailable(fresh_settings: KitSettings, dsn: str) -> None:
    postgres = await opened(fresh_settings, dsn, postgres_pool_size=1, postgres_connect_timeout_seconds=2)
    async with postgres.transaction():
        with pytest.raises(Unavailable):
            await postgres.fetch("SELECT 1")
    assert await postgres.fetch("SELECT 1")
    await postgres.close()


async def test_no_server_is_unavailable(fresh_settings: KitSettings) -> None:
    postgres = await opened(fresh_settings, f"postgresql://a:b@127.0.0.1:{free_port()}/x")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await postgres.fetch("SELECT 1")
    await postgres.close()


async def test_wrong_credentials_and_no_database_are_unavailable(fresh_settings: KitSettings) -> None:
    good = fresh_settings.postgres_dsn.get_secret_value()
    for dsn in (good.replace("hedgerow:", "nobody:"), good.rpartition("/")[0] + "/none_such"):
        postgres = await opened(fresh_settings, dsn)
        with pytest.raises(Unavailable):
            await postgres.check()
        await postgres.close()


async def test_a_connection_lost_before_the_commit_stored_nothing(postgres: Postgres) -> None:
    async def loses() -> None:
        async with postgres.transaction() as connection:
            await connection.execute("INSERT INTO t (id) VALUES (1)")
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(Unavailable) as error:
        await loses()
    assert not isinstance(error.value, OutcomeUnknown)
    assert await postgres.fetch("SELECT id FROM t") == []  # on a new connection


async def test_a_connection_lost_while_committing_leaves_it_open(postgres: Postgres) -> None:
    async def loses() -> None:
        async with postgres.transaction() as connection:
            await connection.execute("INSERT INTO t (id) VALUES (2)")

    # a deferred trigger runs inside COMMIT: the connection dies in the middle of it
    await postgres.execute(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    )
    await postgres.execute(
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION die()"
    )
    with pytest.raises(OutcomeUnknown):
        await loses()
    assert await postgres.fetch("SELECT id FROM t") == []


async def test_a_single_statement_whose_connection_is_lost_may_have_been_done(postgres: Postgres) -> None:
    with pytest.raises(OutcomeUnknown):
        await postgres.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_failure_decided_by_the_commit_is_not_unknown(postgres: Postgres) -> None:
    await postgres.execute("CREATE TABLE d (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(Conflict):
        async with postgres.transaction() as connection:
            await connection.execute("INSERT INTO d VALUES (1), (1)")
    assert await postgres.fetch("SELECT * FROM d") == []
