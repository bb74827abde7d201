"""The list of functions against the real engine: what may be called is there."""

from libs.hogql import functions
from libs.hogql.rules import COMPARISONS, RULES
from tests.support.hogql import Engine

OURS = frozenset(RULES) | frozenset(COMPARISONS)


def test_every_function_exists_in_clickhouse(engine: Engine) -> None:
    known = {row[0] for row in engine.run("SELECT name FROM system.functions")}
    folded = {name.lower() for name in known}
    combinators = ("If", "State", "Merge", "ForEach", "Array", "Map", "Distinct", "OrNull")

    def exists(name: str) -> bool:
        if name in known or name.lower() in folded:
            return True
        return any(name.endswith(suffix) and exists(name.removesuffix(suffix)) for suffix in combinators)

    missing = [d.name for d in functions.every() if d.name not in OURS and not exists(d.target)]
    assert missing == []


def test_nothing_dangerous_is_on_the_list() -> None:
    for name in (
        "dictGet", "getSetting", "hostName", "currentUser", "currentDatabase", "file", "url", "s3", "remote", "sleep",
        "sleepEachRow", "throwIf", "reinterpret", "runningAccumulate", "joinGet", "input", "getMacro", "version",
        "fuzzBits", "generateRandom", "shell", "catboostEvaluate", "loop", "merge", "executable",
    ):  # fmt: skip
        assert functions.find(name) is None, name


def test_every_rule_has_an_entry() -> None:
    assert {d.name for d in functions.every() if d.group == "rule"} == OURS


def test_names_match_in_other_cases_only_where_the_language_says() -> None:
    assert functions.find("COUNT") is not None
    assert functions.find("countif") is None
