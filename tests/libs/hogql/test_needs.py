"""What has to be looked up before a query can be compiled: all of it, and little else."""

from libs.hogql.needs import Needs, needs_of
from libs.hogql.parser import parse_select


def test_needs() -> None:
    text = (
        "with a as (select properties.$browser from events where person_id in cohort 5) "
        "select person.properties.email, e.properties['a b'], company.properties.name from events e "
        "where person_id not in cohort 'vip' and e.person_id in cohort 7"
    )
    assert needs_of(parse_select(text)) == Needs(
        frozenset(("$browser", "email", "a b", "name")),
        frozenset((5, 7)),
        frozenset(("vip",)),
        frozenset(("e", "company")),
    )


def test_a_plain_query_needs_nothing() -> None:
    assert needs_of(parse_select("select event, count() from events group by event")) == Needs()


def test_depth_does_not_matter() -> None:
    assert needs_of(parse_select("select " + "(" * 150 + "properties.x" + ")" * 150 + " from events")).properties == {
        "x"
    }
