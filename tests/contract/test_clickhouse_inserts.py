"""The embedded ClickHouse server says an insert is stored only when all of it is, over both protocols."""

import asyncio
import json
import os
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from asynch.errors import ServerException

from hedgerow.embedded.clickhouse.process import ClickHouseProcess
from tests.support.clickhouse_server import Server, running, table, until
from tests.support.scale import scaled

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]

MIB = 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    limits = ("--max-insert-mb", "8", "--max-memory-mb", "400")
    process = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"), "secret", *limits)
    await process.start()
    yield Server(process)
    assert await process.stop() == 0


async def post(server: Server, into: str, rows: bytes, output: str = "JSONEachRow", **settings: str) -> httpx.Response:
    async with server.http() as client:
        return await client.post("/", params={"query": f"INSERT INTO {into} FORMAT {output}", **settings}, content=rows)


def code(answer: httpx.Response) -> int:
    return 0 if answer.status_code == 200 else int(answer.headers["x-clickhouse-exception-code"])


async def native_code(server: Server, into: str, rows: list[tuple[Any, ...]], **settings: Any) -> int:
    async with server.native() as cursor:
        cursor.set_settings(settings)
        try:
            await cursor.execute(f"INSERT INTO {into} VALUES", rows)
        except ServerException as error:
            await cursor.execute("SELECT 1")  # the connection is as good as before
            assert await cursor.fetchall() == [(1,)]
            return int(error.code)
        return 0


async def count(server: Server, name: str) -> int:
    return int(await server.ask(f"SELECT count() FROM {name}"))


async def holding(server: Server, size: int) -> bool:
    """Whether the rows of inserts, which the server keeps in nameless files, are so many bytes."""
    folder = f"/proc/{server.process.pid}/fd"
    files = [entry.path for entry in os.scandir(folder) if "memfd:insert" in os.readlink(entry.path)]
    return sum(os.stat(path).st_size for path in files) >= size


async def made(server: Server, columns: str = "a Int64", rest: str = "ORDER BY a") -> str:
    name = table()
    await server.ask(f"CREATE TABLE {name} ({columns}) ENGINE = MergeTree {rest}")
    return name


def lines(*numbers: int) -> bytes:
    return b"".join(b'{"a":%d}\n' % number for number in numbers)


@pytest.mark.parametrize(
    ("columns", "rest", "expected"),
    [
        ("a Int64", "ORDER BY a PARTITION BY a", 252),
        ("a Int64, CONSTRAINT small CHECK a < 100", "ORDER BY a", 469),
        ("a Int64, b Int64 MATERIALIZED throwIf(a = 100)", "ORDER BY a", 395),
        ("a Int64, b Int8 DEFAULT toInt8(if(a = 100, 'x', '1'))", "ORDER BY a", 6),
    ],
)
async def test_what_the_table_refuses_is_an_error_and_not_stored(
    server: Server, columns: str, rest: str, expected: int
) -> None:
    name = await made(server, columns, rest)
    assert code(await post(server, name, lines(*range(101)))) == expected
    assert await native_code(server, f"{name} (a)", [(number,) for number in range(101)]) == expected
    assert await count(server, name) == 0
    assert code(await post(server, name, lines(*range(100)))) == 0
    assert await count(server, name) == 100


@pytest.mark.parametrize("more", ["TTL t + INTERVAL 90 DAY", "SETTINGS assign_part_uuids = 1"])
async def test_parts_with_files_of_their_own_are_whole(server: Server, more: str) -> None:
    """ttl.txt and uuid.txt are part of what a part's checksums cover."""
    name = await made(server, "a Int64, t DateTime DEFAULT now()", f"ORDER BY a {more}")
    assert code(await post(server, name, lines(1, 2))) == 0
    assert await native_code(server, f"{name} (a)", [(3,)]) == 0
    assert await count(server, name) == 3


async def test_a_view_that_throws_is_an_error(server: Server) -> None:
    name, behind = await made(server), await made(server)
    await server.ask(f"CREATE MATERIALIZED VIEW {table()} TO {behind} AS SELECT a + throwIf(a = 7) AS a FROM {name}")
    assert code(await post(server, name, lines(7))) == 395
    assert await native_code(server, name, [(7,)]) == 395
    assert await count(server, behind) == 0
    answer = await post(server, name, lines(1, 2, 3), wait_end_of_query="1")
    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "6"  # those behind the view count too
    assert await count(server, behind) == 3


NASTY = ["\n\n", ";", "x\n\n\n;DROP TABLE {name};\n", "'); DROP TABLE {name}; --", "\n;\n\nSELECT 1\n", "a\\\n\n'\"`\0"]


@pytest.mark.parametrize(
    "output", ["JSONEachRow", "CSV", "TSV", "RowBinary", "Native", "Values", "Parquet", "JSONCompactEachRow", "MsgPack"]
)
async def test_rows_are_rows_whatever_they_contain(server: Server, output: str) -> None:
    """Inlined in a statement's text, rows would end at a blank line and what follows would be run."""
    name, copy = await made(server, "a Int64, s String"), await made(server, "a Int64, s String")
    sent = [[number, value.replace("{name}", copy)] for number, value in enumerate(NASTY)]
    rows = "".join(json.dumps(row) + "\n" for row in sent).encode()
    assert code(await post(server, name, rows, "JSONCompactEachRow")) == 0
    async with server.http() as client:
        written = (await client.post("/", content=f"SELECT * FROM {name} ORDER BY a FORMAT {output}")).content
    answers = [await post(server, copy, written, output)]
    async with server.http() as client:  # and with the rows behind the statement, in one body
        answers.append(await client.post("/", content=f"INSERT INTO {copy} FORMAT {output}\n".encode() + written))
    for answer in answers:
        assert code(answer) == 0, answer.text
        assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == str(len(sent))
    back = await server.ask(f"SELECT * FROM {copy} ORDER BY a LIMIT 1 BY a FORMAT JSONCompactEachRow")
    assert [json.loads(line) for line in back.splitlines()] == sent
    assert await count(server, copy) == 2 * len(sent)


async def test_rows_within_a_statement_over_tcp(server: Server) -> None:
    name = await made(server, "a Int64, s String")
    async with server.native() as cursor:
        await cursor.execute(f'INSERT INTO {name} FORMAT CSV\n1,"x\n\n;"\n2,;')
        await cursor.execute(f"INSERT INTO {name} VALUES (3, 'y;\n\n'), (4, ')')")
        await cursor.execute(f"SELECT * FROM {name} ORDER BY a")
        assert await cursor.fetchall() == [(1, "x\n\n;"), (2, ";"), (3, "y;\n\n"), (4, ")")]


async def test_a_statement_is_one_and_names_no_files(server: Server, tmp_path: Path) -> None:
    name = await made(server, "a Int64, s String")
    (tmp_path / "secret").write_text("hidden")
    stolen = f"file('{tmp_path}/secret')"
    async with server.http() as client:
        for sql, expected in (
            (f"SELECT 1; DROP TABLE {name}", 62),
            (f"INSERT INTO {name} SELECT 1, 'x'; DROP TABLE {name}", 62),
            (f"INSERT INTO {name}; DROP TABLE {name}; INSERT INTO {name} FORMAT CSV\n1,2", 62),
            (f"INSERT INTO {name} SELECT * FROM input('a Int64, s String')", 48),
            (f"INSERT INTO {name} SELECT i.* FROM input('a Int64, s String') i, {stolen} FORMAT CSV\n1,x", 497),
            (f"SELECT {stolen}", 497),
            (f"INSERT INTO {name} VALUES (1, {stolen})", 497),
            (f"INSERT INTO {name} FROM INFILE '{tmp_path}/secret' FORMAT CSV", 497),
        ):
            assert code(await client.post("/", content=sql)) == expected, sql
        assert code(await client.post("/", content=f"INSERT INTO {name} VALUES (1, 'a file: see (x)')")) == 0
    assert await count(server, name) == 1


async def test_rows_that_a_select_reads(server: Server) -> None:
    name, other = await made(server, "a Int64, s String"), await made(server)
    read = f"{name} (s, a) SELECT upper(x), y FROM input('y Int64, x String') WHERE"
    asked = f"(SELECT throwIf(count() != {{n:UInt8}}, 'not so many') FROM {other}) = 0"
    rows = b'{"x":"a\\n\\n;","y":1}\n\n{"y":2,"x":"input(\'"}\n'
    assert code(await post(server, f"{read} {asked}", rows, param_n="0")) == 0
    refused = await post(server, f"{read} {asked}", rows, param_n="1")
    assert (code(refused), "not so many" in refused.text) == (395, True)
    assert code(await post(server, f"{read} y > 1 SETTINGS max_threads = 1", b"3,c\n1,d", output="CSV")) == 0
    bad = await post(server, f"{read} 1", b'{"x":"a","y":1}\n{"x":"a","y":"z"}\n')
    assert (code(bad), "proc/self" in bad.text) == (27, False)
    assert await server.ask(f"SELECT groupArray((a, s)) FROM (SELECT * FROM {name} ORDER BY a)") == (
        "[(1,'A\\n\\n;'),(2,'INPUT(\\''),(3,'C')]\n"
    )
    async with server.native() as cursor:
        for rest in ("", "1,x"):
            with pytest.raises(ServerException) as raised:
                await cursor.execute(f"INSERT INTO {name} SELECT * FROM input('a Int64, s String') FORMAT CSV {rest}")
            assert raised.value.code == 48


async def test_a_head_that_comes_in_pieces(server: Server) -> None:
    name = await made(server, "s String", "ORDER BY s")
    whole = f"INSERT INTO {name} FORMAT TSVWithNames\ns\nx\n".encode()

    async def slowly() -> AsyncIterator[bytes]:
        for place in range(len(whole)):
            yield whole[place : place + 1]

    async with server.http() as client:
        answer = await client.post("/", content=slowly())
    assert code(answer) == 0, answer.text
    assert await server.ask(f"SELECT s FROM {name}") == "x\n"


async def test_a_late_bad_row_leaves_nothing(server: Server) -> None:
    """Behind more rows than one block has, given the settings of our writer."""
    name = await made(server)
    together = {"min_insert_block_size_rows": "1000000", "min_insert_block_size_bytes": str(2**30)}
    answer = await post(server, name, lines(*range(300_000)) + b'{"a":"x"}', **together)
    assert code(answer) == 27
    assert "/proc" not in answer.text
    assert await count(server, name) == 0


async def test_settings_of_an_insert_are_honoured(server: Server) -> None:
    name = await made(server, rest="ORDER BY a SETTINGS non_replicated_deduplication_window = 100")
    for _ in range(2):
        token = {"insert_deduplicate": "1", "insert_deduplication_token": "one"}
        assert code(await post(server, name, lines(1), **token)) == 0
        assert await native_code(server, name, [(1,)], insert_deduplicate=1, insert_deduplication_token="two") == 0
    assert await count(server, name) == 2
    assert code(await post(server, name, b'{"a":1,"b":2}', input_format_skip_unknown_fields="0")) == 117
    assert code(await post(server, name, b'{"a":1,"b":2}', input_format_skip_unknown_fields="1")) == 0
    assert code(await post(server, f"{name} SETTINGS input_format_skip_unknown_fields = 0", b'{"b":2}')) == 117
    assert code(await post(server, name, lines(1), no_such_setting="1")) == 115
    assert code(await post(server, name, lines(1), readonly="1")) == 164
    wide = await made(server, "a Int64, s String DEFAULT repeat('x', 1000)")
    assert code(await post(server, wide, lines(*range(60_000)), max_memory_usage="20000000")) == 241
    assert await count(server, wide) == 0
    assert code(await post(server, name, lines(5), max_execution_time="10", async_insert="1")) == 0
    assert await count(server, name) == 4
    assert code(await post(server, name, b"")) == 0


async def test_more_than_the_limit_is_refused_and_the_room_given_back(server: Server) -> None:
    name = await made(server, "s String", "ORDER BY s")
    line = json.dumps({"s": "x" * 1000}).encode() + b"\n"
    for _ in range(2):
        too_large = await post(server, name, line * 9000)
        assert (too_large.status_code, code(too_large)) == (413, 307)
        assert await native_code(server, name, [("x" * 1000,)] * 9000) == 307
    rest = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield line * 6000
        await rest.wait()
        yield line

    async with server.http() as client:
        insert = {"query": f"INSERT INTO {name} FORMAT JSONEachRow"}
        first = asyncio.ensure_future(client.post("/", params=insert, content=slowly()))

        await until(lambda: holding(server, len(line) * 6000))
        assert code(await post(server, name, line * 4000)) == 202
        rest.set()
        assert code(await first) == 0
    stored = await count(server, name)
    assert code(await post(server, name, line * 7000)) == 0
    assert await count(server, name) == stored + 7000


async def test_killing_an_insert_is_an_error_for_its_client(server: Server) -> None:
    name, behind = await made(server), await made(server)
    await server.ask(
        f"CREATE MATERIALIZED VIEW {table()} TO {behind} AS SELECT a + sleepEachRow(0.1) AS a FROM {name}"
        " SETTINGS max_block_size = 1"
    )
    slow = {"max_insert_block_size": "20", "max_block_size": "20", "min_insert_block_size_rows": "1"}

    async def over_http() -> int:
        return code(await post(server, name, lines(*range(400)), query_id="web-insert", **slow))

    async def over_tcp() -> int:
        async with server.native(settings={"insert_block_size": 20}) as cursor:
            cursor.set_query_id("tcp-insert")
            cursor.set_settings({"min_insert_block_size_rows": 1})
            with pytest.raises(ServerException) as raised:
                await cursor.execute(f"INSERT INTO {name} VALUES", [(number,) for number in range(400)])
            cursor.set_query_id("")
            await cursor.execute("SELECT 'as before'")
            assert await cursor.fetchall() == [("as before",)]
            return int(raised.value.code)

    async def through_a_select() -> int:
        into = f"{name} SELECT * FROM input('a Int64') WHERE 1"
        return code(await post(server, into, lines(*range(400)), query_id="select-insert", **slow))

    for query_id, work in (
        ("web-insert", over_http()),
        ("tcp-insert", over_tcp()),
        ("select-insert", through_a_select()),
    ):
        task = asyncio.ensure_future(work)
        await until(lambda query_id=query_id: running(server, query_id))
        await server.ask(f"KILL QUERY WHERE query_id = '{query_id}' SYNC")
        assert await asyncio.wait_for(task, 60) == 394
        assert not await running(server, query_id)
    assert await count(server, behind) < 400


async def test_the_memory_limit_of_all_holds_and_the_server_lives(server: Server) -> None:
    pid = server.process.pid
    name = await made(server, "a Int64, s String MATERIALIZED repeat('x', 1000000)")
    async with server.http() as client:
        greedy = await client.post("/", content="SELECT length(groupArray(toString(number))) FROM numbers(100000000)")
    for answer in (greedy, await post(server, name, lines(*range(1000)))):
        assert code(answer) == 241, answer.text
        assert "(total)" in answer.text
    assert await count(server, name) == 0
    assert await server.ask("SELECT 1") == "1\n"
    assert server.process.pid == pid


async def test_parts_that_are_attached_are_whole(server: Server) -> None:
    """They have a file more than those of an insert, and were taken for truncated ones and dropped."""
    first = await made(server, "a Int64, s String")
    second = await made(server, "a Int64, s String")
    assert code(await post(server, first, lines(*range(500)))) == 0
    await server.ask(f"ALTER TABLE {second} ATTACH PARTITION tuple() FROM {first}")
    await server.ask(f"ALTER TABLE {first} DETACH PARTITION tuple()")
    await server.ask(f"ALTER TABLE {first} ATTACH PARTITION tuple()")
    assert (await count(server, first), await count(server, second)) == (500, 500)
    await server.ask(f"ALTER TABLE {second} REPLACE PARTITION tuple() FROM {first}")
    await server.ask(f"ALTER TABLE {first} MOVE PARTITION tuple() TO TABLE {second}")
    assert (await count(server, first), await count(server, second)) == (0, 1000)


async def test_what_was_answered_survives_a_kill_and_a_full_disk_is_an_error(tmp_path: Path) -> None:
    process = ClickHouseProcess(tmp_path / "data", "secret")
    await process.start()
    server, total = Server(process), 0
    name = await made(server, "a Int64, s String DEFAULT randomString(1000)")
    for _ in range(scaled(20, least=1)):
        assert code(await post(server, name, lines(*range(500)))) == 0
        await process.kill()
        await process.start()
        assert await native_code(server, f"{name} (a)", [(number,) for number in range(500)]) == 0
        await process.kill()
        await process.start()
        total += 1000
        assert await count(server, name) == total
    # the kernel refuses to write more into a file, as on a full disk
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    assert code(await post(server, name, lines(*range(500)))) == 75
    assert await native_code(server, f"{name} (a)", [(number,) for number in range(500)]) == 75
    assert code(await post(server, name, b"\n" * 300_000)) == 243  # not even held
    async with server.http() as client:
        selected = await client.post("/", content=f"INSERT INTO {name} (a) SELECT number FROM numbers(500)")
    assert code(selected) == 75
    assert code(await post(server, name, lines(2))) == 0  # and what fits is stored
    total += 1
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert await count(server, name) == total
    assert code(await post(server, name, lines(1))) == 0
    await process.kill()
    await process.start()
    assert await count(server, name) == total + 1
    assert await process.stop() == 0
