"""The query API against real engines: answers, errors, and whose rows they are."""

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.hogql import OTHER_MARK

if TYPE_CHECKING:
    from tests.services.query.conftest import Api

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="package")]

BROWSERS = """
    select properties.$browser as browser, count() as event_count, count(distinct distinct_id) as unique_users
    from events where timestamp > now() - interval 7 day group by browser order by event_count desc
"""

TIMES = """
    select timestamp, uuid, 1 / 0, 18446744073709551615, [timestamp], toDate(timestamp), null
    from events order by timestamp limit 1
"""


async def test_answer_has_posthogs_shape(api: "Api") -> None:
    answer = await api.hogql(BROWSERS.replace("7 day", "9000 day"))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["columns"] == ["browser", "event_count", "unique_users"]
    assert sorted(body["results"], key=str) == [["Chrome", 2, 2], ["Firefox", 1, 1], [None, 2, 2]]
    assert body["types"] == [["browser", "Nullable(String)"], ["event_count", "UInt64"], ["unique_users", "UInt64"]]
    assert (body["limit"], body["offset"], body["hasMore"]) == (100, 0, False)
    assert body["error"] is None
    assert body["is_cached"] is False
    assert body["timezone"] == "UTC"
    assert body["hogql"].startswith("SELECT properties.$browser AS browser")
    assert body["clickhouse"].startswith("SELECT ")
    assert body["cache_key"].startswith("cache_")
    assert {timing["k"] for timing in body["timings"]} >= {"./compile", "./clickhouse_execute"}


async def test_the_query_of_the_readme(api: "Api") -> None:
    answer = await api.hogql(BROWSERS)
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"] == []  # the fixture's events are of 2024


async def test_values_are_written_as_posthog_writes_them(api: "Api") -> None:
    await api.runtime.postgres.execute("UPDATE posthog_team SET timezone = 'Europe/Berlin' WHERE id = $1", api.team)
    try:
        answer = await api.hogql(TIMES)
    finally:
        await api.runtime.postgres.execute("UPDATE posthog_team SET timezone = 'UTC' WHERE id = $1", api.team)
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"] == [
        [
            "2024-05-01T12:00:00.123456+02:00",
            "0189abcd-0000-0000-0001-000000000001",
            None,
            18446744073709551615,
            ["2024-05-01T12:00:00.123456+02:00"],
            "2024-05-01",
            None,
        ]
    ]
    assert answer.json()["types"][0][1] == "DateTime64(6, 'Europe/Berlin')"


async def test_odd_values_still_make_json(api: "Api") -> None:
    answer = await api.hogql("select 12345678901234567890123, unhex('ff61'), 0 / 0, -1 / 0")
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"] == [[12345678901234567890123, "\ufffda", None, None]]


async def test_pages_say_that_there_is_more(api: "Api") -> None:
    body = (await api.hogql("select event from events order by timestamp limit 2 offset 1")).json()
    assert body["results"] == [["$pageview"], ["signup"]]
    assert (body["limit"], body["offset"], body["hasMore"]) == (2, 1, True)


async def test_values_fill_placeholders(api: "Api") -> None:
    answer = await api.hogql("select count() from events where event = {name}", values={"name": "sign'up"})
    assert answer.json()["results"] == [[0]]
    answer = await api.hogql("select count() from events where event in {names}", values={"names": ["signup"]})
    assert answer.json()["results"] == [[2]]


@pytest.mark.parametrize(
    "path", ["/api/projects/{}/query", "/api/environments/{}/query/", "/api/environments/{}/query"]
)
async def test_all_addresses_answer(api: "Api", path: str) -> None:
    query = {"query": {"kind": "DataTableNode", "source": {"kind": "HogQLQuery", "query": "select 1"}}}
    answer = await api.post(query, path=path.format(api.team))
    assert answer.json()["results"] == [[1]]


@pytest.mark.parametrize(
    ("text", "code", "start", "line", "column"),
    [
        ("select a from", "hogql_syntax_error", 13, 1, 14),
        ("select\n  nope\nfrom events", "hogql_query_error", 9, 2, 3),
        ("select * from system.tables", "hogql_query_error", 14, 1, 15),
        ("select * from url('http://x')", "hogql_query_error", 14, 1, 15),
        ("select dictGet('d', 'a', 1)", "hogql_query_error", 7, 1, 8),
        ("select 1 settings max_threads = 4", "hogql_query_error", 9, 1, 10),
    ],
)
async def test_wrong_queries_say_where(api: "Api", text: str, code: str, start: int, line: int, column: int) -> None:
    answer = await api.hogql(text)
    assert answer.status_code == 400
    body = answer.json()
    assert (body["type"], body["code"], body["attr"]) == ("validation_error", code, None)
    assert f"(line {line}, column {column})" in body["detail"]
    assert (body["extra"]["start"], body["extra"]["line"], body["extra"]["column"]) == (start, line, column)


async def test_what_clickhouse_refuses_is_the_callers(api: "Api") -> None:
    answer = await api.hogql("select toDateTime('not a time')")
    assert answer.status_code == 400
    assert answer.json()["type"] == "validation_error"
    assert "DB::Exception" not in answer.json()["detail"]
    assert "In scope" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "kind", "code", "attr"),
    [
        (b"{", 400, "invalid_request", "parse_error", None),
        (b"[]", 400, "invalid_request", "parse_error", None),
        (b"\xff\xfe", 400, "invalid_request", "parse_error", None),
        ({}, 400, "validation_error", "required", "query"),
        ({"query": "select 1"}, 400, "validation_error", "invalid_input", "query"),
        ({"query": {}}, 400, "validation_error", "required", "query__kind"),
        ({"query": {"kind": "TrendsQuery"}}, 400, "validation_error", "invalid_input", "query__kind"),
        ({"query": {"kind": "HogQLQuery"}}, 400, "validation_error", "required", "query__query"),
        ({"query": {"kind": "HogQLQuery", "query": 5}}, 400, "validation_error", "invalid_input", "query__query"),
        ({"query": {"kind": "HogQLQuery", "query": "select 1"}, "refresh": "x"}, 400, "validation_error", None, None),
        (b'{"query":"' + b"x" * 30_000_000 + b'"}', 413, "invalid_request", "payload_too_large", None),
    ],
    ids=["broken", "list", "no utf-8", "empty", "text", "no kind", "kind", "no query", "number", "refresh", "huge"],
)
async def test_bad_bodies(api: "Api", body: object, status: int, kind: str, code: str | None, attr: str | None) -> None:
    answer = await api.post(body)
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert found["type"] == kind
    if code is not None:
        assert (found["code"], found["attr"]) == (code, attr)


async def test_only_who_may_read_gets_an_answer(api: "Api") -> None:
    query = {"query": {"kind": "HogQLQuery", "query": "select 1"}}
    assert (await api.post(query, headers={"authorization": ""})).status_code == 401
    assert (await api.post(query, headers={"authorization": "Bearer phx_wrong"})).status_code == 401
    assert (await api.post(query, team=api.team + 1)).status_code in (403, 404)
    await api.runtime.postgres.execute("UPDATE posthog_personalapikey SET scopes = ARRAY['insight:read']")
    try:
        refused = await api.post(query)
    finally:
        await api.runtime.postgres.execute("UPDATE posthog_personalapikey SET scopes = ARRAY['*']")
    assert refused.status_code == 403
    assert "query:read" in refused.json()["detail"]


async def test_no_query_reaches_another_team(api: "Api") -> None:
    for text in (
        "select * from events",
        "select event from events where team_id = 2 or 1 = 1",
        "select a.event, b.event from events a cross join events b",
        "select b.event from events a right join events b on a.uuid = b.uuid",
        "select JSONExtract('{\"team_id\": 2}', 'Tuple(team_id Int64)') as events, event from events",
        "select 2 as `events.team_id`, event from events",
        "select arrayMap(events -> events, [event]) from events",
    ):
        answer = await api.hogql(text)
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"], text
        assert OTHER_MARK not in json.dumps(answer.json()["results"])


async def test_the_engine_guards_the_team_by_itself(api: "Api") -> None:
    """Even SQL that lost its guard sees one team: the setting that goes with each query is enough."""
    filters = {"additional_table_filters": f"{{'events': 'team_id = {api.team}'}}"}
    unguarded = "SELECT DISTINCT team_id FROM events AS e"
    assert len((await api.runtime.clickhouse.query(unguarded)).rows) == 2
    assert (await api.runtime.clickhouse.query(unguarded, settings=filters)).rows == [[api.team]]


async def test_a_client_that_leaves_stops_its_query(api: "Api") -> None:
    # chained so that no filter can be moved down and nothing is known beforehand
    slow = "select count() from numbers(100000000000) where cityHash64(number) = 1"
    running = asyncio.create_task(api.hogql(slow))
    processes = "SELECT count() FROM system.processes WHERE query LIKE '%cityHash64%' AND query NOT LIKE '%processes%'"
    async with asyncio.timeout(120):
        while not (await api.runtime.clickhouse.fetch(processes))[0][0]:
            await asyncio.sleep(0.02)
        running.cancel()
        while (await api.runtime.clickhouse.fetch(processes))[0][0]:
            await asyncio.sleep(0.02)
