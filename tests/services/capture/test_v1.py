"""The v1 dialect through the app: cases 43 to 48, and the rest of its rules."""

import gzip
import json
import uuid
import zlib
from collections.abc import AsyncIterator
from typing import Any

import brotli
import httpx
import orjson
import pytest
import zstandard

from libs.kit.errors import LogFull, PayloadTooLarge
from tests.support.capturing import NOW, Capturing, capturing

PATH = "/i/v1/analytics/events"
REQUEST_ID = "0190a1b2-0000-4000-8000-000000000001"
HEADERS = {
    "Authorization": "Bearer phc_t",
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "posthog-python/7.0",
    "PostHog-Sdk-Info": "posthog-python/7.0",
    "PostHog-Attempt": "1",
    "PostHog-Request-Id": REQUEST_ID,
    "PostHog-Request-Timestamp": "2026-11-21T12:00:00Z",
}


@pytest.fixture
async def capture() -> AsyncIterator[Capturing]:
    async with capturing() as running:
        yield running


def event(**fields: Any) -> dict[str, Any]:
    return {"event": "a", "uuid": str(uuid.uuid4()), "distinct_id": "u", "timestamp": "2026-11-21T11:00:00Z", **fields}


def body_of(*events: dict[str, Any], **fields: Any) -> bytes:
    return orjson.dumps({"created_at": "2026-11-21T11:59:59Z", "batch": events, **fields})


async def send(capture: Capturing, content: bytes, path: str = PATH, **changed: str | None) -> httpx.Response:
    """POST with all headers; `changed` replaces some, or takes away those that are None."""
    headers = {**HEADERS, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return await capture.http.post(
        path, content=content, headers={name: value for name, value in headers.items() if value is not None}
    )


def results(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"].values())


async def test_43_two_events(capture: Capturing) -> None:
    first, second = event(properties={"$lib": "mine", "x": 1.0}, session_id="s", window_id="w"), event()
    answer = await send(capture, body_of(first, second))
    assert answer.json() == {"results": {first["uuid"]: {"result": "ok"}, second["uuid"]: {"result": "ok"}}}
    assert answer.headers["posthog-request-id"] == REQUEST_ID
    assert "retry-after" not in answer.headers
    [record, _] = capture.log.records
    assert record.key == b"phc_t:u"
    assert dict(record.headers)["session_id"] == b"s"
    assert b'"x":1.0' in record.value
    [sent, other] = capture.log.events()
    assert sent["uuid"] == first["uuid"]
    assert sent["sent_at"] == "2026-11-21T12:00:00.000Z"
    assert sent["data"]["properties"] == {
        "x": 1.0,
        "$session_id": "s",
        "$window_id": "w",
        "$lib": "posthog-python",
        "$lib_version": "7.0",
    }
    assert set(sent["data"]) == {"event", "distinct_id", "uuid", "properties", "timestamp"}
    assert other["data"]["properties"] == {"$lib": "posthog-python", "$lib_version": "7.0"}


HEADERS_REFUSED: dict[str, tuple[dict[str, str | None], int, str]] = {
    "44 no token": ({"Authorization": None}, 401, "invalid_api_token"),
    "44 no attempt": ({"PostHog_Attempt": None}, 400, "missing_required_headers"),
    "44 text": ({"Content_Type": "text/plain"}, 415, "unsupported_content_type"),
    "44 lz4": ({"Content_Encoding": "lz4"}, 415, "unsupported_encoding"),
    "another scheme": ({"Authorization": "Basic cGhjX3Q="}, 400, "invalid_header_value"),
    "a personal key": ({"Authorization": "bearer phx_1"}, 401, "invalid_api_token"),
    "an empty token": ({"Authorization": "Bearer "}, 401, "invalid_api_token"),
    "attempt zero": ({"PostHog_Attempt": "0"}, 400, "invalid_header_value"),
    "attempt of letters": ({"PostHog_Attempt": "one"}, 400, "invalid_header_value"),
    "an id that is no uuid": ({"PostHog_Request_Id": "7"}, 400, "invalid_header_value"),
    "a clock without a zone": ({"PostHog_Request_Timestamp": "2026-11-21T12:00:00"}, 400, "invalid_header_value"),
    "gzip that is none": ({"Content_Encoding": "gzip"}, 400, "request_decoding_error"),
    "zstd that is none": ({"Content_Encoding": "zstd"}, 400, "request_decoding_error"),
    "brotli that is none": ({"Content_Encoding": "br"}, 400, "request_decoding_error"),
    "deflate that is none": ({"Content_Encoding": "deflate"}, 400, "request_decoding_error"),
}


@pytest.mark.parametrize("name", HEADERS_REFUSED)
async def test_headers(capture: Capturing, name: str) -> None:
    changed, status, tag = HEADERS_REFUSED[name]
    answer = await send(capture, body_of(event()), **changed)
    assert (answer.status_code, answer.json()["error"]) == (status, tag)
    assert set(answer.json()) == {"error", "error_description", "error_uri"}
    assert answer.headers["accept"] == "application/json"
    assert answer.headers["accept-encoding"] == "gzip, deflate, br, zstd"
    assert capture.log.records == []


async def test_all_missing_headers_are_named(capture: Capturing) -> None:
    answer = await send(capture, body_of(event()), PostHog_Attempt=None, PostHog_Sdk_Info=None)
    assert "PostHog-Sdk-Info, PostHog-Attempt" in answer.json()["error_description"]


TWICE = event()
BODIES_REFUSED: dict[str, tuple[bytes, str]] = {
    "45 a uuid twice": (body_of(TWICE, {**TWICE, "uuid": TWICE["uuid"].upper()}), "duplicate_event_uuid"),
    "no uuid": (body_of(event(uuid=" ")), "missing_event_uuid"),
    "a bad uuid": (body_of(event(uuid="nope"), event()), "invalid_event_uuid"),
    "no events": (body_of(), "empty_batch"),
    "a bad time of the batch": (body_of(event(), created_at="yesterday"), "invalid_batch"),
    "no time of the batch": (b'{"batch":[]}', "request_parsing_error"),
    "no batch": (b'{"created_at":"2026-11-21T11:59:59Z"}', "request_parsing_error"),
    "a name that is none": (body_of(event(event=5)), "request_parsing_error"),
    "no timestamp": (body_of(event(timestamp=None)), "request_parsing_error"),
    "no JSON": (b"{", "request_parsing_error"),
    "deep": (b'{"a":' * 100_000, "request_parsing_error"),
    "not UTF-8": (b'"\xff"', "request_decoding_error"),
    "nothing": (b"", "empty_body"),
}


@pytest.mark.parametrize("name", BODIES_REFUSED)
async def test_bodies_that_are_refused_whole(capture: Capturing, name: str) -> None:
    content, tag = BODIES_REFUSED[name]
    answer = await send(capture, content)
    assert (answer.status_code, answer.json()["error"]) == (400, tag)
    assert answer.headers["posthog-request-id"] == REQUEST_ID
    assert capture.log.records == []


DROPPED: dict[str, tuple[dict[str, Any], str]] = {
    "46 a long id": ({"distinct_id": "é" * 100 + "x"}, "distinct_id_too_large"),
    "48 an unreadable option": ({"options": {"process_person_profile": "maybe"}}, "invalid_options"),
    "options that are none": ({"options": [1]}, "invalid_options"),
    "an option out of range": ({"options": {"cookieless_mode": {}}}, "invalid_options"),
    "an option of many digits": ({"options": {"cookieless_mode": "1" * 5000}}, "invalid_options"),
    "a tour of 1.5": ({"options": {"product_tour_id": 1.5}}, "invalid_options"),
    "no name": ({"event": ""}, "missing_event_name"),
    "a long name": ({"event": "x" * 201}, "event_name_too_long"),
    "no id": ({"distinct_id": "  "}, "missing_distinct_id"),
    "a time that is none": ({"timestamp": "2026-11-21 soon"}, "invalid_event_timestamp"),
    "a time without a zone": ({"timestamp": "2026-11-21T11:00:00"}, "invalid_event_timestamp"),
    "properties that are none": ({"properties": [1]}, "malformed_event_properties"),
    "too large": ({"properties": {"x": "y" * 1_000_000}}, "event_too_big"),
    "a performance event": ({"event": "$performance_event"}, "performance_event"),
}


@pytest.mark.parametrize("name", DROPPED)
async def test_a_bad_event_is_dropped_alone(capture: Capturing, name: str) -> None:
    fields, details = DROPPED[name]
    answer = await send(capture, body_of(event(**fields), event()))
    assert results(answer) == [{"result": "drop", "details": details}, {"result": "ok"}]
    assert len(capture.log.records) == 1


async def test_all_dropped_is_still_an_answer(capture: Capturing) -> None:
    assert results(await send(capture, body_of(event(event="")))) == [
        {"result": "drop", "details": "missing_event_name"}
    ]
    assert capture.log.topics == []


@pytest.mark.parametrize("nobody", ["anonymous", " NULL ", "[object Object]", "0"])
async def test_47_ids_that_mean_nobody(capture: Capturing, nobody: str) -> None:
    answer = await send(capture, body_of(event(distinct_id=nobody)))
    assert results(answer) == [{"result": "ok", "details": "person_processing_disabled"}]
    assert dict(capture.log.records[0].headers)["force_disable_person_processing"] == b"true"
    assert capture.log.events()[0]["distinct_id"] == nobody.strip()


OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"process_person_profile": "0"}, {"$process_person_profile": False}),
    ({"process_person_profile": " true "}, {"$process_person_profile": True}),
    ({"process_person_profile": 2.5}, {"$process_person_profile": True}),
    ({"process_person_profile": None, "unknown": [1]}, {}),
    ({"product_tour_id": 17}, {"$product_tour_id": "17"}),
    ({"product_tour_id": "t"}, {"$product_tour_id": "t"}),
    ({"cookieless_mode": True}, {"$cookieless_mode": True}),
]


@pytest.mark.parametrize(("options", "added"), OPTIONS)
async def test_48_options_become_properties(capture: Capturing, options: dict[str, Any], added: dict[str, Any]) -> None:
    sent = event(options=options, properties={"$process_person_profile": None, "kept": 1})
    assert results(await send(capture, body_of(sent), PostHog_Sdk_Info="no version")) == [{"result": "ok"}]
    expected = {"$process_person_profile": None, "kept": 1, **added}
    assert capture.log.events()[0]["data"]["properties"] == expected


async def test_cookieless_visitors_are_keyed_by_address(capture: Capturing) -> None:
    await send(capture, body_of(event(options={"cookieless_mode": 1})), X_Forwarded_For="198.51.100.7")
    assert capture.log.records[0].key == b"phc_t:198.51.100.7"
    assert capture.log.events()[0]["is_cookieless_mode"] is True


@pytest.mark.parametrize(
    ("fields", "clock", "expected"),
    [
        ({}, "2026-11-21T12:00:10Z", "2026-11-21T10:59:50.000Z"),
        ({"options": {"disable_skew_correction": True}}, "2026-11-21T12:00:10Z", "2026-11-21T11:00:00.000Z"),
        ({"timestamp": "2026-11-23T00:00:00+02:00"}, "2026-11-21T12:00:00Z", "2026-11-21T12:00:00.000Z"),
        (
            {"timestamp": "2026-11-23T00:00:00+02:00", "options": {"disable_skew_correction": True}},
            "2026-11-21T12:00:00Z",
            "2026-11-22T22:00:00.000Z",
        ),
        ({"timestamp": "9999-12-31T23:59:59Z"}, "0001-01-01T00:00:00Z", "2026-11-21T12:00:00.000Z"),
    ],
)
async def test_times(capture: Capturing, fields: dict[str, Any], clock: str, expected: str) -> None:
    await send(capture, body_of(event(**fields)), PostHog_Request_Timestamp=clock)
    assert capture.log.events()[0]["timestamp"] == expected


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_every_coding(capture: Capturing, coding: str) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}[coding]
    whole = pack(body_of(event(properties={"x": "y" * 5000})))
    assert results(await send(capture, whole, Content_Encoding=coding)) == [{"result": "ok"}]
    for cut in (1, len(whole) // 2):
        answer = await send(capture, whole[:-cut], Content_Encoding=coding)
        assert (answer.status_code, answer.json()["error"]) == (400, "request_decoding_error")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_bombs(coding: str) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}[coding]
    async with capturing(max_inflated_bytes=1024**2) as capture:
        answer = await send(capture, pack(bytes(8 * 1024**2)), Content_Encoding=coding)
    assert (answer.status_code, answer.json()["error"]) == (413, "payload_too_large")


async def test_what_the_log_did_not_take_is_to_be_sent_again(capture: Capturing) -> None:
    capture.log.failure = LogFull("full")
    answer = await send(capture, body_of(event(), event(event=""), event()))
    assert [one["result"] for one in results(answer)] == ["retry", "drop", "retry"]
    assert results(answer)[0]["details"] == "not_persisted"
    assert answer.headers["retry-after"] == "1"
    capture.log.failure = PayloadTooLarge("message of 2 MB")
    answer = await send(capture, body_of(event()))
    assert (answer.status_code, answer.json()["error"]) == (413, "payload_too_large")
    capture.log.failure = KeyError("secret")
    answer = await send(capture, body_of(event()))
    assert (answer.status_code, answer.json()["error"]) == (500, "internal_error")
    assert "secret" not in answer.text


async def test_too_many_events_and_bodies() -> None:
    async with capturing(max_events=2, max_body_bytes=5000) as capture:
        assert (await send(capture, body_of(event(), event()))).status_code == 200
        for content in (body_of(event(), event(), event()), bytes(6000)):
            answer = await send(capture, content)
            assert (answer.status_code, answer.json()["error"]) == (413, "payload_too_large")
    async with capturing(max_inflight_body_bytes=10) as capture:
        answer = await send(capture, body_of(event()))
        assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")
        assert answer.headers["retry-after"] == "1"


async def test_the_ai_path_takes_ai_events_only(capture: Capturing) -> None:
    answer = await send(capture, body_of(event(event="$ai_generation"), event()), path="/i/v1/ai/events/")
    assert results(answer) == [{"result": "ok"}, {"result": "drop", "details": "misrouted_event"}]


async def test_migrations_and_our_own_traffic(capture: Capturing) -> None:
    await send(capture, body_of(event(), historical_migration=True, capture_internal=True))
    [sent] = capture.log.events()
    assert sent["historical_migration"] is True
    assert sent["ip"] == "127.0.0.1"
    assert sent["now"] == f"{NOW:%Y-%m-%dT%H:%M:%S}.000Z"


async def test_half_an_emoji_is_mended(capture: Capturing) -> None:
    content = body_of(event(properties={"x": "HALF"})).replace(b"HALF", rb"\ud83d")
    assert results(await send(capture, content)) == [{"result": "ok"}]
    assert json.loads(capture.log.records[0].value)["data"]["properties"]["x"] == "\ufffd"


async def test_other_methods(capture: Capturing) -> None:
    assert (await capture.http.get(PATH)).status_code == 405
    answer = await capture.http.options(PATH, headers={"Origin": "https://a.example"})
    assert (answer.status_code, answer.text) == (200, "")
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
