"""The embedded ClickHouse server, as its clients see it: asynch over TCP and httpx over HTTP, a real process behind."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import asynch
import httpx
import pytest
import pytest_asyncio
from asynch.errors import ServerException

from hedgerow.embedded.clickhouse.process import ClickHouseProcess
from tests.support.clickhouse_server import Server, running, table, until
from tests.support.scale import scaled

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]

SLOW = "SELECT sum(sleepEachRow(0.05)) FROM numbers(2000) SETTINGS max_block_size = 1"
NASTY = [
    "",
    "C:\\new",
    "a\tb",
    "line\nfeed",
    "nul\0in",
    "quote'\"`",
    "\\N",
    "{x:String}",
    "--",
    "é漢😀",
    "%s %(x)s",
    "\r\n",
]


def escaped(value: str) -> str:
    """A String parameter as ClickHouse reads it."""
    for raw, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        value = value.replace(raw, written)
    return value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    arguments = ("--queue-seconds", "2", "--max-queries", "8", "--reader-password-env", "READER")
    folder = tmp_path_factory.mktemp("clickhouse")
    process = ClickHouseProcess(folder, "secret", *arguments, environment={"READER": "look"})
    await process.start()
    yield Server(process)
    assert await process.stop() == 0


TYPES = (
    "id Int64, u UUID, d DateTime64(6, 'UTC'), m Map(String, Array(Int32)), t Tuple(a Int8, b Nullable(String)), "
    "n Nullable(Float64), l LowCardinality(String), ln LowCardinality(Nullable(String)), a Array(Array(String)), "
    "f FixedString(3), e Enum8('x' = 1, 'y' = -2), dt Date, b Bool, i IPv4, dec Decimal(18, 4), s String, "
    "la Array(LowCardinality(String)), big UInt256"
)


def row(number: int) -> tuple[Any, ...]:
    return (
        number,
        uuid.UUID(int=number * 7919),
        datetime(2026, 1, 2, 3, 4, 5, number % 1000000, tzinfo=UTC),
        {"k": [1, 2, number], "": []},
        (number % 100, None if number % 2 else "é" * (number % 200)),
        None if number % 3 else number / 7,
        f"low {number % 5}",
        None if number % 4 else "some",
        [["a"], [], ["b" * 200, "c"]],
        "abc",
        "y" if number % 2 else "x",
        datetime(2026, 1, 2).date(),
        bool(number % 2),
        IPv4Address("10.1.2.3"),
        __import__("decimal").Decimal("12.3456"),
        "long " * (number % 100),
        ["p", "q", "p"],
        2**200 + number,
    )


async def test_types_survive_a_native_insert_and_a_native_select(server: Server) -> None:
    name = table()
    async with server.native() as cursor:
        await cursor.execute(f"CREATE TABLE {name} ({TYPES}) ENGINE = MergeTree ORDER BY id")
        rows = [row(number) for number in range(3000)]
        assert await cursor.execute(f"INSERT INTO {name} VALUES", rows) == 3000
        await cursor.execute(f"SELECT * FROM {name} ORDER BY id")
        assert await cursor.fetchall() == rows
        assert [column.name for column in cursor.description][:3] == ["id", "u", "d"]


async def test_an_insert_of_several_blocks_and_of_some_columns(server: Server) -> None:
    name = table()
    async with server.native(settings={"insert_block_size": 100}) as cursor:
        await cursor.execute(f"CREATE TABLE {name} (a Int64, b String DEFAULT 'dd', c String) ENGINE = Memory")
        await cursor.execute(f"INSERT INTO `{name}` (c, a) VALUES", [(str(n), n) for n in range(1050)])
        await cursor.execute(f"SELECT count(), sum(a), any(b), countIf(c = toString(a)) FROM {name}")
        assert await cursor.fetchall() == [(1050, 1050 * 1049 // 2, "dd", 1050)]


async def test_json_goes_in_over_http_and_comes_out_of_both(server: Server) -> None:
    name = table()
    await server.ask(
        f"CREATE TABLE {name} (id Int64, p JSON(max_dynamic_paths = 4, a String)) ENGINE = MergeTree ORDER BY id"
    )
    lines = '{"id":1,"p":{"a":"x","b":{"c":[1,2]},"d":null}}\n{"id":2,"p":{"e":1.5,"f":true}}\n'
    await server.ask(lines, query=f"INSERT INTO {name} FORMAT JSONEachRow")
    assert await server.ask(f"SELECT p FROM {name} ORDER BY id FORMAT JSONEachRow") == (
        '{"p":{"a":"x","b":{"c":[1,2]}}}\n{"p":{"a":"","e":1.5,"f":true}}\n'
    )
    rows = await server.fetch(f"SELECT id, p FROM {name} ORDER BY id")
    assert rows[0][1] == {"a": "x", "b": {"c": [1, 2]}}
    assert rows[1][1] == {"a": "", "e": 1.5, "f": True}


async def test_an_empty_result_has_its_columns(server: Server) -> None:
    async with server.native() as cursor:
        await cursor.execute("SELECT 1 AS x, toDateTime(0, 'UTC') AS d WHERE 0")
        assert await cursor.fetchall() == []
        assert [(column.name, column.type_code) for column in cursor.description] == [
            ("x", "UInt8"),
            ("d", "DateTime('UTC')"),
        ]


async def test_exceptions_have_clickhouses_codes_on_both(server: Server) -> None:
    cases = [
        ("SELEC 1", 62, 400),
        ("SELECT nope", 47, 404),
        ("SELECT * FROM nope", 60, 404),
        ("SELECT nope()", 46, 404),
        ("SELECT 1 SETTINGS nope = 1", 115, 404),
        ("SELECT toInt8('x')", 6, 400),
        ("SELECT throwIf(1)", 395, 500),
        ("SELECT * FROM nope.t", 81, 404),
        ("DROP TABLE nope", 60, 404),
    ]
    async with server.native() as cursor, server.http() as client:
        for sql, code, status in cases:
            with pytest.raises(ServerException) as raised:
                await cursor.execute(sql)
            assert raised.value.code == code, sql
            answer = await client.post("/", content=sql)
            assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (status, str(code)), sql
            assert answer.text.startswith(f"Code: {code}. DB::Exception: "), sql
            await cursor.execute("SELECT 1")  # the connection goes on, with nothing of the failed statement in it
            assert await cursor.fetchall() == [(1,)]


async def test_a_failed_stream_leaves_nothing_in_its_session(server: Server) -> None:
    async with server.native() as cursor:
        with pytest.raises(ServerException):
            await cursor.execute("SELECT throwIf(number = 150000) FROM numbers(200000)")
        await cursor.execute("SELECT 'clean'")
        assert await cursor.fetchall() == [("clean",)]


async def test_wrong_passwords_are_refused_on_both(server: Server) -> None:
    with pytest.raises(ServerException) as raised:
        async with server.native(password="wrong"):
            pass
    assert raised.value.code == 516
    async with server.http(auth=None) as client:
        assert (await client.get("/ping")).text == "Ok.\n"
        assert (await client.post("/", content="SELECT 1")).status_code == 403
        assert (await client.post("/", content="SELECT 1", auth=("default", "x"))).status_code == 403
        assert (await client.post("/", content="SELECT 1", auth=("nobody", ""))).status_code == 403
        good = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": "secret"}
        assert (await client.post("/", content="SELECT 1", headers=good)).text == "1\n"
        assert (
            await client.get("/", params={"query": "SELECT 1", "user": "default", "password": "secret"})
        ).text == "1\n"


async def test_parameters_arrive_as_they_were_meant(server: Server) -> None:
    async with server.http() as client:
        for value in NASTY:
            sql = "SELECT {v:String} AS v, length({v:String}) AS n FORMAT JSONEachRow"
            in_url = await client.post("/", params={"param_v": escaped(value)}, content=sql)
            form = {"query": (None, sql), "param_v": (None, escaped(value))}
            in_form = await client.post("/", files=form)
            for answer in (in_url, in_form):
                assert answer.status_code == 200, (value, answer.text)
                assert answer.json() == {"v": value, "n": len(value.encode())}
        raw = await client.post("/", params={"param_v": "a\tb"}, content="SELECT {v:String}")
        assert raw.headers["x-clickhouse-exception-code"] == "457"
        array = await client.post("/", params={"param_v": "['a','b\\'c']"}, content="SELECT {v:Array(String)}[2]")
        assert array.text == "b\\'c\n"
        assert (await client.post("/", content="SELECT {v:String}")).headers["x-clickhouse-exception-code"] == "456"


async def test_broken_requests_are_the_clients_fault(server: Server) -> None:
    async with server.http() as client:
        bad_form = {"content-type": "multipart/form-data; boundary=x"}
        no_boundary = {"content-type": "multipart/form-data"}
        for answer in (
            await client.post("/", content=b"SELECT '\xff'"),
            await client.post("/?param_v=%ff", content=b"SELECT {v:String}"),
            await client.post("/", files={"query": (None, b"SELECT {v:String}"), "param_v": (None, b"\xff\xfe")}),
            await client.post("/", content=b"no form", headers=bad_form),
            await client.post("/", content=b"no form", headers=no_boundary),
            await client.post("/", content=b""),
            await client.post("/?bad=name=x&=y&a%20b=1", content=b"SELECT 1"),
            await client.post("/", content=b"SELECT 1", headers={"content-encoding": "gzip"}),
            await client.post("/", files={"query": (None, "SELECT 1"), "t": ("t.csv", b"1")}),
        ):
            assert 400 <= answer.status_code < 600, answer.text
            assert answer.status_code != 500, answer.text
            assert answer.headers["x-clickhouse-exception-code"] not in ("49", "1001"), answer.text
    reader, writer = await asyncio.open_connection(server.process.host, server.process.native_port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(1), 30)) == b"\x02"
    writer.close()


async def test_http_settings_database_format_and_headers(server: Server) -> None:
    async with server.http() as client:
        query_id = str(uuid.uuid4())
        answer = await client.post(
            "/",
            params={"default_format": "JSONCompact", "database": "system", "max_threads": "3", "query_id": query_id},
            content="SELECT dummy, getSetting('max_threads') AS t, currentDatabase() AS d FROM one",
        )
        assert answer.json()["data"] == [[0, 3, "system"]]
        assert answer.headers["x-clickhouse-query-id"] == query_id
        assert answer.headers["x-clickhouse-format"] == "JSONCompact"
        assert answer.headers["content-type"].startswith("application/json")
        missing = await client.post("/", params={"database": "nope"}, content="SELECT 1")
        assert missing.headers["x-clickhouse-exception-code"] == "81"
        unknown = await client.post("/", params={"no_such_setting": "1"}, content="SELECT 1")
        assert unknown.headers["x-clickhouse-exception-code"] == "115"
        counted = await client.post("/", content="SELECT count() FROM numbers(1000)", params={"wait_end_of_query": "1"})
        summary = counted.headers["x-clickhouse-summary"]
        assert '"read_rows":"1000"' in summary
        assert '"result_rows":"1"' in summary


async def test_limits_that_clients_ask_for_hold(server: Server) -> None:
    name = table()
    await server.ask(f"CREATE TABLE {name} (a Int8) ENGINE = Memory")
    cases: list[tuple[dict[str, str], str, str]] = [
        ({"readonly": "1"}, f"INSERT INTO {name} VALUES (1)", "164"),
        ({"readonly": "1"}, f"DROP TABLE {name}", "164"),
        ({"readonly": "2"}, f"INSERT INTO {name} SELECT 1", "164"),
        ({"readonly": "1", "max_threads": "1"}, "SELECT 1 SETTINGS max_threads = 2", "164"),
        ({"max_execution_time": "0.3"}, SLOW, "159"),
        ({"max_memory_usage": "20000000"}, "SELECT groupArray(number) FROM numbers(100000000)", "241"),
        ({"max_result_rows": "10"}, "SELECT number FROM numbers(1000)", "396"),
    ]
    async with server.http() as client:
        for settings, sql, code in cases:
            answer = await client.post("/", params=settings, content=sql)
            assert answer.headers.get("x-clickhouse-exception-code") == code, (sql, answer.text[:300])
        written = await client.get("/", params={"query": f"INSERT INTO {name} SELECT 1"})
        assert written.headers["x-clickhouse-exception-code"] == "164"  # GET may not write
    async with server.native() as cursor:
        cursor.set_settings({"readonly": 1})
        with pytest.raises(ServerException, match="READONLY"):
            await cursor.execute(f"DROP TABLE {name}")
    async with server.native() as cursor:
        cursor.set_settings({"max_execution_time": 0.3, "a_setting_nobody_knows": 1})
        with pytest.raises(ServerException, match="TIMEOUT_EXCEEDED"):
            await cursor.execute(SLOW)
        cursor.set_settings({})
        await cursor.execute("SELECT getSetting('max_execution_time')")
        assert await cursor.fetchall() == [(0.0,)]
    assert (await server.ask(f"SELECT count() FROM {name}")).strip() == "0"


async def test_a_server_does_not_touch_the_machines_files(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for sql in (
        f"SELECT * FROM file('{secret}', 'LineAsString')",
        f"SELECT 1 INTO OUTFILE '{tmp_path}/out'",
        f"SELECT * FROM `{secret}`",
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM _files.`{secret}`",
        f"INSERT INTO FUNCTION file('{tmp_path}/out', 'CSV', 'a Int8') VALUES (1)",
        f"INSERT INTO t FROM INFILE '{secret}' FORMAT CSV",
        f"CREATE TABLE {table()} (a String) ENGINE = File(CSV, '{secret}')",
        "SELECT * FROM executable('x', 'TSV', 'a String')",
    ):
        async with server.http() as client:
            answer = await client.post("/", content=sql)
            assert answer.status_code != 200, sql
            assert "secret\n" not in answer.text
    assert os.listdir(tmp_path) == ["secret"]


async def median_seconds(what: Callable[[], Awaitable[Any]], times: int = 9) -> float:
    """How long it takes, in the middle of so many times."""
    taken = []
    for _ in range(times):
        begin = time.monotonic()
        await what()
        taken.append(time.monotonic() - begin)
    return sorted(taken)[times // 2]


async def test_a_look_up_stays_quick_beside_a_long_query(server: Server) -> None:
    async with server.native() as cursor, server.http() as client:
        look_ups = (lambda: cursor.execute("SELECT 1"), lambda: client.post("/", content="SELECT 1"))
        alone = [await median_seconds(look_up) for look_up in look_ups]
        long = asyncio.ensure_future(server.ask(SLOW, query_id="long", max_execution_time="90"))
        await until(lambda: running(server, "long"))
        beside = [await median_seconds(look_up) for look_up in look_ups]
    assert not long.done()
    assert all(after < 0.25 + 10 * before for before, after in zip(alone, beside, strict=True)), (alone, beside)
    await server.ask("KILL QUERY WHERE query_id = 'long' SYNC")
    with pytest.raises(AssertionError, match="394"):
        await long


async def test_killing_a_query_ends_it_on_both(server: Server) -> None:
    async def over_tcp() -> None:
        async with server.native() as cursor:
            cursor.set_query_id("tcp")
            await cursor.execute(SLOW)

    for query_id, work in (("tcp", over_tcp()), ("web", server.ask(SLOW, query_id="web"))):
        task = asyncio.ensure_future(work)
        await until(lambda query_id=query_id: running(server, query_id))
        begin = time.monotonic()
        await server.fetch(f"KILL QUERY WHERE query_id = '{query_id}' SYNC")
        with pytest.raises((ServerException, AssertionError), match="394"):
            await task
        assert time.monotonic() - begin < 30  # of the hundred seconds it would take
        assert not await running(server, query_id)


async def test_a_client_that_leaves_ends_its_query(server: Server) -> None:
    async with server.http() as client:
        web = asyncio.ensure_future(client.post("/", params={"query_id": "left-web"}, content=SLOW))
        await until(lambda: running(server, "left-web"))
        web.cancel()
    async with server.native() as cursor:
        cursor.set_query_id("left-tcp")
        tcp = asyncio.ensure_future(cursor.execute(SLOW))
        await until(lambda: running(server, "left-tcp"))
        tcp.cancel()
        with pytest.raises(asyncio.CancelledError):
            await tcp
    for query_id in ("left-web", "left-tcp"):

        async def ended(query_id: str = query_id) -> bool:
            return not await running(server, query_id)

        await until(ended)


async def test_cancel_over_tcp_ends_the_query_and_keeps_the_connection(server: Server) -> None:
    connection = asynch.Connection(
        host=server.process.host, port=server.process.native_port, user="default", password="secret"
    )
    async with connection, connection.cursor() as cursor:
        cursor.set_query_id("cancelled")
        task = asyncio.ensure_future(cursor.execute(SLOW))
        await until(lambda: running(server, "cancelled"))
        await connection._connection.cancel()
        await asyncio.wait_for(task, 30)
        cursor.set_query_id("")
        await cursor.execute("SELECT 5")
        assert await cursor.fetchall() == [(5,)]
    assert not await running(server, "cancelled")


async def test_a_query_id_runs_once(server: Server) -> None:
    first = asyncio.ensure_future(server.ask(SLOW, query_id="twice"))
    await until(lambda: running(server, "twice"))
    async with server.http() as client:
        second = await client.post("/", params={"query_id": "twice"}, content="SELECT 1")
        assert second.headers["x-clickhouse-exception-code"] == "216"
    await server.ask("KILL QUERY WHERE query_id = 'twice' SYNC")
    with pytest.raises(AssertionError):
        await first


async def test_more_queries_than_slots_wait_and_are_then_refused(server: Server) -> None:
    names = [f"slot-{number}" for number in range(8)]
    tasks = [asyncio.ensure_future(server.ask(SLOW, query_id=name)) for name in names]
    async with server.http() as client:

        async def full() -> bool:
            answer = await client.post("/", content="SELECT 1")
            return answer.headers.get("x-clickhouse-exception-code") == "202"

        await until(full)
        await client.post("/", content="KILL QUERY WHERE query_id LIKE 'slot-%'")  # needs no slot
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all("394" in str(result) for result in results)
    assert await server.ask("SELECT 1") == "1\n"


async def test_a_large_result_streams_with_flat_memory(server: Server) -> None:
    rows = scaled(5_000_000, least=1_000_000)
    sql = f"SELECT number, repeat('x', 100) AS s FROM numbers({rows}) FORMAT JSONEachRow"
    peaks, received = [0, 0], 0
    named = {"query_id": "streamed"}
    async with server.http() as client, client.stream("POST", "/", params=named, content=sql) as answer:
        async for chunk in answer.aiter_raw():
            # What is not read yet is not made yet: sockets hold a small part of it.
            assert received or await running(server, "streamed")
            received += len(chunk)
            half = int(received > rows * 60)
            peaks[half] = max(peaks[half], server.memory())
    assert received > rows * 120
    assert peaks[1] < peaks[0] + 60_000_000, "the second half of the answer needs no more memory than the first"


@pytest.mark.parametrize(
    "output_format",
    ["JSON", "JSONCompact", "JSONEachRow", "TSVWithNamesAndTypes", "CSVWithNames", "RowBinary", "CSV", "Parquet"],
)
async def test_a_streamed_document_is_one_document(server: Server, output_format: str) -> None:
    sql = f"SELECT number AS n, toString(number) AS s FROM numbers(200000) FORMAT {output_format}"
    async with server.http() as client:
        answer = await client.post("/", content=sql)
        assert answer.status_code == 200
        if output_format in ("JSON", "JSONCompact"):
            document = answer.json()
            assert document["rows"] == len(document["data"]) == 200000
            assert [column["name"] for column in document["meta"]] == ["n", "s"]
            assert document["statistics"]["rows_read"] == 200000
        name = table()
        await client.post("/", content=f"CREATE TABLE {name} (n UInt64, s String) ENGINE = Memory")
        back = "JSONEachRow" if output_format == "JSON" else output_format
        if output_format not in ("JSON", "JSONCompact"):
            inserted = await client.post(
                "/", params={"query": f"INSERT INTO {name} FORMAT {back}"}, content=answer.content
            )
            assert inserted.status_code == 200, inserted.text
            totals = await client.post("/", content=f"SELECT count(), sum(n), countIf(s = toString(n)) FROM {name}")
            assert totals.text == "200000\t19999900000\t200000\n"


async def test_json_with_totals_and_without_rows(server: Server) -> None:
    async with server.http() as client:
        sql = "SELECT number % 3 AS k, sum(number) AS s FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k FORMAT JSON"
        document = (await client.post("/", content=sql)).json()
        assert [entry["s"] for entry in document["data"]] == [18, 12, 15]
        assert document["totals"]["s"] == 45
        empty = (await client.post("/", content="SELECT 1 AS x WHERE 0 FORMAT JSONCompact")).json()
        assert (empty["data"], empty["rows"], empty["meta"]) == ([], 0, [{"name": "x", "type": "UInt8"}])
        limited = (await client.post("/", content="SELECT number FROM numbers(100) LIMIT 3 FORMAT JSON")).json()
        assert limited["rows"] == 3


async def test_an_error_in_the_middle_is_no_complete_answer(server: Server) -> None:
    sql = "SELECT throwIf(number = 400000), repeat('x', 100) FROM numbers(500000) FORMAT JSONEachRow"
    received = bytearray()
    async with server.http() as client:

        async def read() -> None:
            async with client.stream("POST", "/", content=sql) as answer:
                assert answer.status_code == 200
                async for chunk in answer.aiter_raw():
                    received.extend(chunk)

        with pytest.raises(httpx.RemoteProtocolError):
            await read()
        assert b"Code: 395. DB::Exception" in received[-2000:]
        whole = await client.post("/", params={"wait_end_of_query": "1"}, content=sql)
        assert whole.status_code == 500


async def test_http_inserts(server: Server) -> None:
    name = table()
    await server.ask(f"CREATE TABLE {name} (a Int64, `é` String) ENGINE = MergeTree ORDER BY a")
    async with server.http() as client:
        insert = f"INSERT INTO {name} (a, `é`) FORMAT JSONEachRow"

        async def lines() -> AsyncIterator[bytes]:
            for number in range(50):
                yield b"".join(b'{"a":%d,"\xc3\xa9":"%d"}\n' % (number * 1000 + n, n) for n in range(1000))

        streamed = await client.post("/", params={"query": insert}, content=lines())
        assert streamed.status_code == 200, streamed.text
        assert '"written_rows":"50000"' in streamed.headers["x-clickhouse-summary"]
        in_body = await client.post("/", content=insert.encode() + b'\n{"a":-1,"\xc3\xa9":"\xc3\xa9"}')
        assert in_body.status_code == 200, in_body.text
        values = await client.post("/", content=f"INSERT INTO {name} VALUES (-2, 'x'), (-3, 'y;')")
        assert values.status_code == 200, values.text
        selected = await client.post("/", content=f"INSERT INTO {name} SELECT -4, 'z'")
        assert selected.status_code == 200, selected.text
        for bad, codes in ((b'{"a":bad}', ("27",)), (b'{"a":"x"}', ("72", "27")), (b'{"a":1}{', ("33",))):
            refused = await client.post("/", params={"query": insert}, content=b'{"a":77}\n' + bad)
            assert refused.headers["x-clickhouse-exception-code"] in codes, refused.text
        missing = await client.post("/", params={"query": "INSERT INTO nope FORMAT JSONEachRow"}, content=b"{}")
        assert missing.headers["x-clickhouse-exception-code"] == "60"
    assert await server.fetch(f"SELECT count(), countIf(a < 0), countIf(a = 77), countIf(`é` = 'é') FROM {name}") == [
        (50004, 4, 1, 1)
    ]


async def test_an_insert_cut_short_stores_nothing(server: Server) -> None:
    name = table()
    await server.ask(f"CREATE TABLE {name} (a Int64) ENGINE = MergeTree ORDER BY a")
    _, writer = await asyncio.open_connection(server.process.host, server.process.http_port)
    credentials = "user=default&password=secret"
    writer.write(
        f"POST /?query=INSERT+INTO+{name}+FORMAT+JSONEachRow&{credentials} HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: 1000\r\n\r\n".encode()
        + b'{"a":1}\n' * 20
    )
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.close()
    await asyncio.sleep(0.3)
    assert (await server.ask(f"SELECT count() FROM {name}")).strip() == "0"


async def test_sessions_over_tcp_keep_what_was_set(server: Server) -> None:
    async with server.native() as cursor:
        await cursor.execute("SET max_threads = 3")
        await cursor.execute("CREATE TEMPORARY TABLE mine (a Int8)")
        cursor.set_settings({"max_threads": 5})
        await cursor.execute("SELECT getSetting('max_threads')")
        assert await cursor.fetchall() == [(5,)]
        cursor.set_settings({})
        with pytest.raises(ServerException):
            await cursor.execute("SELECT nope")
        await cursor.execute("SELECT getSetting('max_threads'), (SELECT count() FROM mine)")
        assert await cursor.fetchall() == [(3, 0)]


async def test_progress_over_tcp_adds_up(server: Server) -> None:
    async with server.native() as cursor:
        await cursor.execute("SELECT sum(cityHash64(number)) FROM numbers(200000000)")
        query = cursor._connection.last_query
        assert query.progress.rows == 200000000


async def test_fsync_is_the_tables_default_and_log_tables_are_absent(server: Server) -> None:
    settings = await server.ask(
        "SELECT name, value FROM system.merge_tree_settings WHERE name LIKE 'fsync_%' AND value = '1' ORDER BY name"
    )
    assert settings.split() == ["fsync_after_insert", "1", "fsync_part_directory", "1"]
    assert (
        await server.ask(
            "SELECT name FROM system.tables WHERE database = 'system' AND name IN ('query_log', 'trace_log')"
        )
        == ""
    )


async def test_rows_survive_sigkill_and_a_directory_has_one_owner(tmp_path: Path) -> None:
    process = ClickHouseProcess(tmp_path / "data", "secret")
    await process.start()
    server = Server(process)
    await server.ask("CREATE DATABASE hedgerow")
    await server.ask("CREATE TABLE hedgerow.t (a Int64) ENGINE = MergeTree ORDER BY a")
    await server.ask("CREATE TABLE d (a Int64) ENGINE = MergeTree ORDER BY a")
    await server.ask('{"a":1}\n{"a":2}', query="INSERT INTO hedgerow.t FORMAT JSONEachRow")
    await server.ask("INSERT INTO d VALUES (5)")
    second = ClickHouseProcess(tmp_path / "data", "secret")
    with pytest.raises(RuntimeError, match="ended with code"):
        await second.start()
    await process.kill()
    await process.start()
    assert await server.ask("SELECT sum(a) FROM hedgerow.t") == "3\n"
    assert await server.ask("SELECT sum(a) FROM d") == "5\n"
    assert await process.stop() == 0


async def test_sigterm_lets_a_query_finish(tmp_path: Path) -> None:
    process = ClickHouseProcess(tmp_path / "data", "secret")
    await process.start()
    server = Server(process)
    # Long enough to be seen to run by those who look rarely.
    short = "SELECT sum(sleepEachRow(0.1)) FROM numbers(30) SETTINGS max_block_size = 1"
    task = asyncio.ensure_future(server.ask(short, query_id="short"))
    await until(lambda: running(server, "short"))
    assert await process.stop() == 0
    assert await task == "0\n"


async def test_the_reader_cannot_write(server: Server) -> None:
    async with server.http(auth=("reader", "look")) as client:
        assert (await client.post("/", content="SELECT 1", params={"max_threads": "1"})).text == "1\n"
        for sql, settings in (
            ("CREATE DATABASE x", {}),
            ("CREATE DATABASE x", {"readonly": "0"}),
            ("SET readonly = 0", {}),
        ):
            refused = await client.post("/", content=sql, params=settings)
            assert refused.headers.get("x-clickhouse-exception-code") == "164", refused.text
