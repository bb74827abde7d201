"""What projects are told of events that capture did not take."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.kit.contracts.capture_warnings import COUNT, FROM_CAPTURE, TYPE
from libs.kit.contracts.topics import EVENTS
from libs.kit.errors import LogFull
from services.capture.policies.warnings import MAX_WAITING, CaptureWarnings
from tests.support.capturing import NOW, Capturing, KeptLog, capturing

V1 = "/i/v1/analytics/events"
HEADERS = {
    "Authorization": "Bearer phc_t",
    "Content-Type": "application/json",
    "User-Agent": "sdk/1",
    "PostHog-Sdk-Info": "sdk/1",
    "PostHog-Attempt": "1",
    "PostHog-Request-Id": "0190a1b2-0000-4000-8000-000000000001",
    "PostHog-Request-Timestamp": "2026-11-21T12:00:00Z",
}


@pytest.fixture
async def capture() -> AsyncIterator[Capturing]:
    async with capturing() as running:
        yield running


async def told(capture: Capturing) -> dict[str, int]:
    """Types and numbers, as they come to ingestion."""
    before = len(capture.log.records)
    await capture.policies.warnings.tell(capture.log)  # type: ignore[arg-type]  # all of it that is used
    found = {}
    for topic, record in list(zip(capture.log.topics, capture.log.records, strict=True))[before:]:
        assert topic == EVENTS.name
        assert FROM_CAPTURE in record.headers
        value = json.loads(record.value)
        assert (value["token"], value["event"]) == ("phc_t", "$$client_ingestion_warning")
        assert str(uuid.UUID(value["uuid"])) == value["uuid"]
        said = value["data"]["properties"]
        found[said[TYPE]] = said[COUNT]
    return found


def event(**fields: Any) -> dict[str, Any]:
    return {"event": "a", "uuid": str(uuid.uuid4()), "distinct_id": "u", "timestamp": "2026-11-21T11:00:00Z", **fields}


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"event": ""}, "missing_event_name"),
        ({"event": "x" * 201}, "event_name_too_long"),
        ({"distinct_id": " "}, "missing_distinct_id"),
        ({"distinct_id": "x" * 201}, "distinct_id_too_large"),
        ({"timestamp": "soon"}, "invalid_event_timestamp"),
        ({"properties": []}, "malformed_event_properties"),
        ({"options": {"process_person_profile": "maybe"}}, "invalid_options"),
        ({"properties": {"x": "y" * 1_200_000}}, "message_size_too_large"),
    ],
)
async def test_an_event_that_v1_drops(capture: Capturing, wrong: dict[str, Any], kind: str) -> None:
    batch = [event(), event(**wrong), event(**wrong)]
    answer = await capture.http.post(V1, json={"created_at": "2026-11-21T11:59:59Z", "batch": batch}, headers=HEADERS)
    assert answer.status_code == 200
    assert await told(capture) == {kind: 2}
    assert await told(capture) == {}


@pytest.mark.parametrize(
    ("body", "told_of"),
    [
        ({"batch": []}, {"empty_batch": 1}),
        ({"batch": [event()], "created_at": "soon"}, {"invalid_batch": 1}),
        ({"batch": [event(), event(uuid="")]}, {"missing_event_uuid": 2}),
        ({"batch": [event(), event(uuid="x")]}, {"invalid_event_uuid": 2}),
        ({"batch": [event(uuid=str(uuid.UUID(int=1)))] * 3}, {"duplicate_event_uuid": 3}),
        ({"batch": [{"event": 5}]}, {}),  # what cannot be read at all is told by its answer
    ],
)
async def test_a_batch_that_v1_refuses(capture: Capturing, body: dict[str, Any], told_of: dict[str, int]) -> None:
    sent = {"created_at": "2026-11-21T11:59:59Z", **body}
    assert (await capture.http.post(V1, json=sent, headers=HEADERS)).status_code == 400
    assert await told(capture) == told_of


async def test_v0_tells_of_what_refuses_a_request(capture: Capturing) -> None:
    for wrong in ({"event": ""}, {"distinct_id": ""}, {"distinct_id": ""}, {"token": "phx_mine"}, {"event": None}):
        sent = {"event": "a", "distinct_id": "u", "api_key": "phc_t", **wrong}
        sent.pop("api_key" if "token" in wrong else "", None)
        assert (await capture.post("/e/", sent)).status_code in (400, 401)
    assert await told(capture) == {"missing_event_name": 1, "missing_distinct_id": 2}


async def test_a_log_that_is_full_hears_of_it_later(capture: Capturing) -> None:
    capture.policies.noted("dropped", "invalid_options", 2, "phc_t")
    capture.log.failure = LogFull("no room")
    assert await told(capture) == {}
    capture.policies.noted("dropped", "invalid_options", 1, "phc_t")
    capture.log.failure = None
    assert await told(capture) == {"invalid_options": 3}


async def test_tokens_that_nobody_has_checked_do_not_fill_the_memory(capture: Capturing) -> None:
    for number in range(MAX_WAITING + 100):
        capture.policies.noted("dropped", "invalid_options", 1, f"phc_{number}")
    capture.policies.noted("dropped", "invalid_options", 1, "phc_0")
    await capture.policies.warnings.tell(capture.log)  # type: ignore[arg-type]
    said = [value["data"]["properties"][COUNT] for value in capture.log.events()]
    assert (len(said), said[0]) == (MAX_WAITING, 2)


async def test_what_was_noted_is_told_at_the_end() -> None:
    async with capturing() as capture:
        warnings, log, stop = CaptureWarnings(capture.clock), KeptLog(), asyncio.Event()
        running = asyncio.create_task(warnings.run(log, stop, seconds=3600))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        warnings.note("phc_t", "invalid_options", 1)
        stop.set()
        await running
        [value] = log.events()
        assert value["timestamp"] == value["now"] == NOW.isoformat().replace("+00:00", "Z")
