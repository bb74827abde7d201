"""Properties read from the JSON column are what JSONExtract reads from the text as it was sent, on generated objects.

Known differences: an object with nothing in it (`{}`, `{"a": null}`) leaves no trace in the column and reads as
missing; what `spaceless` says of lists; below a path that the table keeps as text, -0.0 is 0. Strings come back as they
are, where PostHog leaves them escaped.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from libs.hogql.compile import Project, compile_query
from libs.kit.clickhouse.statement_settings import INSERT, JSON_INPUT
from tests.support.hogql import Engine, event_row
from tests.support.scale import scaled

TEAM, FLAT_TEAM = 7, 8
SCALARS = [
    "1", "1.0", "1e3", "1.50", "-0.0", "0.1", "12345678901234567890", "123456789012345678901234567890", "1E-7",
    "-9223372036854775809", "9007199254740993", "1.7976931348623157e308", "true", "false", "null", '""', '"x"', '"1.0"',
    '"he said \\"hi\\""', '"a\\nb"', '"\\u00e9"', '"true"', '"null"', '"{}"', '"[1]"', '" "', '"2024-01-01"',
    '"2024-01-01T10:00:00Z"', '"2024-01-01 10:00:00.123"', '"\\ud83d\\ude00"', '"\'; drop table events; --"',
]  # fmt: skip
KEYS = ["k", "$browser", "a b", "b", "x"]


class Objects:
    """Texts of JSON objects, the same ones for the same seed."""

    def __init__(self, seed: int, *, nested: bool = True):
        self._random = random.Random(seed)
        self._nested = nested

    def value(self, depth: int) -> str:
        """Any value: what is nested holds something."""
        choice = self._random.random()
        if depth == 0 or choice < 0.7:
            return self._random.choice(SCALARS)
        if choice < 0.85 or not self._nested:
            return "[" + ", ".join([self.value(depth - 1) for _ in range(self._random.randint(0, 3))]) + "]"
        return self.object(depth - 1, ["b", "x"])

    def object(self, depth: int, keys: list[str]) -> str:
        """Some of the keys, and one that always has a value."""
        chosen = [key for key in keys if self._random.random() < 0.7]
        return "{" + ", ".join(['"full": 1', *[f"{json.dumps(key)}: {self.value(depth)}" for key in chosen]]) + "}"


def stored(engine: Engine, texts: list[str], team: int, event: str = "generated", day: int = 2) -> None:
    lines = []
    for number, text in enumerate(texts):
        row = event_row(team, number, event, f"2024-05-0{day} 09:00:00", {})
        del row["properties"]
        lines.append(json.dumps({**row, "properties_raw": text})[:-1] + f', "properties": {text}}}')
    wanted = {**INSERT, **JSON_INPUT}
    settings = ", ".join(f"{k} = {v!r}" for k, v in wanted.items() if not k.startswith(("wait", "distributed")))
    engine.run_statement(f"INSERT INTO events SETTINGS {settings} FORMAT JSONEachRow " + "\n".join(lines))


@pytest.fixture(scope="module")
def objects(engine: Engine) -> Iterator[int]:
    """Events of a team of their own, with generated properties: how many."""
    source, count = Objects(20), scaled(20_000, least=400)
    stored(engine, [source.object(2, KEYS) for _ in range(count)], TEAM)
    yield count
    engine.run_statement(f"DELETE FROM events WHERE team_id = {TEAM}")


@pytest.fixture(scope="module")
def flat(engine: Engine) -> Iterator[int]:
    """Events of another team: no property is an object, but those of a later event are: how many are of the first."""
    source, count = Objects(21, nested=False), scaled(20_000, least=400)
    stored(engine, [source.object(2, KEYS) for _ in range(count)], FLAT_TEAM)
    stored(engine, ['{"k": {"b": 1}}', '{"k": [{"b": 1}]}'], FLAT_TEAM, event="later", day=8)
    yield count
    engine.run_statement(f"DELETE FROM events WHERE team_id = {FLAT_TEAM}")


def oracle(*keys: str) -> str:
    path = ", ".join(["properties_raw", *[f"'{key}'" for key in keys]])
    raw = f"JSONExtractRaw({path})"
    return f"if(startsWith({raw}, '\"'), JSONExtractString({path}), nullIf(nullIf({raw}, ''), 'null'))"


@pytest.mark.parametrize("keys", [*[(key,) for key in KEYS], ("k", "b"), ("$browser", "x"), ("a b", "b", "x")])
def test_values(engine: Engine, objects: int, keys: tuple[str, ...]) -> None:
    chain = ".".join(f"`{key}`" for key in keys)
    ours = engine.hogql(f"select uuid, properties.{chain} from events limit 50000", team=TEAM)
    theirs = dict(engine.run(f"SELECT uuid, {oracle(*keys)} FROM events WHERE team_id = {TEAM}"))
    assert len(ours) == objects
    different = [(value, theirs[uuid]) for uuid, value in ours if spaceless(value) != spaceless(theirs[uuid])]
    assert set(different) <= ({("0", "-0")} if keys[0] == "$browser" and len(keys) > 1 else set())


def broken_down(engine: Engine, team: int, key: str, where: str) -> tuple[Counter[object], Counter[object]]:
    """How many events have which value, by us and by the oracle."""
    ours = engine.hogql(
        f"select properties.`{key}` as v, count() from events where {where} group by v limit 50000", team=team
    )
    theirs = engine.run(f"SELECT {oracle(key)} AS v, count() FROM events WHERE team_id = {team} AND {where} GROUP BY v")
    return counted(ours), counted(theirs)


def counted(rows: list[list[object]]) -> Counter[object]:
    found: Counter[object] = Counter()
    for value, count in rows:
        assert value is None or isinstance(value, str)
        assert isinstance(count, int)
        found[json.dumps(spaceless(value), sort_keys=True)] += count
    return found


@pytest.mark.parametrize("key", KEYS)
def test_breakdowns(engine: Engine, objects: int, flat: int, key: str) -> None:
    ours, theirs = broken_down(engine, TEAM, key, "1 = 1")
    assert ours == theirs
    assert len(ours) > 20
    ours, theirs = broken_down(engine, FLAT_TEAM, key, "event = 'generated'")
    assert ours == theirs
    assert len(ours) > 20


def reads_objects(engine: Engine, team: int, where: str) -> bool:
    """Whether ClickHouse, once it has planned our query, reads what is below the path."""
    query = f"select properties.k as v, count() from events where {where} group by v"
    compiled = compile_query(query, Project(team))
    plan = engine.run(f"EXPLAIN header = 1 {compiled.sql}", dict(compiled.values))
    assert any("properties.k" in str(line) for line in plan)
    return any("^" in str(line) for line in plan)


@pytest.mark.parametrize(("where", "some"), [
    ("1 = 1", True),
    ("event = 'generated'", False), ("event in ('generated', 'x')", False), ("event = 'later'", True),
    ("event != 'later'", True),
    ("timestamp < '2024-05-03'", False), ("timestamp < '2024-05-08'", True),
    ("timestamp >= '2024-05-09'", True), ("timestamp >= '2024-05-11'", False),
    ("timestamp between '2024-05-01' and '2024-05-05'", False), ("timestamp <= now() - interval 1 day", True),
    ("timestamp > now() - interval 1 day", False),
    ("event = 'generated' or event = 'later'", True),
    ("event = lower('GENERATED')", True),
])  # fmt: skip
def test_objects_are_looked_for_where_there_are_any(engine: Engine, flat: int, where: str, *, some: bool) -> None:
    """A day before and after what was asked for counts too: the margin of a moving `now()`."""
    assert reads_objects(engine, FLAT_TEAM, where) == some
    if "now" not in where:
        ours, theirs = broken_down(engine, FLAT_TEAM, "k", where)
        assert ours == theirs


def test_an_object_that_comes_is_seen(engine: Engine, flat: int) -> None:
    where = "event = 'newly'"
    assert not reads_objects(engine, FLAT_TEAM, where)
    assert broken_down(engine, FLAT_TEAM, "k", where)[0] == Counter()
    stored(engine, ['{"k": {"b": 1}}'], FLAT_TEAM, event="newly")
    assert broken_down(engine, FLAT_TEAM, "k", where)[0] == Counter({json.dumps({"b": 1.0}): 1})


def test_a_condition_after_an_outer_join_does_not_narrow_what_the_join_sees(engine: Engine, flat: int) -> None:
    """`later` rows are matched by their object, and dropped only afterwards: nobody is left without a match."""
    text = (
        "select count() from events a left join events b on a.properties.k = b.properties.k and b.event = 'later' "
        "where a.event = 'later' and {after}"
    )
    empty = engine.hogql(text.format(after="b.event = ''"), team=FLAT_TEAM)
    assert empty == [[0]]
    assert engine.hogql(text.format(after="b.event = 'later'"), team=FLAT_TEAM) == [[2]]


def spaceless(value: str | None) -> object:
    """What is nested, without regard to what the column does not keep: order; members that are null; in lists, whether
    a null was an empty list, a truth value among texts or numbers was one of those, and, beside fractions, digits of
    whole numbers beyond a float's 53 bits."""
    if value is None or not value.startswith(("{", "[")):
        return value
    try:
        return full(json.loads(value, parse_int=float))
    except ValueError:
        return value


def full(value: object) -> object:
    if isinstance(value, dict):
        return {key: full(item) for key, item in value.items() if item is not None}
    if not isinstance(value, list):
        return value
    kinds = {type(item) for item in value if item is not None}
    return [[] if item is None else full(among(kinds, item)) for item in value]


def among(kinds: set[type], item: object) -> object:
    if not isinstance(item, bool) or len(kinds) != 2:
        return item
    return json.dumps(item) if str in kinds else float(item) if float in kinds else item


CONDITIONS: list[tuple[str, Callable[[str], str]]] = [
    ("= 'x'", lambda value: f"ifNull({value} = 'x', 0)"),
    ("!= 'x'", lambda value: f"ifNull({value} != 'x', 1)"),
    ("= '1.0'", lambda value: f"ifNull({value} = '1.0', 0)"),
    ("in ('x', 'true', null)", lambda value: f"{value} IN ('x', 'true', NULL)"),
    ("not in ('x', '1')", lambda value: f"ifNull({value} NOT IN ('x', '1'), 1)"),
    ("> 2", lambda value: f"ifNull(accurateCastOrNull({value}, 'Float64') > 2, 0)"),
    ("= 1", lambda value: f"ifNull(accurateCastOrNull({value}, 'Float64') = 1, 0)"),
    ("= true", lambda value: f"ifNull({value} = 'true', 0)"),
    ("is null", lambda value: f"isNull({value})"),
    ("is not null", lambda value: f"isNotNull({value})"),
    ("like '%1%'", lambda value: f"ifNull({value} LIKE '%1%', 0)"),
    ("not ilike '%A%'", lambda value: f"ifNull({value} NOT ILIKE '%A%', 1)"),
    ("=~ '^[0-9]+$'", lambda value: f"ifNull(match({value}, '^[0-9]+$'), 0)"),
    ("= '[1]'", lambda value: f"ifNull({value} = '[1]', 0)"),
]


@pytest.mark.parametrize("key", ["k", "$browser", "a b"])
@pytest.mark.parametrize(("condition", "form"), CONDITIONS, ids=[case[0] for case in CONDITIONS])
def test_conditions(engine: Engine, objects: int, key: str, condition: str, form: Callable[[str], str]) -> None:
    ours = engine.hogql(f"select uuid from events where properties.`{key}` {condition} limit 50000", team=TEAM)
    theirs = engine.run(f"SELECT uuid FROM events WHERE team_id = {TEAM} AND {form(oracle(key))}")
    assert 0 < len(theirs) < objects
    assert {row[0] for row in ours} == {row[0] for row in theirs}
