"""The cases of docs/compat/hogql.md, by number: what must hold of each query, and which are refused, how and where."""

from collections.abc import Callable
from typing import Any

import pytest

from libs.hogql.compile import Compiled, Project, compile_query
from libs.hogql.errors import (
    HogQLError,
    HogQLSyntaxError,
    NotSupported,
    QueryError,
    ResolutionError,
    TooComplex,
)
from libs.hogql.parser import parse_expr
from libs.hogql.resolver import Cohort
from tests.support.hogql import TEAM, Engine

PROJECT = Project(
    TEAM,
    values={"variables.who": "it's", "variables.nobody": None},
    group_types=((0, "company"),),
    property_types={"event": {"price": "Numeric", "vip": "Boolean", "due": "DateTime"}},
    cohorts=(Cohort(5, "vip", version=2), Cohort(6, "fixed", is_static=True)),
    actions={"3": parse_expr("event = 'signup'")},
)
Rows = list[list[Any]]
Check = Callable[[Compiled, Rows], bool]


def columns(*names: str) -> Check:
    return lambda compiled, rows: compiled.columns == names


def prints(*parts: str) -> Check:
    return lambda compiled, rows: all(part in compiled.sql for part in parts)


def prints_no(*parts: str) -> Check:
    return lambda compiled, rows: not any(part in compiled.sql for part in parts)


def both(*checks: Check) -> Check:
    return lambda compiled, rows: all(check(compiled, rows) for check in checks)


def counts(number: int) -> Check:
    return lambda compiled, rows: len(rows) == number


def joins(number: int) -> Check:
    return lambda compiled, rows: compiled.sql.count(" JOIN ") == number


VALID: dict[str, tuple[str, Rows | Check]] = {
    "V01": ("select 1", both(columns("1"), counts(1))),
    "V02": ("SELECT event FROM events;", both(prints("equals(events.team_id, {team_id:Int64})"), counts(5))),
    "V03": ("select event, from events", columns("event")),
    "V04": ("select event e, count() c from events group by e", both(columns("e", "c"), counts(3))),
    "V05": ("select total: count() from events", both(columns("total"), counts(1))),
    "V06": ("select count() from events group by event order by count() desc limit 5", [[2], [2], [1]]),
    "V07": ("select properties.$browser from events", columns("$browser")),
    "V08": ("select properties['a b'].c, properties.`a b`.c from events where event = 'signup' and "
            "properties.`a b`.c is not null", [["deep", "deep"]]),
    "V09": ("select properties.tags.1 from events where properties.tags is not null", [["a"]]),
    "V10": ("select person.properties.email from events", both(columns("email"), prints("events.person_properties"))),
    "V11": ("select e.event from events as e where e.timestamp > '2024-01-01'", prints("equals(e.team_id, {team")),
    "V12": ("select * from events",
            lambda c, rows: not {"team_id", "$session_id_uuid", "$virt_is_bot"} & set(c.columns) and len(rows) == 5),
    "V13": ("select e.* from events e join events f on e.uuid = f.uuid",
            both(prints("equals(e.team_id,", "equals(f.team_id,"), lambda c, rows: c.columns.count("uuid") == 1)),
    "V14": ("select event from events where properties.plan is null", both(prints("isNull("), prints_no("ifNull(equ"))),
    "V15": ("select event from events where properties.plan is not null", both(prints("isNotNull("), counts(3))),
    "V16": ("select event from events where not properties.plan = 'pro'", counts(3)),
    "V17": ("select event from events where properties.plan != 'pro'", counts(3)),
    "V18": ("select event from events where properties.price > 3", [["$pageview"], ["purchase"]]),
    "V19": ("select event from events where properties.vip", [["$pageview"]]),
    "V20": ("select event from events where properties.plan in ('free', null)", counts(3)),
    "V21": ("select event from events where event not in ('a', 'b')",
            both(prints("notIn(events.event, tuple("), counts(5))),
    "V22": ("select event from events where (distinct_id, event) in (select distinct_id, event from events)",
            counts(5)),
    "V23": ("select event from events where event like 's%' and event not ilike '%B'",
            both(prints("like(", "notILike("), counts(2))),
    "V24": ("select event from events where event =~ '^s' or event !~* 'P$'",
            both(prints("match(events.event", "not(match(events.event, concat('(?i)', "), counts(5))),
    "V25": ("select 1 <=> null, null is not distinct from null", [[0, 1]]),
    "V26": ("select null = null, null != null, 1 = null", [[1, 0, 0]]),
    "V27": ("select null ?? 5", [[5]]),
    "V28": ("select 1 > 0 ? 'y' : 'n'", [["y"]]),
    "V29": ("select 1 ? 2 ? 3 : 4 : 5", [[3]]),
    "V30": ("select 2 + 3 * 4 - 1", [[13]]),
    "V31": ("select -2 * 3, -(1 + 1)", [[-6, -2]]),
    "V32": ("select 7 % 4, 7 / 2", [[3, 3.5]]),
    "V33": ("select 'a' || 'b' || 1", [["ab1"]]),
    "V34": ("select f'x{1 + 1}y'", [["x2y"]]),
    "V35": ("select 'it''s', 'it\\'s', 'a\\tb'", [["it's", "it's", "a\tb"]]),
    "V36": ("select 017, 0x1f, 0b101, 1e3, .5", [[17, 31, 5, 1000, 0.5]]),
    "V37": ("select true and not false", [[True]]),
    "V38": ("select 3 between 1 and 5 and true", [[True]]),
    "V39": ("select case when 1 = 2 then 'a' when 2 = 2 then 'b' else 'c' end", [["b"]]),
    "V40": ("select case 2 when 1 then 'a' when 2 then 'b' end", [["b"]]),
    "V41": ("select '5'::int + 1, 5::string", [[6, "5"]]),
    "V42": ("select cast('2024-01-01' as date)", [["2024-01-01"]]),
    "V43": ("select [1, 2, 3][1], (4, 5).2, tuple(1, 2).1", [[1, 5, 1]]),
    "V44": ("select arrayMap(x -> x * 2, [1, 2]), arrayFilter((x, y) -> y, [1, 2], [0, 1])", [[[2, 4], [2]]]),
    "V45": ("select arrayMap(lambda x: x + 1, [1])", [[[2]]]),
    "V46": ("select toDate('2024-01-31') + interval 1 month", [["2024-02-29"]]),
    "V47": ("select now() - interval '2 hours' < now()", [[1]]),
    "V48": ("select interval 3 day + toDateTime('2024-01-01')", [["2024-01-04 00:00:00"]]),
    "V49": ("with a as (select 1 as x), b as (select x + 1 as y from a) select y from b", [[2]]),
    "V50": ("with 5 as n select n * 2", [[10]]),
    "V51": ("with (select max(timestamp) from events) as m select m", [["2024-05-04 09:00:00.000000"]]),
    "V52": ("with a as (select 1 as x) select x from a union all select x + 1 from a", [[1], [2]]),
    "V53": ("select count() from (select 1 union all select 1) as a, (select 1 union select 1) as b", [[2]]),
    "V54": ("select 1 intersect select 1 except select 2", [[1]]),
    "V55": ("(select 1 union all select 2) limit 1", lambda c, rows: len(rows[: c.page.limit]) == 1),
    "V56": ("select event from events limit 3 by event limit 10", prints("LIMIT {v0:UInt8} BY events.event LIMIT")),
    "V57": ("select event from events order by timestamp desc limit 10 offset 5",
            lambda c, rows: (c.page.limit, c.page.offset, rows) == (10, 5, [])),
    "V58": ("select event from events limit 5, 10", lambda c, rows: (c.page.limit, c.page.offset) == (5, 10)),
    "V59": ("select event from events order by event limit 1 with ties", both(prints("WITH TIES"), counts(2))),
    "V60": ("select number from numbers(5) limit 40%", [[0], [1]]),
    "V61": ("select event from events limit 60000", lambda c, rows: c.page.limit == 50_000),
    "V62": ("select number, x from numbers(2) array join [10, 20] as x", [[0, 10], [0, 20], [1, 10], [1, 20]]),
    "V63": ("select number from numbers(1, 3) as n where n.number > 1", [[2], [3]]),
    "V64": ("select sum(number) over (order by number rows between unbounded preceding and current row) from "
            "numbers(3)", [[0], [1], [3]]),
    "V65": ("select row_number() over w from numbers(2) window w as (order by number desc)",
            both(prints(" WINDOW w"), counts(2))),
    "V66": ("select lag(number) over (order by number) from numbers(2)", [[None], [0]]),
    "V67": ("select event, count() from events group by all", both(prints("GROUP BY ALL"), counts(3))),
    "V68": ("select event, count() from events group by rollup(event)", both(prints("ROLLUP"), counts(4))),
    "V69": ("select countIf(event = 'signup'), uniq(distinct_id), quantile(0.5)(1), length(hex(sumStateIf(1, true))) "
            "> 0 from events", [[2, 3, 1, 1]]),
    "V70": ("select COUNT(*), Sum(1), lower('A'), LOWER('B') from events", [[5, 5, "a", "b"]]),
    "V71": ("select * exclude (properties) from events",
            lambda c, rows: "properties" not in c.columns and len(c.columns) > 5),
    "V72": ("select columns('^e') from events", lambda c, rows: all(name.startswith("e") for name in c.columns)),
    "V73": ("select event from events sample 1/10", prints("less(cityHash64(events.distinct_id)")),
    "V74": ("select event from events sample 1", prints_no("cityHash64")),
    "V75": ("select event from events where {filters}", counts(5)),
    "V76": ("select event from events where timestamp > {filters.dateRange.from}",
            both(counts(5), prints_no("greater("))),
    "V77": ("select {variables.who}, {variables.nobody}", [["it's", None]]),
    "V78": ("select person_id from events where person_id in cohort 5 group by person_id",
            both(counts(2), prints("FROM cohortpeople", "equals(raw_cohort_people.team_id, {team_id:Int64})"))),
    "V79": ("select distinct_id from events where person_id not in cohort 'vip'", both(prints("notIn("), counts(1))),
    "V80": ("select group_0.properties.name, company.properties.name from events", joins(1)),
    "V81": ("select session.$is_bounce, count() from events group by 1", both(joins(1), counts(2))),
    "V82": ("select $start_timestamp, $session_duration from sessions where $start_timestamp > now() - interval 1 day",
            both(prints("greaterOrEquals(toDateTime(intDiv("), counts(0))),
    "V83": ("select id, properties.email from persons order by id limit 10",
            [[f"01890000-0000-0000-0000-00000000000{n}", f"p{n}@x.org"] for n in range(4)]),
    "V84": ("select key, properties.name from groups where index = 0 order by key",
            [["acme", "Acme"], ["initech", "Initech"]]),
    "V85": ("select name from system.cohorts", [["ours"]]),
    "V86": ("select <b>{event}</b> from events", lambda c, rows: all(row[0][:2] == ["__hx_tag", "b"] for row in rows)),
    "V87": ("select {'k': 1}", [[["__hx_tag", "__hx_obj", "k", 1]]]),
    "V88": ("select a # comment\nfrom (select 1 as a) -- x\n// y", [[1]]),
    "V89": ("select select from (select 1 as select)", [[1]]),
    "V90": ("select event as x from events where x = 'signup' order by x", [["signup"], ["signup"]]),
    "V91": ("select toTimeZone(timestamp, 'Asia/Tokyo') from events limit 1",
            lambda c, rows: "Asia/Tokyo" in c.values.values()),
    "V92": ("select t.a from (values (1, 'x'), (2, 'y')) as t(a, b)", [[1], [2]]),
    "V93": ("select concat(null, 'a', 1)", [["a1"]]),
    "V94": ("select `count()` from (select count() from events)", [[5]]),
    "V95": ("select e.event from events e, events f where e.uuid = f.uuid",
            both(prints("CROSS JOIN", "equals(e.team_id, {team_id:Int64}), equals(f.team_id, {team"), counts(5))),
}  # fmt: skip

S, Q, N, R = HogQLSyntaxError, QueryError, NotSupported, ResolutionError
# kind, query, offset (None: not fixed), words
INVALID: dict[str, tuple[type[HogQLError], str, int | None, str]] = {
    "E01": (S, "select", 6, ""),
    "E02": (S, "select a from", 13, ""),
    "E03": (S, "select a,, b from events", 9, ""),
    "E04": (S, "select (a from events", 10, ""),
    "E05": (S, "select a) from events", 8, ""),
    "E06": (S, "select 'abc", 7, ""),
    "E07": (S, "select a from events where", 26, ""),
    "E08": (S, "select a}", None, "Unmatched curly bracket"),
    "E09": (S, "select a & b", 9, "Unexpected character '&' (U+0026)"),
    "E10": (S, "select é", 7, "Unexpected character U+00E9"),
    "E11": (S, "select '\\q'", None, ""),
    "E12": (S, "select 1; select 2", None, ""),
    "E13": (S, "insert into events values (1)", 0, ""),
    "E14": (S, "drop table events", 0, ""),
    "E15": (N, "select 1 settings max_threads = 4", None, "SETTINGS"),
    "E16": (S, "select 1 into outfile 'x'", None, ""),
    "E17": (S, "select 1 format JSON", None, ""),
    "E18": (S, "select event as team_id from events", None, "reserved keyword"),
    "E19": (S, "select event as true from events", None, "reserved keyword"),
    "E20": (N, "select top 3 event from events", None, "TOP"),
    "E21": (S, "select interval 7 days", None, ""),
    "E22": (N, "select interval '7 eons'", None, "Unsupported interval unit"),
    "E23": (S, "select 0o17", None, "0o17"),
    "E24": (S, "select x is true from events", None, ""),
    "E25": (S, "select extract(year from timestamp) from events", None, ""),
    "E26": (S, "select * from events where event global in ('a')", None, ""),
    "E27": (S, "select a from events array join properties", None, "ARRAY JOIN arrays must have an alias"),
    "E28": (S, "select <b>x</i>", None, "tags must match"),
    "E29": (S, "with a as 1 select a", None, ""),
    "E30": (Q, "select nope from events", None, "Unable to resolve field: nope"),
    "E31": (Q, "select event from nope", None, "Unknown table `nope`"),
    "E32": (Q, "select * from url('http://x')", None, "Unknown table"),
    "E33": (Q, "select * from system.tables", None, "Unknown table"),
    "E34": (Q, "select * from events(1)", None, "Table 'events' does not accept arguments"),
    "E35": (Q, "select * from numbers", None, "Table function 'numbers' requires arguments"),
    "E36": (Q, "select * from numbers(1, 2, 3)", None, "requires at most 2 arguments"),
    "E37": (Q, "select dictGet('d', 'a', 1)", None, "Unsupported function call 'dictGet(...)'"),
    "E38": (Q, "select cout() from events", None, "Perhaps you meant 'count(...)'?"),
    "E39": (Q, "select toDate()", None, "Function 'toDate' expects 1 argument, found 0"),
    "E40": (Q, "select if(1, 2)", None, "Function 'if' expects 3 arguments, found 2"),
    "E41": (Q, "select quantile(timestamp) from events", None, "requires parameters in addition to arguments"),
    "E42": (Q, "select sum(avg(1)) from events", None, "cannot be nested inside another aggregation"),
    "E43": (Q, "select arrayReduce('system', [1])", None, "Invalid parametric function"),
    "E44": (Q, "select event from events final", None, "FINAL"),
    "E45": (Q, "select *", None, "Cannot use '*' when there are no tables in the query"),
    "E46": (Q, "select * from events e join events f on e.uuid = f.uuid", None, "Cannot use '*' without table name"),
    "E47": (R, "select uuid from events e join events f on e.uuid = f.uuid", None, "Ambiguous query"),
    "E48": (Q, "select 1 as a, 2 as a", None, "Cannot redefine an alias with the name: a"),
    "E49": (Q, "select 1 from events join events on true", None, 'Already have joined a table called "events"'),
    "E50": (Q, "select person from events", None, "Can't select a table when a column is expected"),
    "E51": (Q, "with a as (select 1) select a", None, "Cannot use table CTE a as a value"),
    "E52": (Q, "select event from events e where exists(select 1 from events f where f.uuid = e.uuid)", None, ""),
    "E53": (Q, "select [1, 2][0]", None, "SQL indexes start from one"),
    "E54": (Q, "select properties.list.0 from events", None, "SQL indexes start from one"),
    "E55": (Q, "select try_cast('1' as int)", None, "TRY_CAST is not allowed"),
    "E56": (Q, "select '1'::uint8", None, "Unsupported type cast to 'uint8'"),
    "E57": (Q, "select event from events qualify row_number() over (order by timestamp) = 1", None,
            "QUALIFY is not supported"),
    "E58": (Q, "select * from events pivot (count() for event in ('a'))", None, "PIVOT is not allowed"),
    "E59": (Q, "select #1 from events", None, "Positional references are not allowed"),
    "E60": (Q, "select percentile_cont(0.5) within group (order by timestamp) from events", None,
            "WITHIN GROUP is not supported"),
    "E61": (Q, "select person_id in cohort event from events", None, "only works with constant arguments"),
    "E62": (Q, "select person_id in cohort 999999 from events", 27, "Could not find cohort with ID 999999"),
    "E63": (Q, "select {nope}", None, "Unresolved placeholder"),
    "E64": (Q, "select {variables.nope}", None, "Variable nope is missing from query"),
    "E65": (Q, "select 1 where {filters}", None, "Cannot use 'filters' placeholder"),
    "E66": (Q, "select event from events where timestamp > toDate({filters.dateRange.from})", None,
            "must be used directly in a comparison"),
    "E67": (Q, "select event as `a%b` from events", None, 'not permitted as it contains the "%" character'),
    "E68": (Q, "select matchesAction('x')", None, "matchesAction can only be used with the events table"),
    "E69": (Q, "select properties.name.first(1) from events", None, "only call simple functions"),
    "E70": (Q, "select arrayMap(x -> {return x}, [1])", None, "You can not use blocks in HogQL"),
    "E71": (Q, "select event from events limit 150%", None, "Limit percent must be between 0 and 100"),
    "E72": (Q, "select * from (select 1, 2) as t(a)", None, "column name(s) were provided"),
    "E73": (Q, "select a from (select 1 as a) as t join (select 1 as a) as t on true", None,
            "Can't join another one with the same name"),
    "E74": (Q, "select events.nope.x from events", None, "Unable to resolve field"),
    "E75": (Q, "select * exclude (nope) from events", None, "EXCLUDE list was not found"),
    "E76": (TooComplex, "select " + "(" * 1001 + "1" + ")" * 1001, None, "too deeply nested"),
}  # fmt: skip


def test_every_case_is_here() -> None:
    assert list(VALID) == [f"V{number:02}" for number in range(1, 96)]
    assert list(INVALID) == [f"E{number:02}" for number in range(1, 77)]


@pytest.mark.parametrize("number", VALID)
def test_valid(engine: Engine, number: str) -> None:
    text, wanted = VALID[number]
    compiled = compile_query(text, PROJECT)
    rows = engine.compiled(compiled)
    if callable(wanted):
        assert wanted(compiled, rows), (compiled.sql, rows)
    elif "order by" in text:
        assert rows == wanted
    else:
        assert sorted(rows, key=repr) == sorted(wanted, key=repr)


@pytest.mark.parametrize("number", INVALID)
def test_invalid(number: str) -> None:
    kind, text, start, words = INVALID[number]
    with pytest.raises(kind) as caught:
        compile_query(text, PROJECT)
    assert words in caught.value.message
    assert caught.value.start is not None
    if start is not None:
        assert caught.value.start == start
