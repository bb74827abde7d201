"""The list of functions against the real engine: what may be called is there."""

import pytest

from libs.hogql import functions
from libs.hogql.compile import Project, compile_query
from libs.hogql.errors import HogQLError, NotSupported, QueryError
from libs.hogql.parser import parse_expr
from libs.hogql.posthog_functions import EXPANSIONS
from libs.hogql.rules import COMPARISONS, RULES
from tests.support.hogql import TEAM, Engine

OURS = frozenset(RULES) | frozenset(COMPARISONS)
EXPANDED = frozenset(EXPANSIONS) | {"matchesAction"}


def test_every_function_exists_in_clickhouse(engine: Engine) -> None:
    known = {row[0] for row in engine.run("SELECT name FROM system.functions")}
    folded = {name.lower() for name in known}
    combinators = (
        "If",
        "State",
        "Merge",
        "ForEach",
        "Array",
        "Map",
        "Distinct",
        "OrNull",
        "OrDefault",
        "ArgMin",
        "ArgMax",
    )

    def exists(name: str) -> bool:
        if name in known or name.lower() in folded:
            return True
        return any(name.endswith(suffix) and exists(name.removesuffix(suffix)) for suffix in combinators)

    missing = [d.name for d in functions.every() if d.name not in OURS | EXPANDED and not exists(d.target)]
    assert missing == []


def test_nothing_dangerous_is_on_the_list() -> None:
    for name in (
        "dictGet", "getSetting", "hostName", "currentUser", "currentDatabase", "file", "url", "s3", "remote", "sleep",
        "sleepEachRow", "throwIf", "reinterpret", "runningAccumulate", "joinGet", "input", "getMacro", "version",
        "fuzzBits", "generateRandom", "shell", "catboostEvaluate", "loop", "merge", "executable",
    ):  # fmt: skip
        assert functions.find(name) is None, name


def test_every_rule_has_an_entry() -> None:
    assert {d.name for d in functions.every()} >= OURS | EXPANDED
    assert {d.name for d in functions.every() if d.group == "rule"} <= OURS
    assert {d.name for d in functions.every() if d.group == "expanded"} == EXPANDED


def test_what_cannot_be_called_is_said_by_name() -> None:
    for name in functions.REFUSED:
        assert functions.find(name) is None
        with pytest.raises(NotSupported, match=f"'{name}' is not available") as caught:
            compile_query(f"select {name}(1) from events", Project(TEAM))
        assert caught.value.hint


CALLS = [
    ("make_timestamp(2024, 1, 2, 3, 4, 5), make_date(2024, 1, 2)", ["2024-01-02 03:04:05", "2024-01-02"]),
    ("date_bin(interval 1 day, toDateTime('2024-05-01 10:00:00'), toDateTime('2024-01-01'))",
     ["2024-05-01 00:00:00.000000"]),
    ("split_part('a.b.c', '.', 2), split_part('a', '.', 2)", ["b", ""]),
    ("to_timestamp(0), to_char(toDateTime('2024-05-01 10:00:00'), '%Y')", ["1970-01-01 00:00:00", "2024"]),
    ("toDate('2024-01-31') + make_interval(1, 1, 0, 0, 0, 0)", ["2025-02-28 00:00:00"]),
    ("generateSeries(1, 3, 1), tryDecodeURLComponent('a%20b')", [[1, 2, 3], "a b"]),
    ("md5('a'), languageCodeToName('de'), languageCodeToName('xx')",
     ["0CC175B9C0F1B6A831C399E269772661", "German", "Unknown"]),
    ("sortableSemVer('v1.10.2-rc1') > sortablesemver('1.9.9')", [1]),
    ("isLikelyBot('Mozilla/5.0 (compatible; Googlebot/2.1)'), getBotName('Googlebot/2.1'), isLikelyBot('Mozilla/5.0')",
     [True, "Googlebot", False]),
    ("lookupDomainType('google.com'), lookupPaidSourceType('facebook'), lookupOrganicMediumType('email')",
     ["Search", "Paid Social", "Email"]),
    ("convertCurrency('USD', 'USD', 5), convertCurrency('USD', 'EUR', 5)", [5, 0]),
    ("sparkline([1, 2], ['a', 'b'])", [["__hx_tag", "Sparkline", "data", [1, 2], "labels", ["a", "b"]]]),
    ("bitmapToArray(bitmapAnd(bitmapBuild([1, 2]), bitmapBuild([2, 3]))), h3IsValid(stringToH3('85283473fffffff'))",
     [[2], 1]),
    ("tumbleStart(toDateTime('2024-05-01 10:00:00'), interval 1 day), trim('xax', 'x'), lpad('a', 3, 'b')",
     ["2024-05-01 00:00:00", "a", "bba"]),
    ("mapContainsKeyLike(map('ab', 1), 'a%'), hasTokenOrNull('a b', 'a'), reinterpretAsUInt8('a')", [1, 1, 97]),
]  # fmt: skip


@pytest.mark.parametrize(("calls", "values"), CALLS, ids=[case[0][:40] for case in CALLS])
def test_calls(engine: Engine, calls: str, values: list[object]) -> None:
    assert engine.hogql(f"select {calls}") == [values]


def test_aggregations_of_ours_and_combinators(engine: Engine) -> None:
    text = (
        "select json_agg(event), every(event != ''), string_agg(distinct_id, '-'), sumIfOrNull(1, false), "
        "avgOrDefault(1), maxArgMaxIf(1, 2, false), countIf(true), medianIf(number, true) from "
        "(select event, distinct_id, 1 as number from events where event = 'purchase')"
    )
    with pytest.raises(HogQLError):
        engine.hogql(text)  # nothing may follow If
    found = engine.hogql(text.replace("sumIfOrNull", "sumOrNullIf"))
    assert found == [['["purchase"]', True, "user2", None, 1, 0, 1, 1]]


def test_surveys(engine: Engine) -> None:
    text = (
        "select getSurveyResponse(0), getSurveyResponse(1, 'id'), getSurveyResponse(0, 'id', true) from events limit 1"
    )
    assert engine.hogql(text)[0] == [None, None, []]
    assert engine.hogql("select count() from events where uniqueSurveySubmissionsFilter('a')") == [[0]]


def test_actions_are_conditions(engine: Engine) -> None:
    actions = {"3": parse_expr("event = 'signup'"), "Sign up": parse_expr("event = 'signup'")}
    for wanted in ("3", "'3'", "'Sign up'"):
        assert engine.hogql(f"select count() from events where matchesAction({wanted})", actions=actions) == [[2]]
    with pytest.raises(QueryError, match="Could not find action 4"):
        engine.hogql("select count() from events where matchesAction(4)", actions=actions)


def test_names_match_in_other_cases_only_where_the_language_says() -> None:
    assert functions.find("COUNT") is not None
    assert functions.find("countif") is None
