"""What is refused, with which error, and where in the text it says so."""

import pytest

from libs.hogql.compile import Project, compile_query
from libs.hogql.errors import (
    HogQLError,
    HogQLSyntaxError,
    NotSupported,
    QueryError,
    ResolutionError,
    TooComplex,
)

SYNTAX = [
    ("select ", 7), ("select a from", 13), ("select a,, b from events", 9), ("select (a from events", 10),
    ("select a) from events", 8), ("select 'abc", 7), ("select event from events where", 30), ("select a}", 8),
    ("select a & b", 9), ("select é", 7), ("select '\\q'", 8), ("select 1; select 2", 10),
    ("insert into events values (1)", 0), ("drop table events", 0), ("select 1 into outfile 'x'", 14),
    ("select 1 format JSON", 16), ("select event as team_id from events", 16), ("select event as true from events", 16),
    ("select interval 7 days", 18), ("select 0o17", 7), ("select event is true from events", 16),
    ("select extract(year from timestamp) from events", 20), ("select * from events where event global in ('a')", 33),
    ("select a from events array join properties", 32), ("select <b>x</i>", 11), ("with a as 1 select a", 10),
    ("select 1 /* open", 9), ("select null.a", 11), ("select `a", 7), ("", 0),
    ("select event . 0x1f from events", 15), ("select event?. 0b1 from events", 15), ("select 0x1p99999", 7),
    ("select #1 . 0x1f from events", 12), ("select -0x1.8p+4096 from events", 7), ("select 1e400", 7),
    ("select 1 from a outer join b on true", 16), ("select 1 from a full semi join b on true", 16),
    ("with a as (select 1), (select 2), select 3", 32), ("with a as (select 1), (2)", 25),
]  # fmt: skip

REFUSED = [
    (NotSupported, "select 1 settings max_threads = 4", 9, "SETTINGS"),
    (NotSupported, "select substring(event from 1 for 2) from events", 7, "SUBSTRING with FROM"),
    (NotSupported, "select top 3 event from events", 7, "TOP"),
    (NotSupported, "select interval '7 eons'", 16, "Unsupported interval unit"),
    (QueryError, "select nope from events", 7, "Unable to resolve field: nope"),
    (QueryError, "select event from nope", 18, "Unknown table `nope`"),
    (QueryError, "select * from url('http://x')", 14, "Unknown table `url`"),
    (QueryError, "select * from system.tables", 14, "Unknown table"),
    (QueryError, "select * from default.events", 14, "Unknown table"),
    (QueryError, "select * from person", 14, "Unknown table `person`"),
    (QueryError, "select * from groups_0", 14, "Unknown table `groups_0`"),
    (QueryError, "select * from events(1)", 14, "Table 'events' does not accept arguments"),
    (QueryError, "select * from numbers", 14, "Table function 'numbers' requires arguments"),
    (QueryError, "select * from numbers(1, 2, 3)", 14, "requires at most 2 arguments"),
    (QueryError, "select dictGet('d', 'a', 1)", 7, "Unsupported function call 'dictGet(...)'"),
    (QueryError, "select cout() from events", 7, "Perhaps you meant 'count(...)'?"),
    (QueryError, "select toDate()", 7, "Function 'toDate' expects 1 argument, found 0"),
    (QueryError, "select if(1, 2)", 7, "Function 'if' expects 3 arguments, found 2"),
    (QueryError, "select quantile(timestamp) from events", 7, "requires parameters in addition to arguments"),
    (QueryError, "select sum(avg(1)) from events", 11, "cannot be nested inside another aggregation"),
    (QueryError, "select arrayReduce('system', [1])", 7, "Invalid parametric function in 'arrayReduce', 'system'"),
    (NotSupported, "select event from events final", 18, "FINAL keyword is not supported"),
    (QueryError, "select *", 7, "Cannot use '*' when there are no tables in the query"),
    (QueryError, "select * from events e join events f on e.uuid = f.uuid", 7, "Cannot use '*' without table name"),
    (ResolutionError, "select uuid from events e join events f on e.uuid = f.uuid", 7, "Ambiguous query"),
    (QueryError, "select 1 as a, 2 as a", 15, "Cannot redefine an alias with the name: a"),
    (QueryError, "select 1 from events join events on true", 26, 'Already have joined a table called "events"'),
    (QueryError, "select person from events", 7, "Can't select a table when a column is expected"),
    (QueryError, "with a as (select 1) select a", 28, "Cannot use table CTE a as a value"),
    (QueryError, "select [1, 2][0]", 7, "SQL indexes start from one"),
    (QueryError, "select properties.list.0 from events", 7, "SQL indexes start from one"),
    (NotSupported, "select try_cast('1' as int)", 7, "TRY_CAST is not allowed"),
    (QueryError, "select '1'::uint8", 7, "Unsupported type cast to 'uint8'"),
    (NotSupported, "select event from events qualify row_number() over (order by timestamp) = 1", 33, "QUALIFY"),
    (NotSupported, "select * from events pivot (count() for event in ('a'))", 21, "PIVOT is not allowed"),
    (NotSupported, "select #1 from events", 7, "Positional references are not allowed"),
    (QueryError, "select person_id in cohort 5 from events", 27, "Could not find cohort with ID 5"),
    (QueryError, "select person_id in cohort 'x' from events", 27, "Could not find a cohort with the name 'x'"),
    (QueryError, "select person_id in cohort 1.5 from events", 27, "cohort() takes exactly one string or integer"),
    (QueryError, "select {filters.nope} from events", 7, "Unsupported filters placeholder `{filters.nope}`"),
    (QueryError, "select group_0 from events", 7, "Can't select a table when a column is expected: group_0"),
    (QueryError, "select person_id in cohort event from events", 27, "only works with constant arguments"),
    (QueryError, "select event as `a%b` from events", 0, 'not permitted as it contains the "%" character'),
    (NotSupported, "select matchesAction('x')", 7, "matchesAction can only be used with the events table"),
    (NotSupported, "select percentile_cont(0.5) within group (order by timestamp) from events", 7, "WITHIN GROUP"),
    (QueryError, "select a from (select 1 as a) as t join (select 1 as a) as t on true", 40,
     "Can't join another one with the same name"),
    (QueryError, "select e.event from events e where exists(select 1 from events f where f.uuid = e.uuid)", 35,
     "Unsupported function call 'exists(...)'"),
    (NotSupported, "select 1 from events natural join events f", 21, "NATURAL JOIN is not supported"),
    (NotSupported, "select 1 from events positional join events f", 21, "POSITIONAL JOIN is not supported"),
    (NotSupported, "select 1 from events unpivot (v for k in (a, b))", 21, "UNPIVOT is not allowed"),
    (NotSupported, "with recursive a as (select 1) select 1 from a", 15, "WITH RECURSIVE"),
    (NotSupported, "select event from events order by event collate 'en'", 34, "COLLATE"),
    (NotSupported, "select arrayMap(x -> (x as y) + y, [1])", 22, "A name cannot be given inside a lambda"),
    (NotSupported, "select event from events sample 3", 25, "A sample is a share"),
    (QueryError, "select upper(event) ignore nulls from events", 7, "IGNORE NULLS is for aggregations"),
    (QueryError, "select 1 + (2 as a), 3 as a", 21, "Cannot redefine an alias with the name: a"),
    (QueryError, "select {nope + 1}", 8, "Unresolved placeholder"),
    (QueryError, "select {nope}", 7, "Unresolved placeholder"),
    (QueryError, "select {variables.nope}", 7, "Variable nope is missing from query"),
    (NotSupported, "select properties.name.first(1) from events", 7, "only call simple functions"),
    (NotSupported, "select arrayMap(x -> {return x}, [1])", 21, "You can not use blocks in HogQL"),
    (QueryError, "select * from (select 1, 2) as t(a)", 14, "column name(s) were provided"),
    (QueryError, "select events.nope.x from events", 7, "Unable to resolve field: nope"),
    (QueryError, "select * exclude (nope) from events", 7, "EXCLUDE list was not found"),
    (QueryError, "select event from events limit 150%", 31, "Limit percent must be between 0 and 100"),
    (QueryError, "select row_number() over `w'` from events window `w'` as (order by event)", 58, "A window's name"),
    (QueryError, "select event from events limit -1", 31, "A limit must be a number"),
    (QueryError, "select event from events where e.event = 'a'", 31, "Unable to resolve field: e"),
    (QueryError, "select 1 union all select 1, 2", 19, "1 and 2 columns"),
    (QueryError, "select event from events group by 2", 34, "There is no column 2"),
    (QueryError, "select e.event from events e where e.uuid in (select f.uuid from events f where f.uuid = e.uuid)", 89,
     "Unable to resolve field: e"),
    (TooComplex, "select " + "(" * 1001 + "1" + ")" * 1001, None, "too deeply nested"),
    (TooComplex, "select " + "pdi.person." * 60 + "id from events", 7, "joins too many tables"),
    (TooComplex, "select event." + "1" * 5_000 + " from events", 13, "too many digits"),
    (TooComplex, "select (1, 2) ." + "1" * 5_000, None, "too many digits"),
    (TooComplex, "select #" + "1" * 5_000 + " from events", 7, "too many digits"),
    (TooComplex, "select " + "1" * 5_000, 7, "too many digits"),
    (TooComplex, "select " + "not " * 100_000 + "1", None, ""),
    (TooComplex, "select " + "f(" * 2_000, None, "too deeply nested"),
    (TooComplex, "select " + "f'{" * 2_000 + "1" + "}'" * 2_000, None, "too deeply nested"),
    (TooComplex, "select " + "<a>" * 2_000, None, "too deeply nested"),
    (TooComplex, "select " + "[" * 2_000, None, "too deeply nested"),
    (TooComplex, "select " + "1+" * 20_000 + "1", None, "operators in one chain"),
    (TooComplex, "select '" + "x" * 300_000 + "'", None, "longer than"),
    (TooComplex, "select " + "1," * 60_000 + "1", None, "words and signs"),
]  # fmt: skip


def must_fail(text: str, kind: type[HogQLError], start: int | None) -> HogQLError:
    with pytest.raises(kind) as caught:
        compile_query(text, Project(1))
    error = caught.value
    if start is not None:
        assert error.start == start
    assert error.start is not None
    assert error.end is not None
    assert 0 <= error.start <= error.end <= len(text)
    assert error.line == text.count("\n", 0, error.start) + 1
    return error


@pytest.mark.parametrize(("text", "start"), SYNTAX)
def test_syntax(text: str, start: int) -> None:
    must_fail(text, HogQLSyntaxError, start)


@pytest.mark.parametrize(("kind", "text", "start", "words"), REFUSED, ids=[case[1][:50] for case in REFUSED])
def test_refused(kind: type[HogQLError], text: str, start: int | None, words: str) -> None:
    assert words in must_fail(text, kind, start).message


def test_stray_characters_are_named() -> None:
    assert must_fail("select a & b", HogQLSyntaxError, 9).message == "Unexpected character '&' (U+0026)"
    assert must_fail("select\u200b1", HogQLSyntaxError, 6).message == "Unexpected character U+200B"
    assert must_fail("select from & b", HogQLSyntaxError, 12).message == "Unexpected character '&' (U+0026)"


def test_lines_and_columns_count_from_one() -> None:
    error = must_fail("select\n  1,\n  nope\nfrom events", QueryError, 14)
    assert (error.line, error.column) == (3, 3)


def test_a_typing_mistake_is_guessed() -> None:
    assert must_fail("select evnt from events", QueryError, 7).hint == "Did you mean event or events?"
