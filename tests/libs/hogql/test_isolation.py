"""Two teams share the table. Whatever a team asks, no answer holds anything of the other's."""

import json
from collections.abc import Iterator, Mapping

import pytest
from chdb import ChdbError
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.hogql import resolved as r
from libs.hogql.compile import Project, compile_query
from libs.hogql.errors import HogQLError, TeamGuardError
from libs.hogql.guard import guarded, verify
from libs.hogql.parser import parse_select
from libs.hogql.resolver import Context, Resolver
from libs.hogql.schema import (
    DATABASE,
    PERSONS_MODES,
    TABLES,
    ColumnField,
    ExpressionField,
    Field,
    GroupField,
    JoinField,
    JsonField,
    PropertyField,
)
from tests.support.hogql import OTHER_MARK, TEAM, Engine
from tests.support.scale import scaled

NAMES = [
    "event",
    "distinct_id",
    "events",
    "e",
    "f",
    "t",
    "team_id2",
    "`events.team_id`",
    "`e.team_id`",
    "_c0",
    "_arg1",
    "x",
]

names = st.sampled_from(NAMES)
fields = st.sampled_from(
    [
        "event",
        "distinct_id",
        "properties.plan",
        "properties.$browser",
        "timestamp",
        "uuid",
        "team_id",
        "person_id",
        "1",
        "'a'",
    ]
)
named_tuples = st.just("JSONExtract('{\"team_id\": 2}', 'Tuple(team_id Int64)')")


def qualified(alias: str) -> st.SearchStrategy[str]:
    return fields.map(lambda field: f"{alias}.{field}" if field[0].isalpha() else field)


@st.composite
def expressions(draw: st.DrawFn, field: st.SearchStrategy[str]) -> str:
    one, two = draw(field), draw(field)
    shape = draw(st.integers(0, 10))
    return [
        one, one, f"toString({one})", f"if({one} = {two}, {one}, {two})", f"concat({one}, 'x', {two})",
        f"arrayMap({draw(names)} -> {one}, [1])", draw(named_tuples), f"tuple({one}, {two})", f"{one} ?? {two}",
        f"f'{{{one}}}-{{{two}}}'", f"concat(({one} as {draw(names)}), '')",
    ][shape]  # fmt: skip


conditions = st.sampled_from(
    ["1 = 1", "1 = 1 or 2 = 2", "team_id = 2", "team_id = 2 or true", "not false", "event = 'signup' or true",
     "properties.plan is null or true", "timestamp > '2000-01-01'", "true"]
)  # fmt: skip
joins = st.sampled_from(
    ["join", "inner join", "left join", "right join", "full join", "any left join", "left semi join", "left anti join",
     "right anti join", "asof left join", ","]
)  # fmt: skip


@st.composite
def queries(draw: st.DrawFn, depth: int = 2) -> str:
    shape = draw(st.integers(0, 6)) if depth else 0
    if shape == 0:
        items = [
            f"{draw(expressions(fields))} as {name}"
            for name in draw(st.lists(names, min_size=1, max_size=3, unique=True))
        ]
        if draw(st.booleans()):
            items = ["*"]
        tail = draw(st.sampled_from(["", " order by 1", " limit 5", " limit 1 by event", " group by all"]))
        return f"select {', '.join(items)} from events where {draw(conditions)}{tail}"
    if shape == 1:
        left, right, join = draw(names), draw(names), draw(joins)
        condition = "" if join == "," else f" on {left}.uuid = {right}.uuid"
        if join.startswith("asof"):
            condition += f" and {left}.timestamp >= {right}.timestamp"
        tail = draw(st.sampled_from(["", " where 1 = 1 or 2 = 2", " where false or true"]))
        picked = ", ".join([f"{draw(qualified(left))} as c1", f"{draw(qualified(right))} as c2"])
        return f"select {picked} from events {left} {join} events {right}{condition}{tail}"
    inner = draw(queries(depth=depth - 1))
    if shape == 2:
        return f"select * from ({inner}) as {draw(names)}"
    if shape == 3:
        name = draw(names)
        return f"with {name} as ({inner}) select * from {name}"
    if shape == 4:
        operator = draw(st.sampled_from(["union all", "union", "except", "intersect"]))
        return f"select event from events {operator} select event from events where {draw(conditions)}"
    if shape == 5:
        return f"select event, (select max(event) from events where {draw(conditions)}) as m from events"
    return f"select event from events where event in (select event from events where {draw(conditions)}) or true"


OTHER_PERSON = "01890000-0000-0000-0000-000000000009"
TABLE_JOINS = (
    "join", "left join", "right join", "full join", "any left join", "any join", "left semi join", "left anti join",
    "right semi join", "right anti join", "cross join",
)  # fmt: skip


def paths(fields: Mapping[str, Field], depth: int) -> Iterator[str]:
    """What can be read of a table, through the joins that its fields lead to."""
    for name, field in fields.items():
        quoted = f"`{name}`"
        match field:
            case ColumnField(_, kind):
                yield quoted if kind != "unknown" else f"toString({quoted})"
            case JsonField():
                yield from (quoted, f"{quoted}.plan", f"{quoted}.a.b")
            case PropertyField() | ExpressionField():
                yield quoted
            case GroupField(inner):
                yield from (f"{quoted}.{below}" for below in paths(inner, depth) if below.startswith("`"))
            case JoinField(table) if depth:
                below_it = paths(DATABASE.joined(table).fields, depth - 1)
                yield from (f"{quoted}.{below}" for below in below_it if below.startswith("`"))


FIELDS = {name: sorted(paths(table.fields, 1)) for name, table in TABLES.items()}


def foreign(rows: object) -> bool:
    text = json.dumps(rows, default=str)
    return OTHER_MARK in text or "666666" in text or OTHER_PERSON in text


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_field_of_every_table_is_the_teams_own(engine: Engine, name: str) -> None:
    """Each alone answers, and none with anything of the other team's, in every mode of persons."""
    fields = sorted(paths(TABLES[name].fields, 2 if name in ("events", "persons", "groups") else 1))
    for start in range(0, len(fields), 60):
        chunk = ", ".join(f"{field} as f{number}" for number, field in enumerate(fields[start : start + 60]))
        assert not foreign(engine.hogql(f"select {chunk} from {name}"))
    assert not foreign(engine.hogql(f"select * from {name}"))
    assert not foreign(engine.hogql(f"select team_id from {name} where team_id = 2 or true"))


@pytest.mark.parametrize("mode", PERSONS_MODES)
def test_persons_of_events_in_every_mode(engine: Engine, mode: str) -> None:
    fields = "person_id, person.id, person.created_at, person.properties.plan, person.properties, pdi.person_id"
    rows = engine.hogql(f"select {fields} from events", persons_mode=mode)
    assert len(rows) == 5
    assert not foreign(rows)


@st.composite
def table_queries(draw: st.DrawFn) -> str:
    one, two = draw(st.sampled_from(sorted(TABLES))), draw(st.sampled_from(sorted(TABLES)))
    left, right = draw(names), draw(names)
    items = [f"{left}.{draw(st.sampled_from(FIELDS[one]))}" for _ in range(2)]
    items += [f"{right}.{draw(st.sampled_from(FIELDS[two]))}" for _ in range(2)]
    items = [item if "toString(" not in item else item.replace(".toString(", ".").rstrip(")") for item in items]
    join = draw(st.sampled_from(TABLE_JOINS))
    condition = draw(
        st.sampled_from(
            [f"{left}.team_id = {right}.team_id", f"toString({items[0]}) = toString({items[2]})", f"{left}.team_id = 2"]
        )
    )
    on = "" if join == "cross join" else f" on {condition}"
    where = draw(
        st.sampled_from(["", " where 1 = 1 or 2 = 2", f" where {left}.team_id = 2 or true", f" where {condition}"])
    )
    listed = ", ".join(f"{item} as c{number}" for number, item in enumerate(items))
    text = f"select {listed} from {one} {left} {join} {two} {right}{on}{where}"
    return draw(
        st.sampled_from(
            [
                text,
                f"select * from ({text}) as {draw(names)}",
                f"with {draw(names)} as ({text}) select count() from ({text})",
                f"select (select max(toString({draw(st.sampled_from(FIELDS[one]))})) from {one}), count() from {two}",
                f"select event from events where toString(person_id) in "
                f"(select toString({draw(st.sampled_from(FIELDS[one]))}) from {one}) or true",
            ]
        )
    )


def test_generated_queries_over_all_tables_stay_within_their_team(engine: Engine) -> None:
    ran = 0

    @settings(max_examples=scaled(3_000, least=60), deadline=None)
    @given(table_queries())
    def check(text: str) -> None:
        nonlocal ran
        try:
            rows = engine.hogql(text)
        except TeamGuardError:
            raise
        except (HogQLError, ChdbError):
            return
        ran += 1
        assert not foreign(rows)

    check()
    assert ran > scaled(3_000, least=60) / 5


def test_all_stored_tables_have_rows_of_the_other_team(engine: Engine) -> None:
    """Or the tests above prove nothing."""
    for table in DATABASE.stored:
        assert engine.run(f"SELECT count() > 0 FROM {table} WHERE team_id = 2") == [[1]], table


def test_generated_queries_stay_within_their_team(engine: Engine) -> None:
    ran = 0

    @settings(max_examples=scaled(4_000, least=80), deadline=None)
    @given(queries())
    def check(text: str) -> None:
        nonlocal ran
        try:
            rows = engine.hogql(text)
        except TeamGuardError:
            raise
        except (HogQLError, ChdbError):
            return
        ran += 1
        assert OTHER_MARK not in json.dumps(rows, default=str)
        assert "666666" not in json.dumps(rows, default=str)

    check()
    assert ran > scaled(4_000, least=80) / 4  # a generator that makes nothing runnable proves nothing


ATTACKS = [
    "select JSONExtract('{\"team_id\": 2}', 'Tuple(team_id Int64)') as events, event from events",
    "select JSONExtract('{\"team_id\": 2}', 'Tuple(team_id Int64)') as e, e2.event from events e2",
    "select 2 as `events.team_id`, event from events",
    "select 2 as `team_id `, event from events",
    "with JSONExtract('{\"team_id\": 2}', 'Tuple(team_id Int64)') as events select events.1, event from events",
    "with events as (select 1 as team_id) select a.event from posthog.events a",
    "select event from events array join [tuple(2)] as events",
    "select arrayMap(events -> event, [1]) from events",
    "select event from events where 1 = 1 or 1 = 1",
    "select event from events where event = '\\' or 1 = 1 --'",
    "select properties.`x` or 1=1 --` from events",
    "select event as `a`` from events --` from events",
    "select event from events union all select event from events where team_id = 2",
    "select f.event from events e full join events f on e.uuid = f.uuid",
    "select event from events limit 100 offset 0 -- ",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_attacks(engine: Engine, text: str) -> None:
    try:
        rows = engine.hogql(text)
    except TeamGuardError:
        raise
    except (HogQLError, ChdbError):
        return
    assert OTHER_MARK not in json.dumps(rows, default=str)


def test_the_other_team_is_there(engine: Engine) -> None:
    assert engine.run("SELECT countIf(team_id = 1), countIf(team_id = 2) FROM events") == [[5, 7]]
    assert OTHER_MARK in json.dumps(engine.hogql("select * from events", team=2))


def _resolved(text: str) -> r.Statement:
    return Resolver(Context()).statement(parse_select(text))


def test_verification_fails_closed() -> None:
    bare = _resolved("select event from events")
    with pytest.raises(TeamGuardError):
        verify(bare, TEAM)
    with pytest.raises(TeamGuardError):
        verify(guarded(bare, 2), TEAM)
    verify(guarded(bare, TEAM), TEAM)
    nested = _resolved("select * from (select event from events) where event in (select event from events)")
    with pytest.raises(TeamGuardError):
        verify(nested, TEAM)
    verify(guarded(nested, TEAM), TEAM)


def test_an_alias_that_shadows_a_table_is_refused() -> None:
    good = guarded(_resolved("select event from events"), TEAM)
    assert isinstance(good.query, r.Select)
    item = r.Item(r.Value(2), good.query.sources[0].source.alias, "x")
    bad = r.Statement((), r.Select((item,), good.query.sources, where=good.query.where))
    with pytest.raises(TeamGuardError):
        verify(bad, TEAM)


def test_values_never_become_text() -> None:
    secret = "needle'\\`\"--\n"
    compiled = compile_query(
        "select {v}, concat('a', {v}), properties['needle`x'], arrayMap(x -> {v}, [1]) from events where event = {v}",
        Project(TEAM, values={"v": secret}),
    )
    assert "needle" not in compiled.sql
    assert secret in compiled.values.values()
