"""What the author of a query may not see is refused, by whichever name it is asked for."""

import pytest

from libs.hogql.compile import Project, compile_query
from libs.hogql.errors import TableAccessDenied

DENIED = [
    "select id from persons", "select id from raw_persons", "select person.id from person_distinct_ids",
    "select pdi.person.properties.email from events", "select 1 from events e join posthog.persons p on true",
    "with a as (select count() from persons) select * from a",
    "select event from events where uuid in (select id from persons)",
    "select person.properties.email from session_replay_events",
]  # fmt: skip
HIDDEN = [
    "select properties.secret from events", "select properties['secret'] from events", "select properties from events",
    "select * from events", "select JSONExtractString(properties, 'secret') from events",
    "select p.secret from (select properties as p from events)", "select e.properties.secret.x from events e",
    "select event from events where properties.secret = 'x'",
]  # fmt: skip


@pytest.mark.parametrize("text", DENIED)
def test_a_denied_table(text: str) -> None:
    with pytest.raises(TableAccessDenied, match="You don't have access to table"):
        compile_query(text, Project(1, denied=frozenset(("person",))))


@pytest.mark.parametrize("text", HIDDEN)
def test_a_hidden_property(text: str) -> None:
    with pytest.raises(TableAccessDenied):
        compile_query(text, Project(1, hidden={"event": frozenset(("secret",))}))


def test_all_else_is_seen() -> None:
    project = Project(1, denied=frozenset(("person",)), hidden={"event": frozenset(("secret",))})
    compile_query("select properties.plan, person.properties.secret, group_0.properties.secret from events", project)
    compile_query("select distinct_id, person_id from person_distinct_ids", project)
