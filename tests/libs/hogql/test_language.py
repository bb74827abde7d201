"""What queries answer, on the real engine: the cases of the language, one line each."""

from typing import Any

import pytest

from tests.support.hogql import Engine

ANSWERS: list[tuple[str, list[list[Any]]]] = [
    ("select 1", [[1]]),
    ("select number from numbers(5) limit 40%", [[0], [1]]),
    ("select count() from (select number from numbers(10) limit 30%)", [[3]]),
    ("select count() from (select number from numbers(10) limit 100%)", [[10]]),
    (
        "select event from events order by timestamp",
        [["$pageview"], ["$pageview"], ["signup"], ["signup"], ["purchase"]],
    ),
    ("SELECT event FROM events;", [["$pageview"], ["$pageview"], ["signup"], ["signup"], ["purchase"]]),
    ("select event e, count() c from events group by e order by e", [["$pageview", 2], ["purchase", 1], ["signup", 2]]),
    ("select count() from events group by event order by count() desc limit 5", [[2], [2], [1]]),
    (
        "select properties.$browser from events order by timestamp",
        [["Chrome"], ["Firefox"], ["Chrome"], [None], [None]],
    ),
    ("select properties['a b'].c from events where properties['a b'].c is not null", [["deep"]]),
    ("select properties.items.1.sku from events where properties.items is not null", [["s1"]]),
    (
        "select properties.items from events where event='signup' order by timestamp",
        [[None], ['[{"sku":"s1"},{"sku":"s2"}]']],
    ),
    (
        "select e.event from events as e where e.timestamp > '2024-01-01'",
        [["$pageview"], ["$pageview"], ["signup"], ["signup"], ["purchase"]],
    ),
    ("select event from events where properties.plan is null", [["signup"], ["signup"]]),
    ("select event from events where not properties.plan = 'pro'", [["$pageview"], ["signup"], ["signup"]]),
    ("select event from events where properties.plan != 'pro'", [["$pageview"], ["signup"], ["signup"]]),
    ("select properties.price from events where properties.price > 3", [["10"], ["100"]]),
    ("select event from events where properties.vip = true", [["$pageview"]]),
    (
        "select event from events where properties.plan in ('pro', null)",
        [["$pageview"], ["signup"], ["signup"], ["purchase"]],
    ),
    ("select event from events where event not in ('signup', 'b')", [["$pageview"], ["$pageview"], ["purchase"]]),
    (
        "select event from events where (distinct_id, event) in (select distinct_id, event from events)",
        [["$pageview"], ["$pageview"], ["signup"], ["signup"], ["purchase"]],
    ),
    ("select event from events where event like 's%' and event not ilike '%P'", []),
    (
        "select event from events where event =~ '^\\\\$' or event !~* 'z$'",
        [["$pageview"], ["$pageview"], ["signup"], ["signup"], ["purchase"]],
    ),
    ("select 1 <=> null, null is not distinct from null", [[0, 1]]),
    ("select null = null, null != null, 1 = null", [[1, 0, 0]]),
    ("select null ?? 5", [[5]]),
    ("select 1 > 0 ? 'y' : 'n'", [["y"]]),
    ("select 1 ? 2 ? 3 : 4 : 5", [[3]]),
    ("select 2 + 3 * 4 - 1", [[13]]),
    ("select -2 * 3, -(1 + 1)", [[-6, -2]]),
    ("select 7 % 4, 7 / 2", [[3, 3.5]]),
    ("select 'a' || 'b' || 1", [["ab1"]]),
    ("select f'x{1 + 1}y'", [["x2y"]]),
    ("select 'it''s', 'it\\'s', 'a\\tb'", [["it's", "it's", "a\tb"]]),
    ("select 017, 0x1f, 0b101, 1e3, .5", [[17, 31, 5, 1000, 0.5]]),
    ("select true and not false", [[True]]),
    ("select 3 between 1 and 5 and true", [[True]]),
    ("select case when 1 = 2 then 'a' when 2 = 2 then 'b' else 'c' end", [["b"]]),
    ("select case 2 when 1 then 'a' when 2 then 'b' end", [["b"]]),
    ("select '5'::int + 1, 5::string", [[6, "5"]]),
    ("select cast('2024-01-01' as date)", [["2024-01-01"]]),
    ("select [1, 2, 3][1], (4, 5).2, tuple(1, 2).1", [[1, 5, 1]]),
    ("select (4, 5) .2, tuple(1, 2) /* the first */ .1, t .2 from (select (6, 7) as t)", [[5, 1, 7]]),
    ("select arrayMap(x -> x * 2, [1, 2]), arrayFilter((x, y) -> y, [1, 2], [0, 1])", [[[2, 4], [2]]]),
    ("select arrayMap(lambda x: x + 1, [1])", [[[2]]]),
    ("select toDate('2024-01-31') + interval 1 month", [["2024-02-29"]]),
    ("select interval 3 day + toDateTime('2024-01-01')", [["2024-01-04 00:00:00"]]),
    ("with a as (select 1 as x), b as (select x + 1 as y from a) select y from b", [[2]]),
    ("with 5 as n select n * 2", [[10]]),
    ("select 3 in ((select 3) limit 1), array((select 4) limit 1)", [[1, [4]]]),
    ("with a as (select 1 as x), (select 2) as n, (select x + n from a) union all select 3", [[3], [3]]),
    ("with (select max(timestamp) from events) as m select m", [["2024-05-04 11:00:00.000000"]]),
    ("with a as (select 1 as x) select x from a union all select x + 1 from a", [[1], [2]]),
    ("select 1 union all select 1", [[1], [1]]),
    ("select 1 union select 1", [[1]]),
    ("select 1 intersect select 1 except select 2", [[1]]),
    ("select event from events order by event limit 2 with ties", [["$pageview"], ["$pageview"]]),
    ("select number, x from numbers(2) array join [10, 20] as x", [[0, 10], [0, 20], [1, 10], [1, 20]]),
    ("select number from numbers(1, 3) as n where n.number > 1", [[2], [3]]),
    (
        "select sum(number) over (order by number rows between unbounded preceding and current row) from numbers(3)",
        [[0], [1], [3]],
    ),
    ("select row_number() over w from numbers(2) window w as (order by number desc)", [[1], [2]]),
    ("select lag(number) over (order by number) from numbers(2)", [[None], [0]]),
    ("select countIf(event = 'signup'), uniq(distinct_id), quantile(0.5)(1) from events", [[2, 3, 1]]),
    ("select event from events where {filters}", [["$pageview"], ["$pageview"], ["signup"], ["signup"], ["purchase"]]),
    ("select select from (select 1 as select)", [[1]]),
    ("select event as x from events where x = 'signup' order by x", [["signup"], ["signup"]]),
    ("select t.a from (values (1, 'x'), (2, 'y')) as t(a, b)", [[1], [2]]),
    ("select concat(null, 'a', 1)", [["a1"]]),
    (
        "select e.event from events e, events f where e.uuid = f.uuid",
        [["$pageview"], ["$pageview"], ["signup"], ["signup"], ["purchase"]],
    ),
    (
        "select toStartOfDay(timestamp) d, count() from events group by d order by d",
        [
            ["2024-05-01 00:00:00", 1],
            ["2024-05-02 00:00:00", 2],
            ["2024-05-03 00:00:00", 1],
            ["2024-05-04 00:00:00", 1],
        ],
    ),
    (
        "select toDate(timestamp) as d, count() from events where d >= '2024-05-02' group by d order by d",
        [["2024-05-02", 2], ["2024-05-03", 1], ["2024-05-04", 1]],
    ),
    ("select sum(properties.price), avg(properties.price) from events", [[112.5, 37.5]]),
    (
        "select argMax(event, timestamp), arraySort(groupArray(event)), arraySort(topK(3)(event)) from events",
        [["purchase", ["$pageview", "$pageview", "purchase", "signup", "signup"], ["$pageview", "purchase", "signup"]]],
    ),
    (
        "select e.event, f.event from events e left join events f on e.uuid = f.uuid and f.event ="
        " 'signup' order by e.timestamp",
        [["$pageview", ""], ["$pageview", ""], ["signup", "signup"], ["signup", "signup"], ["purchase", ""]],
    ),
    (
        "select e.event, f.event from events e right join events f on e.uuid = f.uuid order by e.timestamp",
        [
            ["$pageview", "$pageview"],
            ["$pageview", "$pageview"],
            ["signup", "signup"],
            ["signup", "signup"],
            ["purchase", "purchase"],
        ],
    ),
    (
        "select x.event, x.c from (select event, count() as c from events group by event) as x order by x.c, x.event",
        [["purchase", 1], ["$pageview", 2], ["signup", 2]],
    ),
    (
        "select properties from events where uuid = '0189abcd-0000-0000-0001-000000000004'",
        [['{"empty": "", "text": "he said \\"hi\\"\\n", "items": [{"sku": "s1"}, {"sku": "s2"}]}']],
    ),
    (
        "select JSONExtractString(properties, 'text') from events where event='signup' order by timestamp",
        [[""], ['he said "hi"\n']],
    ),
    (
        "select event, properties.plan as p, count() from events group by event, p order by 1, 2",
        [["$pageview", "free", 1], ["$pageview", "pro", 1], ["purchase", "pro", 1], ["signup", None, 2]],
    ),
    ("select distinct event from events order by event", [["$pageview"], ["purchase"], ["signup"]]),
    (
        "select dateDiff('day', timestamp, toDateTime('2024-05-10')) from events order by timestamp",
        [[9], [8], [8], [7], [6]],
    ),
    (
        "select toDateTime('2024-05-01 10:00:00.5'), toDateTime('2024-05-01T10:00:00Z'), toDateTime('2024-05-01')",
        [["2024-05-01 10:00:00.500000", "2024-05-01 12:00:00.000000", "2024-05-01 00:00:00"]],
    ),
    (
        "select timestamp from events where timestamp between '2024-05-01' and '2024-05-02"
        " 12:00:00' order by timestamp",
        [["2024-05-01 12:00:00.123456"], ["2024-05-02 00:30:00.000000"], ["2024-05-02 11:00:00.000000"]],
    ),
    ("select (select count() from events) as c", [[5]]),
    ("select event from events where person_id = '01890000-0000-0000-0000-000000000001'", [["$pageview"], ["signup"]]),
    ("select count(distinct event), uniqExact(event) from events", [[3, 3]]),
    (
        "select event from events order by properties.price desc nulls last, 1 asc",
        [["signup"], ["$pageview"], ["purchase"], ["$pageview"], ["signup"]],
    ),
    ("select quantile(0.9)(properties.price), median(properties.price) from events", [[82, 10]]),
    ("select count() filter (where event = 'signup') from events", [[2]]),
    ("select 12345678901234567890123, 18446744073709551615, -5", [[12345678901234567890123, 18446744073709551615, -5]]),
    (
        "select event as timestamp, count() from events group by timestamp order by timestamp",
        [["$pageview", 2], ["purchase", 1], ["signup", 2]],
    ),
    (
        "select event from events where distinct_id in ['user1', 'user2']",
        [["$pageview"], ["$pageview"], ["signup"], ["purchase"]],
    ),
    (
        "select a.event from (select event, timestamp from events) a where a.timestamp >"
        " '2024-05-02' order by a.timestamp",
        [["$pageview"], ["signup"], ["signup"], ["purchase"]],
    ),
    ("select max(timestamp) as m from events having m > '2024-01-01'", [["2024-05-04 11:00:00.000000"]]),
    (
        "select tupleElement((1,2), 1), [1,2,3][2:3], arraySum(arrayMap((x, i) -> x * i, [1,2], [3,4]))",
        [[1, [2, 3], 11]],
    ),
    (
        "select multiIf(event = 'a', 1, event = 'signup', 2, 3) as z, count() from events group by z order by z",
        [[2, 2], [3, 3]],
    ),
    ("select round(1.256, 2), floor(1.5), pow(2, 3), greatest(1,2)", [[1.26, 1, 8, 2]]),
    (
        "select splitByChar(',', 'a,b')[1], replaceAll('aa', 'a', 'b'), substring('hello', 2, 3),"
        " trim('  x '), trim(both 'x' from 'xax')",
        [["a", "bb", "ell", "x", "a"]],
    ),
]


@pytest.mark.parametrize(("text", "rows"), ANSWERS, ids=[case[0][:60] for case in ANSWERS])
def test_answer(engine: Engine, text: str, rows: list[list[Any]]) -> None:
    found = engine.hogql(text, timezone="Europe/Berlin")
    if "order by" not in text.lower():
        found, rows = sorted(found, key=repr), sorted(rows, key=repr)
    assert found == rows
