"""The parser compiled and the same source in plain Python: one grammar, one set of errors, the same limits."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.hogql import parser
from libs.hogql.errors import HogQLError, TooComplex
from libs.hogql.parser import build, parse_select
from libs.hogql.parser.select import SelectParser
from tests.libs.hogql.corpus import Corpus, mutated
from tests.support.require import require
from tests.support.scale import scaled

ROOT = Path(__file__).resolve().parents[3]
SUITES = ("test_language.py", "test_errors.py", "test_formatter.py", "test_json_form.py")


@pytest.fixture(scope="module", name="plain")
def plain_build() -> type[SelectParser]:
    """The parser from its Python files, beside the one that serves."""
    before = {name: sys.modules[name] for name in build.MODULES}
    plain = build.load_plain()["libs.hogql.parser.select"]
    for name, module in before.items():
        sys.modules[name] = module
        package, _, own = name.rpartition(".")
        setattr(sys.modules[package], own, module)
    return plain.SelectParser


def outcome(parse: Callable[[], Any], text: str) -> str:
    try:
        return repr(parse())
    except HogQLError as error:
        error.located(text)
        return f"{type(error).__name__}: {error.message} {error.start} {error.end} {error.hint}"


def test_the_compiled_build_serves_and_is_of_these_sources() -> None:
    require(all(build.compiled(name) for name in build.MODULES), "the compiled parser (setup.py build_ext --inplace)")
    for name in build.MODULES:
        made, path = build.compiled(name), build.source(name)
        assert made is not None
        newest = max(path.stat().st_mtime, path.with_suffix(".pxd").stat().st_mtime)
        assert made.stat().st_mtime >= newest, f"{made.name} is older than its source: setup.py build_ext --inplace"
    assert ("python" if os.environ.get("HEDGEROW_PURE_PYTHON") else "cython") == parser.CHOSEN


def test_both_builds_agree_to_the_position(plain: type[SelectParser]) -> None:
    require(parser.CHOSEN == "cython", "the compiled parser")
    corpus = Corpus(11)
    for number in range(scaled(20_000, least=400)):
        text = corpus.text()
        if number % 3 == 0:
            text = mutated(text, number)
        compiled = outcome(lambda text=text: SelectParser(text).whole_query(), text)  # type: ignore[misc]
        assert outcome(lambda text=text: plain(text).whole_query(), text) == compiled, text  # type: ignore[misc]


def test_plain_python_passes_the_same_tests() -> None:
    require(parser.CHOSEN == "cython", "the compiled parser")
    tests = [f"tests/libs/hogql/{name}" for name in SUITES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        env={**os.environ, "HEDGEROW_PURE_PYTHON": "1"}, cwd=ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


NESTED = {
    "brackets": "( 1 )", "calls": "f( 1 )", "not": "not_ 1 ", "minus": "-_ a ", "subqueries": "(select_ 1 )",
    "tags": "<a> x </a>", "braces": "{ 1 }", "templates": "f'{ 1 }'", "lambdas": "x_->_ 1 ", "dicts": "{'a': 1 }",
    "casts": "cast(1_as_Array( Int64 ))", "types": "Array( a )", "cases": "case_when_ 1 _then_1_end", "arrays": "[ 1 ]",
    "sources": "(select_1_from_ a )", "windows": "f()_over_(order_by_ 1 )", "leaning": "( 1 +1+1+1)",
    "ternaries": "1_?_2_:_ 3 ", "joins": "( a )",
}  # fmt: skip
BEFORE = {"types": "cast(1 as ", "joins": "1 from "}


@pytest.mark.parametrize("times", [100, 5_000, 19_000])
@pytest.mark.parametrize("name", NESTED)
def test_the_limits_hold_in_a_small_stack(name: str, times: int) -> None:
    before, middle, after = (part.replace("_", " ") for part in NESTED[name].split(" "))
    text = f"select {BEFORE.get(name, '')}{before * times}{middle}{after * times}"[:199_000]
    seen: list[str] = []

    def parse() -> None:
        try:
            seen.append(type(parse_select(text)).__name__)
        except TooComplex:
            seen.append("TooComplex")
        except HogQLError as error:
            seen.append(error.message)

    usual = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=parse)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(usual)
    assert len(seen) == 1
    assert times == 100 or seen[0] != "SelectQuery"


def test_a_tree_is_never_higher_than_the_limit_though_its_chains_are() -> None:
    for chains in (1, 2, 20, 200):
        text = "select " + "(" * chains + "1" + ("+1" * (25_000 // chains if chains > 25 else 900) + ")") * chains
        if chains == 1:
            assert parse_select(text)
        else:
            with pytest.raises(TooComplex):
                parse_select(text)
