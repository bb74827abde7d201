"""What an editor is told of a text, and where in it."""

from libs.hogql.compile import Project
from libs.hogql.metadata import expression_metadata, query_metadata, tables_read
from libs.hogql.parser import parse_select
from libs.hogql.resolver import Cohort

PROJECT = Project(1)


def test_a_right_query_has_notices_of_its_fields() -> None:
    text = "select event, properties.$browser from events where timestamp > now()"
    found = query_metadata(text, PROJECT)
    assert found.errors == []
    assert [(remark.message, text[remark.start : remark.end]) for remark in found.notices] == [
        ("Field 'event' is of type 'String'", "event"),
        ("Field '$browser' is of type 'String'", "properties.$browser"),
        ("Field 'timestamp' is of type 'DateTime'", "timestamp"),
    ]
    assert (found.table_names, found.stored_tables) == (["events"], ["events"])


def test_a_wrong_query_says_where() -> None:
    (error,) = query_metadata("select event, nope from events", PROJECT).errors
    assert (error.message, error.start, error.end) == ("Unable to resolve field: nope", 14, 18)


def test_what_the_table_computes_itself_is_not_remarked() -> None:
    found = query_metadata("select elements_chain_href from events", PROJECT)
    assert [(remark.start, remark.end) for remark in found.notices] == [(7, 26)]


def test_an_unfinished_text_ends_unexpectedly() -> None:
    assert query_metadata("select event from", PROJECT).errors[0].message == "Unexpected end of query"
    assert expression_metadata("event ||", PROJECT).errors[0].message == "Unexpected end of query"


def test_an_expression_has_places_of_its_own() -> None:
    found = expression_metadata("event = 'a'", PROJECT)
    assert [(remark.start, remark.end) for remark in found.notices] == [(0, 5)]
    assert [(e.start, e.end) for e in expression_metadata("1 + nope", PROJECT).errors] == [(4, 8)]


def test_names_of_with_are_no_tables() -> None:
    text = "with a as (select 1 from events) select 1 from a join (select 1 from numbers(3)) b join system.x on 1 = 1"
    assert tables_read(parse_select(text)) == ["events", "numbers", "system.x"]


def test_cohorts_and_definitions_are_remarked_on() -> None:
    project = Project(1, cohorts=(Cohort(5, "vip"),), property_types={"event": {"price": "Numeric"}})
    text = "select properties.price from events where person_id in cohort 5 or person_id in cohort 'vip'"
    notices = {notice.message: notice for notice in query_metadata(text, project).notices}
    assert "Event property 'price' is of type 'Float'." in notices
    by_id = notices["Cohort #5 can also be specified as 'vip'"]
    assert (text[by_id.start : by_id.end], by_id.fix) == ("5", "'vip'")
    by_name = notices["Searching for cohort by name. Replace with numeric ID 5 to protect against renaming."]
    assert (text[by_name.start : by_name.end], by_name.fix) == ("'vip'", "5")
    assert query_metadata(text, project).stored_tables == ["events"]
