"""What the server reads in a statement before the engine does."""

import pytest

from hedgerow.embedded.clickhouse.errors import ServerException
from hedgerow.embedded.clickhouse.formats import explicit_format, without_format
from hedgerow.embedded.clickhouse.inserts import InsertBudget, InsertData
from hedgerow.embedded.clickhouse.statements import (
    data_start,
    find_insert,
    first_word,
    infile_place,
    insert_target,
    refuse_input,
    refuse_unsafe,
    with_client_query_ids,
)


@pytest.mark.parametrize(
    ("sql", "head", "input_format", "data"),
    [
        ("INSERT INTO t VALUES (1)", "INSERT INTO t ", "Values", " (1)"),
        ("insert into t(a, `values`) values", "insert into t(a, `values`) ", "Values", ""),
        ('INSERT INTO t FORMAT JSONEachRow {"a":1}', "INSERT INTO t ", "JSONEachRow", '{"a":1}'),
        ("INSERT INTO t FORMAT TSV\n\tx", "INSERT INTO t ", "TSV", "\tx"),
        ("INSERT INTO t FORMAT CSV  \n\n1", "INSERT INTO t ", "CSV", "\n1"),
        (
            "/* c */ INSERT INTO t SETTINGS a = 'FORMAT x' FORMAT CSV",
            "/* c */ INSERT INTO t SETTINGS a = 'FORMAT x' ",
            "CSV",
            "",
        ),
        (
            "INSERT INTO FUNCTION remote('a', format('x')) FORMAT CSV\n",
            "INSERT INTO FUNCTION remote('a', format('x')) ",
            "CSV",
            "",
        ),
        (
            "INSERT INTO t (a) SELECT format('{}', values) FROM input('values Int8') WHERE 1 FORMAT CSV\n1",
            "INSERT INTO t (a) SELECT format('{}', values) FROM input('values Int8') WHERE 1 ",
            "CSV",
            "1",
        ),
    ],
)
def test_where_an_inserts_data_begins(sql: str, head: str, input_format: str, data: str) -> None:
    insert = find_insert(sql)
    assert insert is not None
    assert (insert.head, insert.input_format, sql[data_start(sql, insert) :]) == (head, input_format, data)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "INSERT INTO t SELECT 1 FORMAT CSV",
        "INSERT INTO t (a) WITH x AS (SELECT 1) SELECT * FROM x",
        "INSERT INTO t SELECT * FROM input('a Int8')",
        "INSERT INTO t SELECT input FROM u FORMAT CSV",
        "",
        "INSERT INTO t",
    ],
)
def test_statements_without_data(sql: str) -> None:
    assert find_insert(sql) is None


@pytest.mark.parametrize(
    ("head", "target", "columns"),
    [
        ("INSERT INTO t ", "t", ""),
        ("INSERT INTO TABLE `a b`.t (x, `y z`)", "`a b`.t", "x, `y z`"),
        ("insert t (* EXCEPT(b))", "t", "* EXCEPT(b)"),
        ("INSERT INTO FUNCTION remote('h', d.t) (a) ", "remote('h', d.t)", "a"),
        ("INSERT INTO t SETTINGS async_insert = 0", "t", ""),
    ],
)
def test_what_an_insert_names(head: str, target: str, columns: str) -> None:
    assert insert_target(head) == (target, columns)


@pytest.mark.parametrize(
    ("sql", "name", "rest"),
    [
        ("SELECT 1 FORMAT JSON", "JSON", "SELECT 1 "),
        ("SELECT 1 format TSVRaw settings max_threads = 1", "TSVRaw", "SELECT 1  settings max_threads = 1"),
        ("SELECT 1 FORMAT Null;", "Null", "SELECT 1 ;"),
        ("SELECT 'FORMAT JSON'", None, "SELECT 'FORMAT JSON'"),
        ("SELECT format('{}', x) -- FORMAT CSV", None, "SELECT format('{}', x) -- FORMAT CSV"),
    ],
)
def test_the_format_a_statement_names(sql: str, name: str | None, rest: str) -> None:
    assert explicit_format(sql) == name
    assert without_format(sql) == rest


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM file('/etc/passwd')",
        "select * from FILE ( 'x' )",
        "SELECT 1, (SELECT * FROM /* x */ `file`('x'))",
        "SELECT * FROM a, file('x')",
        "SELECT * FROM a JOIN executable('x') USING y",
        "CREATE TABLE t (a Int8) ENGINE = File(CSV)",
        "INSERT INTO FUNCTION file('x') SELECT 1",
        "DESCRIBE file('x')",
        "DESCRIBE TABLE file('x')",
        "SELECT 1 INTO OUTFILE 'x'",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        "SELECT * FROM url('file:///etc/passwd')",
        "SELECT * FROM cluster('c', file('x'))",
        "SELECT file('x')",
        "SELECT upper(`file`('x'))",
    ],
)
def test_local_files_are_refused(sql: str) -> None:
    with pytest.raises(ServerException) as raised:
        refuse_unsafe(sql)
    assert raised.value.code in (169, 497)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT file FROM t",
        "SELECT 'from file(1)'",
        "SELECT properties.file, python FROM files",
        "SELECT 1 -- from file(",
    ],
)
def test_names_that_only_look_like_files_pass(sql: str) -> None:
    refuse_unsafe(sql)


def test_query_ids_of_clients_are_what_processes_shows() -> None:
    kill = with_client_query_ids("KILL QUERY WHERE query_id = 'query_id' SYNC")
    assert kill.endswith("Settings['log_comment']) = 'query_id' SYNC")
    assert "log_comment" in with_client_query_ids("SELECT query_id FROM System . processes")
    assert with_client_query_ids("SELECT 'system.processes'") == "SELECT 'system.processes'"
    assert with_client_query_ids("SELECT 1") == "SELECT 1"


def test_first_word() -> None:
    assert first_word("  -- c\n(SELECT 1)") == "select"
    assert first_word("") == ""


@pytest.mark.parametrize(
    "sql", ["SELECT 1; SELECT 2", "SELECT 1;; DROP TABLE t", "INSERT INTO t; DROP TABLE t; INSERT INTO t FORMAT CSV"]
)
def test_two_statements_are_refused(sql: str) -> None:
    assert find_insert(sql) is None
    with pytest.raises(ServerException) as raised:
        refuse_unsafe(sql)
    assert raised.value.code == 62


@pytest.mark.parametrize("sql", ["SELECT 1;", "SELECT ';' AS `;` -- ;\n ;; ", "SELECT $a$;$a$ /* ; */"])
def test_a_semicolon_that_ends_nothing_is_fine(sql: str) -> None:
    refuse_unsafe(sql)


def test_rows_for_input_are_refused_where_none_are_held() -> None:
    with pytest.raises(ServerException) as raised:
        refuse_input("INSERT INTO t SELECT a FROM input('a Int8') FORMAT CSV 1")
    assert raised.value.code == 48
    with pytest.raises(ServerException):
        refuse_input("INSERT INTO t SELECT a FROM INPUT /* x */ ('a Int8') FORMAT CSV 1")
    refuse_input("INSERT INTO t SELECT input FROM inputs WHERE 'input('")
    refuse_input("SELECT 'insert into t select * from input()'")


def test_input_is_read_from_the_rows_that_are_held() -> None:
    with InsertData(InsertBudget(10)) as rows:
        made = rows.statement("INSERT INTO t SELECT a FROM (SELECT * FROM input ('a Int8')) WHERE a != 'input('", "CSV")
        start, _, end = made.partition("file('/proc/self/fd/")
        assert (start, end.partition("', ")[2]) == (
            "INSERT INTO t SELECT a FROM (SELECT * FROM ",
            "'CSV', 'a Int8')) WHERE a != 'input('",
        )
        with pytest.raises(ServerException) as raised:
            rows.statement("INSERT INTO t SELECT * FROM input('a Int8'), input('b Int8')", "CSV")
    assert raised.value.code == 48


@pytest.mark.parametrize(
    ("head", "before"),
    [
        ("INSERT INTO t ", "INSERT INTO t "),
        ("INSERT INTO t (a, settings) SETTINGS x = 1 ", "INSERT INTO t (a, settings) "),
        ("INSERT INTO settings SETTINGS x = 1, y = 'settings z = 1'", "INSERT INTO settings "),
        ("INSERT INTO FUNCTION remote('h', settings = 1)", "INSERT INTO FUNCTION remote('h', settings = 1)"),
    ],
)
def test_where_rows_are_named_in_a_head(head: str, before: str) -> None:
    assert head[: infile_place(head)] == before
