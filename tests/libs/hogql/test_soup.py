"""No text, however odd, gets anything out of the compiler but SQL or an error of its tree; nor does it hang."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.hogql.compile import Project, compile_query
from libs.hogql.errors import HogQLError, TeamGuardError
from libs.hogql.words import KEYWORDS
from tests.support.scale import scaled

TOKENS = [
    *sorted(KEYWORDS),
    *"( ( ) ) [ ] { } , , . ; : :: := -> ? ?. ?? = == != <> < <= > >= <=> + - * / % || ~ =~ !~*".split(),
    "event", "events", "properties", "properties.$browser", "person", "timestamp", "team_id", "x", "t", "*", "#1", "#",
    "count(", "sum(", "quantile(0.5)(", "toDate(", "now()", "numbers(3)", "f'a{", "}'", "'", "'a'", "`b`", '"c"', "--",
    "/*", "*/", "\n", "1", "0x1f", "1.5", "1e400", ".1", "é", "&", "<b>", "</b>", "<b/>", "\\", "\x00", "\u2003",
    "select", "from events", "where", "group by", "order by", "limit 1", "union all", "with a as (select 1)",
]  # fmt: skip


def compiled_or_refused(text: str) -> None:
    started = time.monotonic()
    try:
        compile_query(text, Project(1, "Europe/Berlin"))
    except TeamGuardError:
        raise
    except HogQLError as error:
        refused = error
    else:
        refused = HogQLError("none", start=0, end=0)
    assert refused.message
    assert refused.start is None or 0 <= refused.start <= (refused.end or 0) <= len(text)
    assert time.monotonic() - started < 5


@settings(max_examples=scaled(10_000, least=200), deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=40), st.sampled_from(["", " "]))
def test_token_soup(tokens: list[str], between: str) -> None:
    compiled_or_refused("select " + between.join(tokens))


@settings(max_examples=scaled(10_000, least=200), deadline=None)
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    compiled_or_refused(text)
    compiled_or_refused(f"select {text} from events")
    compiled_or_refused(f"select properties.`{text}` as `{text}` from events")
