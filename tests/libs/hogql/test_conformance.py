"""What a query must answer, be called and print as: the cases of the language beyond those of test_language.py."""

from typing import Any

import pytest

from libs.hogql.compile import Compiled, Project, compile_query
from tests.support.hogql import TEAM, Engine


def compiled(text: str, **more: Any) -> Compiled:
    return compile_query(text, Project(TEAM, **more))


COLUMNS = [
    ("select 1", ("1",)),
    ("select event, from events", ("event",)),
    ("select event e, count() c from events group by e", ("e", "c")),
    ("select total: count() from events", ("total",)),
    ("select count() from events group by event order by count() desc limit 5", ("count()",)),
    ("select properties.$browser from events", ("$browser",)),
    ("select properties['a b'].c, properties.`a b`.c from events", ("c", "c")),
    ("select person.properties.email from events", ("email",)),
    ("select toDate(timestamp), f'x{event}' from events", ("toDate(timestamp)", "concat('x', event)")),
    ("select * exclude (properties, elements_chain) from (select event, properties, elements_chain from events)",
     ("event",)),
    ("select columns('^e') from events",
     ("event", "elements_chain", "elements_chain_href", "elements_chain_texts", "elements_chain_ids",
      "elements_chain_elements")),
    ("select e.* from (select 1 as a) e join (select 1 as a, 2 as b) f on e.a = f.a", ("a",)),
    ("select (1 as z) c, z + 1 as d", ("c", "d")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names"), COLUMNS, ids=[case[0][:60] for case in COLUMNS])
def test_columns_are_called(engine: Engine, text: str, names: tuple[str, ...]) -> None:
    query = compiled(text)
    assert query.columns == names
    engine.compiled(query)


PRINTS: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("select event from events", ("equals(events.team_id, {team_id:Int64})", "LIMIT {v0:UInt8}"), ()),
    ("select e.event from events as e", ("equals(e.team_id, {team_id:Int64})",), ()),
    ("select event from events where properties.a is null", ("isNull(",), ("equals(events.properties",)),
    ("select event from events where properties.a is not null", ("isNotNull(",), ()),
    ("select event from events where event is null", ("isNull(events.event)",), ("ifNull",)),
    ("select event from events where timestamp >= now() - interval 7 day",
     ("greaterOrEquals(events.`timestamp`, minus(now64(6, ",), ("ifNull", "toTimeZone")),
    ("select event from events limit 3 by event limit 10", ("LIMIT {v0:UInt8} BY events.event LIMIT {v1:UInt8}",), ()),
    ("select event, count() from events group by all", ("GROUP BY ALL",), ()),
    ("select event, count() from events group by rollup(event)", ("GROUP BY ROLLUP(",), ()),
    ("select event from events sample 1", (), ("cityHash64",)),
    ("select event from events sample 1/10", ("less(cityHash64(events.distinct_id), {v0:UInt64})",), ()),
    ("select toTimeZone(timestamp, 'Asia/Tokyo') from events", ("toTimeZone(events.`timestamp`, {",), ()),
    ("select e.event from events e, events f where e.uuid = f.uuid",
     ("CROSS JOIN events AS f", "equals(e.team_id, {team_id:Int64}), equals(f.team_id, {team_id:Int64})"), ()),
    ("select event from events where {filters}", ("true",), ()),
]  # fmt: skip


@pytest.mark.parametrize(("text", "there", "absent"), PRINTS, ids=[case[0][:60] for case in PRINTS])
def test_prints(engine: Engine, text: str, there: tuple[str, ...], absent: tuple[str, ...]) -> None:
    query = compiled(text)
    for part in there:
        assert part in query.sql
    for part in absent:
        assert part not in query.sql
    engine.compiled(query)


ANSWERS: list[tuple[str, list[list[Any]]]] = [
    ("select event from events where properties.vip order by timestamp", [["$pageview"]]),
    ("select now() - interval '2 hours' < now()", [[True]]),
    ("(select 1 union all select 1) limit 1", [[1]]),
    ("select number from numbers(20) limit 5, 10", [[n] for n in range(10, 15)]),
    ("select number from numbers(20) limit 10 offset 5", [[n] for n in range(5, 15)]),
    ("select number % 3 as m, number from numbers(9) order by m, number limit 1, 2 by m",
     [[0, 3], [0, 6], [1, 4], [1, 7], [2, 5], [2, 8]]),
    ("select number from numbers(4) limit 1 + 1", [[0], [1]]),
    ("select COUNT(*), Sum(1), lower('A'), LOWER('B') from events", [[5, 5, "a", "b"]]),
    ("select {'k': 1}", [[["__hx_tag", "__hx_obj", "k", 1]]]),
    ("select a # comment\nfrom (select 1 as a) -- x\n// y", [[1]]),
    ("select `count()` from (select count() from events)", [[5]]),
    ("select number from numbers(3) order by number desc with fill from 4 to 0 step -1", [[4], [3], [2], [1], [0]]),
    ("select number as n, 'x' as s from numbers(1, 2) order by n with fill to 5 interpolate (s as s || '!')",
     [[1, "x"], [2, "x"], [3, "x!"], [4, "x!!"]]),
    ("select (number + 1 as z) * 2, z from numbers(2) where z > 1", [[4, 2]]),
    ("select 1 as a, 2 as b union all by name select 3 as b, 4 as c", [[1, 2, None], [None, 3, 4]]),
    ("select 1 as a, 2 as b union by name select 2 as b, 1 as a", [[1, 2]]),
    ("select any(x) ignore nulls from (select null as x union all select 5)", [[5]]),
    ("select arrayReduce('max', [1, 3, 2])", [[3]]),
    ("select count() from ((events e join events f on e.uuid = f.uuid))", [[5]]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rows"), ANSWERS, ids=[case[0][:60] for case in ANSWERS])
def test_answers(engine: Engine, text: str, rows: list[list[Any]]) -> None:
    query = compiled(text)
    found = engine.compiled(query)[: query.page.limit]
    assert (found if "order by" in text else sorted(found, key=repr)) == (
        rows if "order by" in text else sorted(rows, key=repr)
    )


def test_halves_of_a_sample_make_the_whole(engine: Engine) -> None:
    halves = [
        {tuple(row) for row in engine.hogql(f"select uuid from events {sample}")}
        for sample in ("sample 1/2", "sample 1/2 offset 1/2")
    ]
    assert not halves[0] & halves[1]
    assert halves[0] | halves[1] == {tuple(row) for row in engine.hogql("select uuid from events")}


def test_a_sample_beside_a_join_keeps_rows_that_match_nothing(engine: Engine) -> None:
    rows = engine.hogql(
        "select e.event from events e left join events f sample 0 on e.uuid = f.uuid where f.event = ''"
    )
    assert len(rows) == 5


def test_placeholders_may_be_expressions(engine: Engine) -> None:
    assert engine.hogql("select {a + 1}, {a}", values={"a": 2}) == [[3, 2]]


def test_a_tag_is_a_tuple(engine: Engine) -> None:
    assert engine.hogql("select <b>{event}</b> from events limit 1 by event")[0][0][:2] == ["__hx_tag", "b"]


@pytest.mark.parametrize(("asked", "limit"), [("", 100), ("limit 60000", 50_000), ("limit 7", 7)])
def test_limits(asked: str, limit: int) -> None:
    assert compiled(f"select event from events {asked}").page.limit == limit


def test_every_branch_is_limited() -> None:
    query = compiled("select 1 union all select 2")
    assert query.sql.count("LIMIT {v") == 2


def test_everything_but_secrets_of_the_table_is_in_the_star() -> None:
    columns = compiled("select * from events").columns
    assert columns[:6] == ("uuid", "event", "properties", "timestamp", "distinct_id", "elements_chain")
    assert not {"team_id", "$session_id_uuid", "$virt_is_bot"} & set(columns)
