"""What a query needs beside its text, over HTTP: definitions, cohorts, filters, variables, rows of system tables."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from libs.hogql.errors import TeamGuardError
from libs.hogql.schema import DATABASE
from libs.kit.errors import InvalidRequest
from services.query.service import table_filters
from services.query.system_rows import MAX_ROWS, lines_of

if TYPE_CHECKING:
    from tests.services.query.conftest import Api

pytestmark = [pytest.mark.embedded]
over_http = pytest.mark.asyncio(loop_scope="package")


async def answered(api: "Api", text: str, **more: Any) -> list[list[Any]]:
    answer = await api.hogql(text, **more)
    assert answer.status_code == 200, answer.text
    rows: list[list[Any]] = answer.json()["results"]
    return rows


async def refused(api: "Api", text: str, **more: Any) -> dict[str, Any]:
    answer = await api.hogql(text, **more)
    assert answer.status_code == 400, answer.text
    body: dict[str, Any] = answer.json()
    return body


@over_http
async def test_every_table_answers(api: "Api") -> None:
    for table in DATABASE.tables:
        await answered(api, f"select count() from {table}")


@over_http
async def test_system_tables_hold_the_projects_own_rows(api: "Api") -> None:
    await api.runtime.postgres.execute(
        "INSERT INTO posthog_grouptypemapping (team_id, project_id, group_type, group_type_index) "
        "VALUES ($1, $1, 'company', 0), ($2, $2, 'other', 0) ON CONFLICT DO NOTHING",
        api.team,
        api.team + 1,
    )
    assert await answered(api, "select id, timezone from system.teams") == [[api.team, "UTC"]]
    assert await answered(api, "select group_type from system.group_type_mappings where 1 = 1 or true") == [["company"]]
    assert await answered(api, "select count() from system.dashboards") == [[0]]
    tables = await answered(api, "select table_name, table_type from system.information_schema.tables")
    assert ["events", "posthog"] in tables
    assert ["system.cohorts", "system"] in tables
    columns = "select data_type from system.information_schema.columns where table_name = 'events' and column_name = "
    assert await answered(api, columns + "'timestamp'") == [["DateTime"]]


@over_http
async def test_a_type_of_groups_is_a_name(api: "Api") -> None:
    await api.runtime.postgres.execute(
        "INSERT INTO posthog_grouptypemapping (team_id, project_id, group_type, group_type_index) "
        "VALUES ($1, $1, 'company', 0) ON CONFLICT DO NOTHING",
        api.team,
    )
    rows = await answered(api, "select company.key from events where company.key != '' limit 1")
    assert rows == []  # nobody has told of any group yet
    assert "Unable to resolve field" in (await refused(api, "select nothing.key from events"))["detail"]


@over_http
async def test_definitions_say_what_a_property_is(api: "Api") -> None:
    await api.runtime.postgres.execute(
        "INSERT INTO posthog_propertydefinition (team_id, project_id, name, type, property_type) "
        "VALUES ($1, $1, 'price', 1, 'Numeric'), ($1, $1, 'price', 2, 'String') ON CONFLICT DO NOTHING",
        api.team,
    )
    assert await answered(api, "select properties.price from events where event = 'purchase'") == [[100.0]]
    answer = await api.post(
        {"query": {"kind": "HogQLMetadata", "language": "hogQL", "query": "select properties.price from events"}}
    )
    messages = [notice["message"] for notice in answer.json()["notices"]]
    assert "Event property 'price' is of type 'Float'." in messages


@over_http
async def test_cohorts_by_id_and_name(api: "Api") -> None:
    rows = await api.runtime.postgres.fetch(
        "INSERT INTO posthog_cohort (team_id, name, version) VALUES ($1, 'vip', 2) RETURNING id", api.team
    )
    cohort = rows[0]["id"]
    theirs = await api.runtime.postgres.fetch("SELECT 1 FROM posthog_team WHERE id = $1", api.team + 1)
    assert not theirs  # a cohort belongs to a project that there is
    person = "01890000-0000-0000-0000-00000000000{}"
    members = [
        {"person_id": person.format(number), "cohort_id": cohort, "team_id": team, "sign": 1, "version": version}
        for number, team, version in ((1, api.team, 2), (0, api.team, 1), (0, api.team + 1, 2))
    ]
    await api.runtime.clickhouse.insert("cohortpeople", "\n".join(map(json.dumps, members)).encode())
    by_id = await answered(api, f"select distinct person_id from events where person_id in cohort {cohort}")
    assert by_id == [[person.format(1)]]
    assert await answered(api, "select distinct person_id from events where person_id in cohort 'vip'") == by_id
    assert (await answered(api, "select name, is_static from system.cohorts")) == [["vip", 0]]
    body = await refused(api, "select person_id in cohort 999999 from events")
    assert "Could not find cohort with ID 999999" in body["detail"]
    assert body["extra"]["start"] == 27
    await api.runtime.postgres.execute("UPDATE posthog_cohort SET deleted = true WHERE id = $1", cohort)
    await refused(api, f"select person_id in cohort {cohort} from events")


@over_http
async def test_filters(api: "Api") -> None:
    count = "select count() from events where {filters}"
    assert await answered(api, count) == [[5]]
    plan = {"key": "plan", "type": "event", "operator": "exact", "value": ["pro"]}
    assert await answered(api, count, filters={"properties": [plan]}) == [[2]]
    assert await answered(api, count, filters={"dateRange": {"date_from": "2024-05-03"}}) == [[2]]
    assert await answered(api, count, filters={"dateRange": {"date_from": "2024-05-01", "date_to": "2024-05-02"}}) == [
        [2]
    ]
    assert await answered(api, count, filters={"dateRange": {"date_from": "-7d"}}) == [[0]]
    since = "select count() from events where timestamp > {filters.dateRange.from}"
    assert await answered(api, since, filters={"dateRange": {"date_from": "2024-05-04"}}) == [[1]]
    assert await answered(api, since) == [[5]]
    both = "select count() from events e join events f on e.uuid = f.uuid where {filters}"
    assert await answered(api, both, filters={"properties": [plan]}) == [[2]]
    for wrong in (
        {"properties": [{**plan, "operator": "nope"}]},
        {"properties": [{**plan, "type": "nope"}]},
        {"properties": [3]},
        {"properties": "x"},
        {"dateRange": {"date_from": "soon"}},
        {"dateRange": 3},
    ):
        assert (await refused(api, count, filters=wrong))["code"] == "invalid_property_filter"


@over_http
async def test_variables_have_defaults(api: "Api") -> None:
    await api.runtime.postgres.execute(
        "INSERT INTO posthog_insightvariable (team_id, name, type, code_name, default_value) "
        "VALUES ($1, 'Plan', 'String', 'plan', '\"pro\"')",
        api.team,
    )
    text = "select count() from events where properties.plan = {variables.plan}"
    assert await answered(api, text, variables={"1": {"code_name": "plan"}}) == [[2]]
    assert await answered(api, text, variables={"1": {"code_name": "plan", "value": "free"}}) == [[1]]
    unknown = await refused(api, "select {variables.nope}", variables={"1": {"code_name": "nope"}})
    assert "Variable nope does not exist" in unknown["detail"]
    close = await refused(api, "select {variables.plan}", variables={"1": {"code_name": "plane", "value": 1}})
    assert "Did you mean: plane?" in close["detail"]
    assert await answered(api, "select code_name, default_value from system.insight_variables") == [["plan", '"pro"']]


@over_http
async def test_modes_of_persons(api: "Api") -> None:
    answer = await api.hogql("select count() from events", modifiers={"personsOnEventsMode": "disabled"})
    assert answer.json()["modifiers"]["personsOnEventsMode"] == "disabled"
    body = await refused(api, "select 1", modifiers={"personsOnEventsMode": "sometimes"})
    assert "personsOnEventsMode" in body["detail"]


def test_a_table_without_a_filter_is_a_fault() -> None:
    assert table_filters(frozenset(("events", "person")), 7) == "{'events': 'team_id = 7', 'person': 'team_id = 7'}"
    with pytest.raises(TeamGuardError):
        table_filters(frozenset(("events", "somebodys_table")), 7)


def test_rows_are_not_carried_without_end() -> None:
    row = {"id": 1, "name": "x"}
    assert json.loads(lines_of("system.cohorts", [row], 7)) == {"id": 1, "name": "x", "team_id": 7}
    with pytest.raises(InvalidRequest):
        lines_of("system.cohorts", [row] * (MAX_ROWS + 1), 7)
