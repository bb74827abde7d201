"""Texts that were queries before something happened to them: compiled or refused in the user's terms, in time."""

import time
from pathlib import Path

from libs.hogql.compile import Project, compile_query
from libs.hogql.errors import HogQLError, TeamGuardError
from libs.hogql.parser import parse_expr, parse_select
from tests.libs.hogql.corpus import Corpus, mutated
from tests.support.scale import scaled

COMPILED_OF = 100  # one in so many goes through all passes
SLOW_SECONDS = 20  # none takes a second; the machine may be busy
FIXTURES = [
    part
    for path in sorted(Path(__file__).with_name("fixtures").glob("*.sql"))
    for part in path.read_text().split("\n\n")
]  # fmt: skip


def explained(error: HogQLError, text: str) -> None:
    assert error.message, text
    assert error.start is None or 0 <= error.start <= (error.end or 0) <= len(text), text


def test_mutated_inputs_are_refused_in_our_terms() -> None:
    corpus, project, accepted = Corpus(23), Project(1, "Europe/Berlin"), 0
    for number in range(scaled(1_000_000, least=5_000)):
        base = FIXTURES[number % len(FIXTURES)] if number % 4 == 0 else corpus.text()
        text = mutated(base, number)
        started = time.monotonic()
        try:
            if number % COMPILED_OF == 0:
                compile_query(text, project)
            elif number % 7 == 0:
                parse_expr(text)
            else:
                parse_select(text)
            accepted += 1
        except TeamGuardError:
            raise
        except HogQLError as refused:
            explained(refused, text)
        assert time.monotonic() - started < SLOW_SECONDS, text
    assert accepted  # some survive what happened to them: the others are not refused for something common to all
