"""What a project refuses: saved over the API, read by ingestion with the project."""

from typing import Any

import pytest

from libs.kit.access.model import MEMBER
from libs.kit.clock import SystemClock
from libs.kit.event_filters import EventFilter
from libs.kit.teams import Teams
from tests.support.web import Web

pytestmark = pytest.mark.embedded
TREE = {"type": "or", "children": [{"type": "condition", "field": "event_name", "operator": "exact", "value": "n"}]}
GOES = {"event_name": "n", "expected_result": "drop"}


async def team_of(web: Web) -> Any:
    return await Teams(web.runtime.postgres, SystemClock()).by_token(web.token)


async def test_a_filter_is_made_tried_and_put_to_work(web: Web) -> None:
    path = f"/api/projects/{web.project_id}/event_filter"
    async with web.with_key(web.key) as client:
        assert (await client.get(path)).status_code == 204
        made = await client.post(f"{path}/", json={"filter_tree": TREE, "test_cases": [GOES]})
        assert made.status_code == 200
        said = made.json()
        assert (said["mode"], said["filter_tree"], said["test_cases"]) == ("disabled", TREE, [GOES])
        assert (await team_of(web)).event_filter is None
        await client.post(path, json={"mode": "dry_run"})
        assert (await team_of(web)).event_filter == EventFilter(TREE, live=False)
        changed = (await client.post(path, json={"mode": "live"})).json()
        assert (changed["id"], changed["created_at"]) == (said["id"], said["created_at"])
        assert (await team_of(web)).event_filter == EventFilter(TREE, live=True)
        assert (await client.get(path)).json() == changed
        await client.post(path, json={"filter_tree": None, "test_cases": []})
        assert (await team_of(web)).event_filter is None


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"mode": "on"}, "mode"),
        ({"mode": None}, "mode"),
        ({"mode": []}, "mode"),
        ({"filter_tree": {"type": "xor"}}, "filter_tree"),
        ({"filter_tree": [1]}, "filter_tree"),
        ({"test_cases": "x"}, "test_cases"),
        ({"test_cases": None}, "test_cases"),
        ({"filter_tree": TREE, "test_cases": [{**GOES, "expected_result": "ingest"}]}, "test_cases"),
    ],
)
async def test_filters_that_are_none(web: Web, body: dict[str, Any], attr: str) -> None:
    path = f"/api/projects/{web.project_id}/event_filter"
    async with web.with_key(web.key) as client:
        answer = await client.post(path, json=body)
        assert (answer.status_code, answer.json()["attr"]) == (400, attr)
        assert (await client.get(path)).status_code == 204


async def test_required_properties(web: Web) -> None:
    path = f"/api/projects/{web.project_id}/required_properties"
    events = {"bought": {"amount": ["Numeric"], "item": []}, "é": {"x": ["String", "Object"]}}
    async with web.with_key(web.key) as client:
        assert (await client.get(path)).json() == {"events": {}}
        assert (await client.put(path, json={"events": events})).json() == {"events": events}
        assert (await team_of(web)).required == events
        assert (await client.put(path, json={"events": {"bought": {}}})).json() == {"events": {}}
        assert (await team_of(web)).required == {}


@pytest.mark.parametrize(
    "events",
    [
        None,
        [],
        {"a": []},
        {"": {"x": []}},
        {"a": {"": []}},
        {"a": {"x\0": []}},
        {"a" * 401: {"x": []}},
        {"a": {"x": "Numeric"}},
        {"a": {"x": ["Number"]}},
        {"a": {"x": [["Numeric"]]}},
        {"a": {str(number): [] for number in range(1001)}},
    ],
)
async def test_properties_that_cannot_be_required(web: Web, events: object) -> None:
    path = f"/api/projects/{web.project_id}/required_properties"
    async with web.with_key(web.key) as client:
        answer = await client.put(path, json={"events": events})
        assert (answer.status_code, answer.json()["attr"]) == (400, "events")


async def test_a_member_may_look_and_change_nothing(web: Web) -> None:
    await web.add_user("eve@example.com", level=MEMBER)
    async with web.signed_in("eve@example.com") as client:
        for name, method in (("event_filter", client.post), ("required_properties", client.put)):
            path = f"/api/projects/{web.project_id}/{name}"
            assert (await client.get(path)).status_code in (200, 204)
            assert (await method(path, json={"mode": "live", "events": {}})).status_code == 403
