"""The tree as JSON: there and back on generated queries, and beside what PostHog's own parser writes."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from libs.hogql import ast
from libs.hogql.errors import HogQLError
from libs.hogql.json_form import error_form, from_json, to_json
from libs.hogql.parser import parse_expr, parse_select
from libs.hogql.tree import walk
from tests.libs.hogql.corpus import Corpus
from tests.support.scale import scaled

NODE_NAMES = [name for name, value in vars(ast).items() if isinstance(value, type)]
CLAUSES = [
    "with recursive q(a) using key (a) as not materialized (select 1), 1 as one select distinct * exclude (a), t.* "
    "from t",
    "select columns(* exclude (a) replace (1 as b)), f(*columns('x')), columns(a, b) from a natural left join b",
    "select sum(distinct x) filter (where y) over (partition by a order by b desc nulls last rows 1 preceding), "
    "f(1)(x) over w from t window w as (range between unbounded preceding and current row)",
    "select 1 from a left join b on a.x = b.x asof join c using (d, e), numbers(3) n, (values (1, 2)) as v(a, b)",
    "select 1 from (a join b) final sample 1/10 offset 1/2 pivot (count() for e in ('a', 'b') group by c) "
    "as p cross join d",
    "select 1 from t unpivot include nulls (v for k in (a, b)) join d on true",
    "select case when a then 1 end, case a when 1 then 2 else null end, cast(a as Int), try_cast(a as int), a::text",
    "select interval 3 day, a ? b : c, a ?? b, trim(leading 'x' from y), f'a{b}', a || b || c, -a, +1, a is not null",
    "select x -> 1, lambda x, y: 1, a[1], a?.[b], a?.b, a.1, f(x).1, a[1:], any(x) ignore nulls, f(n := 1), #1, "
    "a <=> b",
    "select 99999999999999999999, -99999999999999999999, inf, -inf, true, null, 1e300, 0.1, {'k': 1, 2: 3}, {p}, "
    "(1,), [1]",
    "select percentile(0.5) within group (order by x collate 'en' with fill from 1 to 2 step 3) from t "
    "group by grouping sets ((a), ()) having b qualify c order by x with fill interpolate (a as b, c) "
    "limit 1 by a limit 5 with ties",
    "select 1 from t left array join x as y prewhere p where w group by a with totals limit 10 % offset 3",
    "select 1 union all by name (select 2 intersect select 3) except {p} order by 1 limit 3 offset 2",
    "select <a href='x' n={1} b>t<b/>{c}</a>, a in cohort 3, a not ilike 'x', a !~* 'b', f(x order by y), "
    "(select 1) as s",
]  # fmt: skip


def texts() -> list[str]:
    corpus = Corpus(5)
    return [*CLAUSES, *[corpus.text() for _ in range(scaled(20_000, least=300))]]


def test_there_and_back_gives_an_equal_tree_with_its_places() -> None:
    parsed = 0
    for text in texts():
        try:
            tree = parse_select(text)
        except HogQLError:
            assert text not in CLAUSES
            continue
        parsed += 1
        form = json.loads(json.dumps(to_json(tree, text)))
        again = from_json(form)
        assert again == tree, text
        assert to_json(again, text) == form, text
        assert from_json(to_json(tree)) == tree, text
    assert parsed > 150


def test_places_are_lines_columns_and_offsets() -> None:
    form = to_json(parse_select("select a,\n  b"), "select a,\n  b")
    assert form["select"][1]["start"] == {"line": 2, "column": 2, "offset": 12}
    assert form["end"] == {"line": 2, "column": 3, "offset": 13}


def test_errors_have_a_form_too() -> None:
    with pytest.raises(HogQLError) as raised:
        parse_select("select 1 from\n where")
    form = error_form(raised.value, "select 1 from\n where")
    assert form["error"] is True
    assert form["type"] == "SyntaxError"
    assert form["start"]["line"] == 2


@pytest.mark.parametrize(
    "form",
    [
        None, [], {}, {"node": 1}, {"node": "Nothing"}, {"node": "Node"}, {"node": "Expr"}, {"node": "JoinExpr"},
        {"node": "Field", "chain": "a"}, {"node": "Field", "chain": []}, {"node": "Field", "chain": [1.5]},
        {"node": "Field", "chain": [{}]}, {"node": "Constant", "value": {}}, {"node": "Field"},
        {"node": "Constant", "value": "1e5", "value_type": "number"}, {"node": "And", "exprs": []},
        {"node": "CompareOperation", "op": "; drop", "left": {"node": "PositionalRef", "index": 1}},
        {"node": "TypeCast", "expr": {"node": "Constant", "value": 1}, "type_name": "int) from events; --"},
        {"node": "Call", "name": "if", "args": [], "written_as": "CASE"}, {"node": "Alias", "alias": "team_id"},
        {"node": "Alias", "alias": "team_id", "expr": {"node": "Constant", "value": 1}},
        {"node": "SelectQuery", "select": []}, {"node": "SelectQuery", "select": [1]},
        {"node": "SelectQuery", "select": [{"node": "Constant", "value": 1}], "group_by_mode": "x"},
        {"node": "SelectQuery", "select": [{"node": "Constant", "value": 1}], "limit": "5"},
        {"node": "SelectSetQuery", "initial_select_query": {"node": "SelectQuery", "select": []}},
        {"node": "IntervalExpr", "expr": {"node": "Constant", "value": 1}, "unit": "eon"},
    ],
)  # fmt: skip
def test_what_no_text_stands_for_is_refused(form: Any) -> None:
    with pytest.raises(HogQLError):
        from_json(form)


def test_broken_forms_are_refused_in_our_terms() -> None:
    chance = random.Random(9)
    trees = [to_json(parse_select(text)) for text in CLAUSES]
    odd: list[Any] = [None, 0, -1, 1.5, True, "", "x", "ON", [], {}, [[]], [1], {"node": "Field", "chain": ["a"]}]
    refused = 0
    for _ in range(scaled(100_000, least=3_000)):
        tree = json.loads(json.dumps(chance.choice(trees)))
        for _ in range(chance.randint(1, 3)):
            holders = list(parts_of(tree))
            holder = chance.choice(holders)
            key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            other = chance.choice(holders)
            holder[key] = json.loads(json.dumps(chance.choice([*odd, other, chance.choice(NODE_NAMES)])))
        try:
            from_json(tree)
        except HogQLError:
            refused += 1
    assert refused


def parts_of(value: Any) -> Iterator[Any]:
    """Every object and list with something in it."""
    if isinstance(value, dict | list) and value:
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from parts_of(inner)


def test_deep_and_wide_forms_are_refused() -> None:
    deep: Any = {"node": "Constant", "value": 1}
    for _ in range(5_000):
        deep = {"node": "Not", "expr": deep}
    with pytest.raises(HogQLError, match="deeply"):
        from_json(deep)
    one = {"node": "Constant", "value": 1}
    with pytest.raises(HogQLError):
        from_json({"node": "Tuple", "exprs": [one] * 100_000})


def test_filters_of_hog_have_a_form() -> None:
    tree = parse_expr("event = '$pageview' and properties.$browser in ('Chrome', 'Safari') and toInt(properties.n) > 3")
    assert from_json(to_json(tree)) == tree
    assert len(walk(tree)) > 8
