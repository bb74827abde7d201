"""The kinds that an editor asks for, over HTTP."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.services.query.conftest import Api

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="package")]


async def asked(api: "Api", kind: str, **query: Any) -> dict[str, Any]:
    answer = await api.post({"query": {"kind": kind, **query}})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_metadata_of_a_right_query(api: "Api") -> None:
    found = await asked(api, "HogQLMetadata", language="hogQL", query="select event from events where {variables.who}",
                        variables={"1": {"code_name": "who"}})  # fmt: skip
    assert found["isValid"] is True
    assert found["errors"] == []
    assert found["notices"] == [{"message": "Field 'event' is of type 'String'", "start": 7, "end": 12}]
    assert found["table_names"] == found["ch_table_names"] == ["events"]


async def test_metadata_of_a_wrong_one_is_no_error(api: "Api") -> None:
    found = await asked(api, "HogQLMetadata", language="hogQLExpr", query="nope + 1")
    assert found["isValid"] is False
    assert found["errors"] == [{"message": "Unable to resolve field: nope", "start": 0, "end": 4}]
    other = await asked(api, "HogQLMetadata", language="hog", query="return 1")
    assert other["isValid"] is False


async def test_autocomplete(api: "Api") -> None:
    text = "select  from events"
    found = await asked(api, "HogQLAutocomplete", language="hogQL", query=text, startPosition=7, endPosition=7)
    assert found["suggestions"][1] == {"label": "event", "insertText": "event", "kind": "Variable", "detail": "String"}
    assert found["incomplete_list"] is False
    expr = await asked(api, "HogQLAutocomplete", language="hogQLExpr", query="person.", startPosition=7, endPosition=7)
    assert [item["label"] for item in expr["suggestions"]] == ["id", "created_at", "properties"]


async def test_database_schema(api: "Api") -> None:
    found = await asked(api, "DatabaseSchemaQuery")
    fields = found["tables"]["events"]["fields"]
    assert fields["event"] == {"name": "event", "hogql_value": "event", "type": "string", "schema_valid": True}
    assert fields["$session_id"]["hogql_value"] == "`$session_id`"
    assert fields["person"]["type"] == "virtual_table"
    assert "team_id" not in fields


async def test_another_teams_key_is_refused(api: "Api") -> None:
    answer = await api.post({"query": {"kind": "DatabaseSchemaQuery"}}, headers={"authorization": "Bearer phx_nobody"})
    assert answer.status_code == 401


async def test_variables_are_values(api: "Api") -> None:
    variables = {
        "1": {"variableId": "1", "code_name": "who", "value": "it's"},
        "2": {"variableId": "2", "code_name": "nobody", "isNull": True},
    }
    answer = await api.hogql("select {variables.who}, {variables.nobody}", variables=variables)
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"] == [["it's", None]]
    assert "it's" not in answer.json()["clickhouse"]
    missing = await api.hogql("select {variables.other}", variables=variables)
    assert missing.status_code == 400
    assert "Variable other is missing from query" in missing.json()["detail"]
