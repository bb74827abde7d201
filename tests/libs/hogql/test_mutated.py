"""Texts that were queries before something happened to them: compiled or refused in the user's terms, in time."""

import time
from collections import Counter
from pathlib import Path

from libs.hogql.compile import Project, compile_query
from libs.hogql.errors import HogQLError, TeamGuardError
from libs.hogql.parser import parse_expr
from tests.libs.hogql.corpus import Corpus, mutated
from tests.support.scale import SEED, scaled

TIMES = 8  # each query is mutated so often: making one takes longer than reading one
SLOW_SECONDS = 5  # of the processor; none takes one, but the machine may be busy
FIXTURES = [
    part
    for path in sorted(Path(__file__).with_name("fixtures").glob("*.sql"))
    for part in path.read_text().split("\n\n")
]  # fmt: skip


def explained(error: HogQLError, text: str) -> None:
    assert error.message, text
    assert error.start is None or 0 <= error.start <= (error.end or 0) <= len(text), text


def test_mutated_inputs_are_refused_in_our_terms() -> None:
    """HEDGEROW_TEST_SEED chooses other inputs, so that several runs together make a large one."""
    seed = 23 if SEED is None else SEED
    corpus, project, ends, base = Corpus(seed), Project(1, "Europe/Berlin"), Counter[str](), ""
    for number in range(scaled(1_000_000, least=5_000)):
        if number % TIMES == 0:
            base = FIXTURES[number % len(FIXTURES)] if number % (4 * TIMES) == 0 else corpus.text()
        text = mutated(base, seed * 1_000_000 + number)
        started = time.thread_time()
        try:
            if number % 7 == 0:
                parse_expr(text)
            else:
                compile_query(text, project)
            ends["accepted"] += 1
        except TeamGuardError:
            raise
        except HogQLError as refused:
            explained(refused, text)
            ends[type(refused).__name__] += 1
        assert time.thread_time() - started < SLOW_SECONDS, text
    print(dict(ends))
    # Some survive what happened to them, and some get as far as the passes: not all fail for something in common.
    assert ends["accepted"]
    assert ends["HogQLSyntaxError"]
    assert ends["QueryError"]
