"""Properties read from the JSON column are what JSONExtract reads from the text as it was sent, on generated objects.

One difference is known: an object with nothing in it (`{}`, `{"a": null}`) leaves no trace in the column and reads as
missing. Strings come back as they are, where PostHog leaves them escaped.
"""

import json
import random
from collections.abc import Callable, Iterator

import pytest

from libs.kit.clickhouse.statement_settings import INSERT, JSON_INPUT
from tests.support.hogql import Engine, event_row
from tests.support.scale import scaled

TEAM = 7
SCALARS = [
    "1", "1.0", "1e3", "1.50", "-0.0", "0.1", "12345678901234567890", "123456789012345678901234567890", "1E-7",
    "-9223372036854775809", "9007199254740993", "1.7976931348623157e308", "true", "false", "null", '""', '"x"', '"1.0"',
    '"he said \\"hi\\""', '"a\\nb"', '"\\u00e9"', '"true"', '"null"', '"{}"', '"[1]"', '" "', '"2024-01-01"',
    '"2024-01-01T10:00:00Z"', '"2024-01-01 10:00:00.123"', '"\\ud83d\\ude00"', '"\'; drop table events; --"',
]  # fmt: skip
KEYS = ["k", "$browser", "a b", "b", "x"]


class Objects:
    """Texts of JSON objects, the same ones for the same seed."""

    def __init__(self, seed: int):
        self._random = random.Random(seed)

    def value(self, depth: int) -> str:
        """Any value: what is nested holds something."""
        choice = self._random.random()
        if depth == 0 or choice < 0.7:
            return self._random.choice(SCALARS)
        if choice < 0.85:
            return "[" + ", ".join([self.value(depth - 1) for _ in range(self._random.randint(0, 3))]) + "]"
        return self.object(depth - 1, ["b", "x"])

    def object(self, depth: int, keys: list[str]) -> str:
        """Some of the keys, and one that always has a value."""
        chosen = [key for key in keys if self._random.random() < 0.7]
        return "{" + ", ".join(['"full": 1', *[f"{json.dumps(key)}: {self.value(depth)}" for key in chosen]]) + "}"


@pytest.fixture(scope="module")
def objects(engine: Engine) -> Iterator[int]:
    """Events of a team of their own, with generated properties: how many."""
    source, lines, count = Objects(20), [], scaled(20_000, least=400)
    for number in range(count):
        text = source.object(2, KEYS)
        row = event_row(TEAM, number, "generated", "2024-05-02 09:00:00", {})
        del row["properties"]
        lines.append(json.dumps({**row, "properties_raw": text})[:-1] + f', "properties": {text}}}')
    wanted = {**INSERT, **JSON_INPUT}
    settings = ", ".join(f"{k} = {v!r}" for k, v in wanted.items() if not k.startswith(("wait", "distributed")))
    engine.run_statement(f"INSERT INTO events SETTINGS {settings} FORMAT JSONEachRow " + "\n".join(lines))
    yield count
    engine.run_statement(f"DELETE FROM events WHERE team_id = {TEAM}")


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
    assert different == []


def spaceless(value: str | None) -> object:
    """What is nested, without regard to what the column does not keep: order, members that are null, and, beside
    fractions in a list, digits of whole numbers beyond the 53 bits of a float."""
    if value is None or not value.startswith(("{", "[")):
        return value
    try:
        return full(json.loads(value, parse_int=float))
    except ValueError:
        return value


def full(value: object) -> object:
    if isinstance(value, dict):
        return {key: full(item) for key, item in value.items() if item is not None}
    return value


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
