"""What the ClickHouse client promises, held against a real server: the embedded one."""

import asyncio
import gc
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.kit.clickhouse import ClickHouse
from libs.kit.clickhouse.conditional import OnlyIf
from libs.kit.clickhouse.values import parameter
from libs.kit.clock import SystemClock
from libs.kit.errors import DeadlineExceeded, Fenced, InvalidRequest, OutcomeUnknown, QueryRefused, Unavailable
from libs.kit.settings import KitSettings
from tests.support.ports import free_port
from tests.support.scale import scaled

NUMBERS = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"


@asynccontextmanager
async def opened(kit: KitSettings, **changes: object) -> AsyncIterator[ClickHouse]:
    client = ClickHouse(kit.model_copy(update={"clickhouse_database": "default", **changes}), SystemClock())
    await client.open()
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def clickhouse(engines: KitSettings) -> AsyncIterator[ClickHouse]:
    async with opened(engines) as client:
        yield client


@pytest.fixture
async def table(clickhouse: ClickHouse) -> AsyncIterator[str]:
    name = f"t_{uuid4().hex}"
    await clickhouse.execute(f"CREATE TABLE {name} (id UInt64, at DateTime64(3, 'UTC'), p JSON) ORDER BY id")
    yield name
    await clickhouse.execute(f"DROP TABLE {name}")


async def running(clickhouse: ClickHouse, query_id: str) -> bool:
    rows = await clickhouse.fetch(f"SELECT count() FROM system.processes WHERE query_id = '{query_id}'")
    return bool(rows[0][0])


async def until(condition: Callable[[], Any], *, wanted: bool) -> None:
    deadline = time.monotonic() + 60
    while bool(await condition()) is not wanted:
        assert time.monotonic() < deadline


async def test_a_result_has_names_types_and_exact_values(clickhouse: ClickHouse) -> None:
    result = await clickhouse.query(
        "SELECT 18446744073709551615 AS u64, toInt128('-170141183460469231731687303715884105728') AS i128, "
        "toDecimal64('1.10', 2) AS price, nan AS nan, 'é\\0' AS s, [1, NULL] AS a, map('k', 1) AS m, "
        "toDateTime64('2026-11-05 10:11:12.345678', 6, 'Europe/Berlin') AS at, "
        "toUUID('01989d1c-0000-7000-8000-000000000001') AS u"
    )
    assert result.columns == ["u64", "i128", "price", "nan", "s", "a", "m", "at", "u"]
    assert result.types[:3] == ["UInt64", "Int128", "Decimal(18, 2)"]
    assert result.rows == [
        [
            *(18446744073709551615, -(2**127), "1.1", None, "é\0", [1, None], {"k": 1}),
            *("2026-11-05 10:11:12.345678", "01989d1c-0000-7000-8000-000000000001"),
        ]
    ]


async def test_reads_are_counted(clickhouse: ClickHouse) -> None:
    result = await clickhouse.query("SELECT sum(number) FROM numbers(1000)")
    assert result.rows == [[499500]]
    assert result.rows_read == 1000
    assert result.bytes_read == 8000


@pytest.mark.parametrize(
    ("kind", "value", "answer"),
    [
        ("String", "C:\\new\tx\r\n\0'\"`{}%s", None),
        ("Nullable(String)", None, None),
        ("Nullable(String)", "\\N", None),
        ("Nullable(String)", "NULL", None),
        ("Array(String)", ["a'b\\c\n", "\t\0", ""], None),
        ("Array(Array(Nullable(String)))", [["x", None], []], None),
        ("Tuple(String, Int64, Nullable(Float64))", ("a'\\", -5, None), ["a'\\", -5, None]),
        ("Map(String, Array(Int64))", {"k'\\": [1]}, None),
        ("Bool", True, None),
        ("Array(Bool)", [True, False], None),
        ("Int64", -(2**63), None),
        ("UInt256", 2**256 - 1, None),
        ("Float64", 0.1, None),
        ("Float64", math.inf, "no JSON"),
        ("Decimal(38, 10)", Decimal("12345678901234567890.1234567891"), "12345678901234567890.1234567891"),
        ("UUID", UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ("Array(UUID)", [UUID(int=7)], ["00000000-0000-0000-0000-000000000007"]),
        ("Date", date(2026, 1, 2), "2026-01-02"),
        ("Array(Date)", [date(2026, 1, 2)], ["2026-01-02"]),
        ("DateTime('UTC')", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05"),
        ("DateTime64(6, 'Asia/Tokyo')", datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02 12:04:05.000006"),
        ("DateTime64(6, 'UTC')", datetime(1960, 12, 31, 23, 59, 59, 5, tzinfo=UTC), "1960-12-31 23:59:59.000005"),
        ("DateTime64(6, 'UTC')", datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC), "1970-01-01 00:00:05.000000"),
        ("DateTime64(3, 'UTC')", datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5))), "2026-01-01 19:00:00.000"),
        ("DateTime64(6, 'Asia/Tokyo')", datetime(2026, 1, 2, 3), "2026-01-02 03:00:00.000000"),
        ("Array(DateTime64(3, 'UTC'))", [datetime(2026, 1, 2, tzinfo=UTC)], ["2026-01-02 00:00:00.000"]),
    ],
)
async def test_a_value_arrives_as_it_was(clickhouse: ClickHouse, kind: str, value: object, answer: object) -> None:
    result = await clickhouse.query(f"SELECT {{v:{kind}}}", {"v": value})
    assert result.rows == [[None if answer == "no JSON" else answer or value]]


# what JSON and UTF-8 can hold: everything but half a surrogate pair
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50) | st.text("\\\t\n\r\0'\"N", max_size=12)


@settings(
    max_examples=scaled(1000, least=20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    text=texts, many=st.lists(texts, max_size=5), nested=st.lists(st.lists(st.none() | texts, max_size=3), max_size=3)
)
async def test_any_text_arrives_as_it_was(
    clickhouse: ClickHouse, text: str, many: list[str], nested: list[list[str | None]]
) -> None:
    result = await clickhouse.query(
        "SELECT {text:String}, {many:Array(String)}, {nested:Array(Array(Nullable(String)))}, "
        "{pair:Tuple(String, String)}",
        {"text": text, "many": many, "nested": nested, "pair": (text, text)},
    )
    assert result.rows == [[text, many, nested, [text, text]]]


async def test_a_large_value_arrives(clickhouse: ClickHouse) -> None:
    ids = [f"user-{number}" for number in range(50_000)]
    result = await clickhouse.query("SELECT length({ids:Array(String)}), {ids:Array(String)}[-1]", {"ids": ids})
    assert result.rows == [[50_000, "user-49999"]]


def test_what_no_parameter_can_carry() -> None:
    with pytest.raises(InvalidRequest):
        parameter("\ud800")
    with pytest.raises(TypeError):
        parameter(object())
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(InvalidRequest):
        parameter(deep)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT", 62),
        ("SELECT none", 47),
        ("SELECT * FROM none_such", 60),
        ("SELECT throwIf(number = 3000000, 'half-way') FROM numbers(5000000)", 395),
        ("SELECT {v:Int64}", 457),
        ("CREATE TABLE x (a Int8) ENGINE = Memory", 164),
    ],
)
async def test_a_refusal_carries_the_code(clickhouse: ClickHouse, sql: str, code: int) -> None:
    with pytest.raises(QueryRefused) as refused:
        await clickhouse.query(sql, {"v": "x"})
    assert refused.value.clickhouse_code == code
    assert "DB::Exception" not in refused.value.detail


async def test_a_read_cannot_write(clickhouse: ClickHouse, table: str) -> None:
    for sql in (f"INSERT INTO {table} (id) SELECT 1", f"TRUNCATE TABLE {table}", f"ALTER TABLE {table} DELETE WHERE 1"):
        with pytest.raises(QueryRefused) as refused:
            await clickhouse.query(sql)
        assert refused.value.clickhouse_code == 164
    assert (await clickhouse.query(f"INSERT INTO {table} (id) SELECT 1", readonly=False)).rows == []
    assert await clickhouse.fetch(f"SELECT id FROM {table}") == [(1,)]


async def test_refusals_of_the_native_way_carry_the_code_and_leave_it_usable(clickhouse: ClickHouse) -> None:
    for _ in range(10):  # more often than there are connections
        with pytest.raises(QueryRefused) as refused:
            await clickhouse.fetch("SELECT * FROM none_such")
        assert refused.value.clickhouse_code == 60
        with pytest.raises(QueryRefused):
            await clickhouse.execute("DROP TABLE none_such")
    assert await clickhouse.fetch("SELECT 1, 'a'") == [(1, "a")]


async def test_limits_hold(clickhouse: ClickHouse) -> None:
    with pytest.raises(QueryRefused) as refused:
        await clickhouse.query(
            "SELECT groupArray(toString(number)) FROM numbers(10000000)", settings={"max_memory_usage": 10_000_000}
        )
    assert refused.value.clickhouse_code == 241
    with pytest.raises(QueryRefused) as refused:
        await clickhouse.query("SELECT number FROM numbers(1000)", settings={"max_result_rows": 10})
    assert refused.value.clickhouse_code == 396
    cut = {"max_result_rows": 10, "result_overflow_mode": "break", "max_block_size": 10}
    assert len((await clickhouse.query("SELECT number FROM numbers(1000)", settings=cut)).rows) == 10


async def test_a_slow_query_is_ended_there_too(clickhouse: ClickHouse) -> None:
    query_id = f"slow-{uuid4()}"
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await clickhouse.query(NUMBERS, timeout=1, query_id=query_id)
    assert time.monotonic() - started < 60
    await until(lambda: running(clickhouse, query_id), wanted=False)


async def test_a_cancelled_query_is_ended_there_too(clickhouse: ClickHouse) -> None:
    query_id = f"cancelled-{uuid4()}"
    task = asyncio.create_task(clickhouse.query(NUMBERS, query_id=query_id))
    await until(lambda: running(clickhouse, query_id), wanted=True)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: running(clickhouse, query_id), wanted=False)


async def test_kill_returns_when_the_query_has_ended(clickhouse: ClickHouse) -> None:
    query_id = f"killed-{uuid4()}"
    task = asyncio.create_task(clickhouse.query(NUMBERS, query_id=query_id))
    await until(lambda: running(clickhouse, query_id), wanted=True)
    await clickhouse.kill(query_id)
    assert not await running(clickhouse, query_id)
    with pytest.raises(QueryRefused) as refused:
        await task
    assert refused.value.clickhouse_code == 394
    await clickhouse.kill(query_id)  # has ended already
    await clickhouse.kill("never-ran")
    for bad in ("'; DROP TABLE x", "a b", "x" * 200):
        with pytest.raises(InvalidRequest):
            await clickhouse.kill(bad)


async def test_a_cancelled_fetch_leaves_the_pool_whole(engines: KitSettings) -> None:
    async with opened(engines, clickhouse_pool_size=1) as client:
        for _ in range(3):
            task = asyncio.create_task(client.fetch(NUMBERS))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await client.fetch("SELECT 42") == [(42,)]


async def test_a_stream_comes_block_by_block(clickhouse: ClickHouse) -> None:
    pieces = [
        piece
        async for piece in clickhouse.stream(
            "SELECT number, {s:String} AS s FROM numbers(200000)", {"s": "a\tb"}, output_format="JSONEachRow"
        )
    ]
    lines = b"".join(pieces).splitlines()
    assert len(pieces) > 1
    assert len(lines) == 200_000
    assert json.loads(lines[-1]) == {"number": 199999, "s": "a\tb"}


async def test_a_stream_that_fails_half_way_says_so(clickhouse: ClickHouse) -> None:
    received = 0

    async def read() -> None:
        nonlocal received
        sql = "SELECT number, throwIf(number = 3000000, 'half-way') FROM numbers(5000000)"
        async for piece in clickhouse.stream(sql, output_format="TSV"):
            received += len(piece)

    with pytest.raises(QueryRefused) as refused:
        await read()
    assert refused.value.clickhouse_code == 395
    assert received > 0


async def test_a_stream_that_is_left_early_ends_the_query(clickhouse: ClickHouse) -> None:
    query_id = f"left-{uuid4()}"
    stream = clickhouse.stream("SELECT number FROM numbers(100000000000)", output_format="TSV", query_id=query_id)
    assert await anext(stream)
    await stream.aclose()
    await until(lambda: running(clickhouse, query_id), wanted=False)


async def test_an_insert_is_stored_when_it_returns(clickhouse: ClickHouse, table: str) -> None:
    await clickhouse.insert(table, b'{"id":1,"at":"2026-01-02T03:04:05.678Z","p":{"a":{"b":"2026-01-02"}}}\n')
    assert (await clickhouse.query(f"SELECT id, at, p FROM {table}")).rows == [
        [1, "2026-01-02 03:04:05.678", {"a": {"b": "2026-01-02"}}]
    ]


async def test_what_was_sent_and_answered_goes_with_its_last_reference(clickhouse: ClickHouse, table: str) -> None:
    async def talk() -> None:
        await clickhouse.insert(table, b'{"id":1}')
        await clickhouse.query("SELECT 1")
        async for _ in clickhouse.stream("SELECT 1", output_format="TSV"):
            pass

    await talk()
    gc.collect()
    gc.disable()
    try:
        await talk()
        assert [one for one in gc.get_objects() if isinstance(one, httpx.Request | httpx.Response)] == []
    finally:
        gc.enable()


async def test_a_bad_row_refuses_the_whole_insert(clickhouse: ClickHouse, table: str) -> None:
    """And nothing of it is stored, however many good rows went before: the writer may cut it anew."""
    good = b'{"id":1,"at":"2026-01-02 03:04:05","p":{"a":"%s"}}\n' % (b"x" * 100)
    for bad in (b'{"id":1,"at":"never","p":{}}', b'{"id":1,"p":{"a":1e400}}', b'{"id":', b'{"id":1,"other":2}'):
        with pytest.raises(QueryRefused):
            await clickhouse.insert(table, good * 20_000 + bad)
    assert await clickhouse.fetch(f"SELECT count() FROM {table}") == [(0,)]


async def test_an_insert_over_too_many_partitions_is_refused_whole(clickhouse: ClickHouse) -> None:
    name = f"t_{uuid4().hex}"
    await clickhouse.execute(f"CREATE TABLE {name} (id UInt64) ORDER BY id PARTITION BY id")
    with pytest.raises(QueryRefused) as refused:
        await clickhouse.insert(name, b"".join(b'{"id":%d}' % number for number in range(101)))
    assert refused.value.clickhouse_code == 252
    assert await clickhouse.fetch(f"SELECT count() FROM {name}") == [(0,)]


async def test_a_missing_table_is_not_the_rows_fault(clickhouse: ClickHouse) -> None:
    with pytest.raises(Unavailable):
        await clickhouse.insert("none_such", b'{"id":1}')
    with pytest.raises(InvalidRequest):
        await clickhouse.insert("t; DROP TABLE t", b'{"id":1}')


async def test_no_server_and_wrong_password_are_unavailable(engines: KitSettings) -> None:
    port = free_port()
    wrong = type(engines.clickhouse_password)("wrong")
    nobody = {"clickhouse_http_port": port, "clickhouse_native_port": port}
    for changes in (nobody, {"clickhouse_password": wrong}):
        async with opened(engines, **changes) as client:
            for call in (client.query("SELECT 1"), client.fetch("SELECT 1"), client.execute("SELECT 1")):
                with pytest.raises(Unavailable) as error:
                    await call
                assert not isinstance(error.value, OutcomeUnknown)
            with pytest.raises(Unavailable) as error:
                await client.insert("t", b"{}")
            assert not isinstance(error.value, OutcomeUnknown)
            with pytest.raises(Unavailable):
                await client.check()


async def test_many_at_once(clickhouse: ClickHouse) -> None:
    results = await asyncio.gather(
        *(clickhouse.query("SELECT {n:Int64}", {"n": n}) for n in range(30)),
        *(clickhouse.fetch(f"SELECT {n}") for n in range(30)),
    )
    assert [result.rows[0][0] for result in results[:30]] == list(range(30))  # type: ignore[union-attr]
    assert [result[0][0] for result in results[30:]] == list(range(30))  # type: ignore[index]


@asynccontextmanager
async def proxied(port: int, cut_after: list[int]) -> AsyncIterator[tuple[int, list[asyncio.StreamWriter]]]:
    """A TCP relay to `port` whose connections a test can cut; `cut_after[0]` answer bytes go through, then it cuts."""
    writers: list[asyncio.StreamWriter] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: bool) -> None:
        try:
            while data := await reader.read(65536):
                if back and cut_after:
                    cut_after[0] -= len(data)
                    if cut_after[0] < 0:
                        break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writers.extend((writer, back))
        tasks = (asyncio.create_task(relay(reader, back, False)), asyncio.create_task(relay(there, writer, True)))
        await asyncio.wait(tasks)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], writers
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def test_stale_connections_are_not_noticed(engines: KitSettings) -> None:
    """Connections that ended while idle cost nobody an error, on either way in."""
    async with (
        proxied(engines.clickhouse_native_port, []) as (native, native_writers),
        proxied(engines.clickhouse_http_port, []) as (http, http_writers),
        opened(engines, clickhouse_native_port=native, clickhouse_http_port=http) as client,
    ):
        for _ in range(3):
            assert await client.fetch("SELECT 1") == [(1,)]
            assert (await client.query("SELECT 1")).rows == [[1]]
            for writer in (*native_writers, *http_writers):
                writer.transport.abort()
            await asyncio.sleep(0.05)
        await client.check()


async def test_an_insert_without_an_answer_is_in_doubt(engines: KitSettings, table: str) -> None:
    cut: list[int] = [0]
    async with (
        proxied(engines.clickhouse_http_port, cut) as (port, _),
        opened(engines, clickhouse_http_port=port) as client,
    ):
        with pytest.raises(OutcomeUnknown):
            await client.insert(table, b'{"id":1}')
    async with opened(engines, clickhouse_insert_timeout_seconds=0.0001) as client:
        with pytest.raises((OutcomeUnknown, Unavailable)):
            await client.insert(table, b'{"id":2}')


async def test_an_insert_on_a_condition(clickhouse: ClickHouse, table: str) -> None:
    def rows(number: int, count: int) -> OnlyIf:
        return OnlyIf(f"{table} WHERE id = {{number:UInt64}}", {"number": number}, count)

    columns = {"id": "UInt64"}
    await clickhouse.insert(table, b'{"id":1}', columns=columns, only_if=rows(1, 0))
    await clickhouse.insert(table, b'{"id":2}', columns=columns, only_if=rows(1, 1))
    for number, many in ((1, 0), (1, 2), (3, 1)):
        with pytest.raises(Fenced):
            await clickhouse.insert(table, b'{"id":3}', columns=columns, only_if=rows(number, many))
    with pytest.raises(QueryRefused):
        await clickhouse.insert(table, b'{"id":4}\n{"id":"x"}', columns=columns, only_if=rows(1, 1))
    with pytest.raises(QueryRefused):
        await clickhouse.insert(table, b'{"id":4,"more":1}', columns=columns, only_if=rows(1, 1))
    assert (await clickhouse.query(f"SELECT id FROM {table} ORDER BY id")).rows == [[1], [2]]


async def test_a_lost_answer_of_the_native_way(engines: KitSettings) -> None:
    """DDL is then in doubt; a read is tried again, and works once the network does."""
    cut: list[int] = []
    async with (
        proxied(engines.clickhouse_native_port, cut) as (port, _),
        opened(engines, clickhouse_native_port=port, clickhouse_pool_size=1) as client,
    ):
        await client.fetch("SELECT 1")  # connected; not asked for a sign of life within a second
        cut.append(0)
        with pytest.raises(OutcomeUnknown):
            await client.execute("SELECT 1")
        with pytest.raises(Unavailable):
            await client.fetch("SELECT 1")
        cut.clear()
        assert await client.fetch("SELECT 1") == [(1,)]
