"""PostHog's capture, case by case, through the ASGI app: what is answered, and what reaches the log."""

import base64
import gzip
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import orjson
import pytest

from tests.support.capturing import NOW, Capturing, capturing

T = "phc_t"
ONE = {"api_key": T, "event": "a", "distinct_id": "u"}
ONE_TEXT = orjson.dumps(ONE)
FORM = "application/x-www-form-urlencoded"
OK = (200, '{"status":"Ok"}')
LZ = b"N4IghgDglg+g1gUwJ4gFwggCwMYwC4gA0ICAbggHYHphEgAmUAznlBdnjFPWiAK50IAJwD2EBENYImaUBV4BLwKemgXg3AAHsgAvpqA="
MISSING_NAME = "failed to hydrate events from request: non-engage request missing event name attribute"


@pytest.fixture
async def capture() -> AsyncIterator[Capturing]:
    async with capturing() as running:
        yield running


def said(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.text


def event(**fields: Any) -> dict[str, Any]:
    return {**ONE, **fields}


async def test_01_one_event_is_one_record(capture: Capturing) -> None:
    answer = await capture.post("/e/", ONE_TEXT)
    assert said(answer) == OK
    assert answer.headers["content-type"] == "application/json"
    assert capture.log.topics == ["events_plugin_ingestion"]
    [record] = capture.log.records
    assert record.key == b"phc_t:u"
    assert dict(record.headers)["token"] == b"phc_t"


@pytest.mark.parametrize(
    "path", ["/e", "/capture", "/capture/", "/track/", "/engage", "/i/v0/e", "/i/v0/e/", "/batch/"]
)
async def test_02_every_path_takes_every_shape(capture: Capturing, path: str) -> None:
    assert said(await capture.post(path, ONE_TEXT)) == OK
    assert said(await capture.post(path, {"api_key": T, "batch": [ONE, ONE]})) == OK
    assert said(await capture.post(path, [ONE])) == OK
    assert len(capture.log.records) == 4


async def test_03_gzip_is_sniffed(capture: Capturing) -> None:
    assert said(await capture.post("/e/", gzip.compress(ONE_TEXT), content_type="text/plain")) == OK


async def test_04_gzip_is_announced(capture: Capturing) -> None:
    packed = gzip.compress(ONE_TEXT)
    assert said(await capture.post("/e/?compression=gzip-js", packed)) == OK
    assert said(await capture.post("/e/?compression=GZIP", packed)) == OK
    assert said(await capture.post("/e/", packed, content_encoding="gzip")) == OK
    assert len(capture.log.records) == 3


async def test_05_announced_gzip_that_is_none(capture: Capturing) -> None:
    refusal = (400, "failed to decode request: invalid GZIP data")
    assert said(await capture.post("/e/?compression=gzip", ONE_TEXT)) == refusal
    assert said(await capture.post("/e/", ONE_TEXT, content_encoding="gzip")) == refusal


@pytest.mark.parametrize("path", ["/e/", "/i/v0/e/", "/batch/"])
async def test_06_base64_form(capture: Capturing, path: str) -> None:
    body = b"data=" + quote_plus(base64.b64encode(ONE_TEXT)).encode()
    assert said(await capture.post(f"{path}?compression=base64", body, content_type=FORM)) == OK
    unescaped = b"data=" + base64.b64encode(orjson.dumps(event(event="~~~>>>???"))) + b"&compression=base64"
    assert b"+" in unescaped
    assert said(await capture.post(path, unescaped, content_type=FORM)) == OK
    assert capture.log.events()[1]["event"] == "~~~>>>???"


async def test_07_base64_body(capture: Capturing) -> None:
    assert said(await capture.post("/e/", base64.b64encode(ONE_TEXT), content_type="text/plain")) == OK


async def test_08_lz_string(capture: Capturing) -> None:
    """`compressToBase64` of `{"api_key":"phc_t","event":"a","distinct_id":"u","properties":{"n":"é日😀"}}`."""
    form = b"data=" + quote_plus(LZ).encode() + b"&compression=lz64"
    assert said(await capture.post("/e/", form, content_type=FORM)) == OK
    assert said(await capture.post("/e/?compression=lz-string", LZ)) == OK  # PostHog reads it in forms only
    assert [event["data"]["properties"] for event in capture.log.events()] == [{"n": "é日😀"}] * 2
    status, text = said(await capture.post("/e/?compression=lz64", b"N4Ig"))
    assert (status, text[:41]) == (400, "failed to decode request: decompress_lz64")


async def test_a_plain_form(capture: Capturing) -> None:
    assert said(await capture.post("/e/", b"ip=1&data=" + quote_plus(ONE_TEXT).encode(), content_type=FORM)) == OK


async def test_09_get_with_data(capture: Capturing) -> None:
    assert said(await capture.http.get(f"/e/?data={quote(ONE_TEXT)}")) == OK
    assert said(await capture.http.get(f"/e/?data={quote(base64.b64encode(ONE_TEXT))}")) == OK
    assert len(capture.log.records) == 2


REFUSED: dict[str, tuple[str, bytes, dict[str, str], int, str]] = {
    "10 empty body": ("/e/", b"", {}, 400, "request missing data payload"),
    "11 no form": (
        "/e/",
        b"hello",
        {"content_type": FORM},
        400,
        "failed to decode request: expected form data in POST request payload",
    ),
    "twice in a form": (
        "/e/",
        b"data=a&data=b",
        {"content_type": FORM},
        400,
        "failed to decode request: invalid urlencoded form data",
    ),
    "13 empty array": ("/e/", b"[]", {}, 400, "request holds no event"),
    "13 empty batch": ("/e/", b'{"api_key":"phc_t","batch":[]}', {}, 400, "request holds no event"),
    "14 no token": ("/e/", b'{"event":"a","distinct_id":"u"}', {}, 401, "event submitted without an api_key"),
    "15 two tokens": (
        "/e/",
        b'[{"event":"a","distinct_id":"u","token":"A"},{"event":"a","distinct_id":"u","token":"B"}]',
        {},
        401,
        "batch submitted with inconsistent api_key values",
    ),
    "25 empty name": ("/e/", orjson.dumps(event(event="")), {}, 400, "event submitted with an empty event name"),
    "28 no name": ("/e/", b'{"token":"phc_t","distinct_id":"u","$set":{"a":1}}', {}, 400, MISSING_NAME),
    "name is no string": ("/e/", orjson.dumps(event(event=5)), {}, 400, MISSING_NAME),
    "39 cookieless": (
        "/e/",
        orjson.dumps(event(properties={"$cookieless_mode": "yes"})),
        {},
        400,
        "event submitted with invalid cookieless mode",
    ),
    "not UTF-8": ("/e/", b'{"event":"\xff"}', {}, 400, "failed to decode request: invalid UTF8 in request payload"),
    "gzip of no UTF-8": ("/e/", gzip.compress(b'{"\xff"}'), {}, 400, "failed to decode request: invalid gzip data"),
    "cut gzip": ("/e/", gzip.compress(ONE_TEXT)[:-9], {}, 400, "failed to decode request: invalid GZIP data"),
    "wrong checksum": (
        "/e/",
        gzip.compress(ONE_TEXT)[:-8] + bytes(8),
        {},
        400,
        "failed to decode request: invalid GZIP data",
    ),
    "two spellings": ("/e/", b'{"event":"a","distinct_id":"u","$distinct_id":"u","token":"phc_t","api_key":"phc_t"}',
                      {}, 400, "failed to parse request: duplicate field"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_refusals(capture: Capturing, name: str) -> None:
    path, body, headers, status, text = REFUSED[name]
    answer = await capture.post(path, body, **headers)
    assert said(answer) == (status, text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert capture.log.records == []


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"{",
            b"nonsense!",
            b"5",
            b"null ",
            b'"text"',
            b'{"event":"a"',
            b"[1]",
            b'[{"event":"a"},]',
            b"\xef\xbb\xbf{}",
        ),
        *(b"[" * 100_000, b'{"a":' * 100_000, b'{"event":"a","properties":{"a":NaN}}', b'{"event":"a\x00"}'),
    ],
)
async def test_12_what_is_no_json_or_no_event(capture: Capturing, body: bytes) -> None:
    status, text = said(await capture.post("/e/", body))
    assert status == 400
    assert text.startswith("failed to parse request:")


async def test_16_events_without_a_token_take_their_neighbours(capture: Capturing) -> None:
    assert said(await capture.post("/e/", [ONE, {"event": "b", "distinct_id": "u"}])) == OK
    assert [event["token"] for event in capture.log.events()] == [T, T]


@pytest.mark.parametrize(
    ("token", "flaw"),
    [
        ("phx_abc", "personal_api_key"),
        ("x" * 65, "too_long"),
        ("phc_é", "not_ascii"),
        ("", "empty"),
        ("  ", "empty"),
        ("phc_\0", "null_byte"),
    ],
)
async def test_17_token_shapes(capture: Capturing, token: str, flaw: str) -> None:
    answer = await capture.post("/batch/", {"api_key": token, "batch": [{"event": "a", "distinct_id": "u"}]})
    assert said(answer) == (401, f"API key is not valid: {flaw}")


async def test_18_blanks_around_a_token(capture: Capturing) -> None:
    assert said(await capture.post("/e/", event(api_key=" phc_t\n"))) == OK
    assert capture.log.events()[0]["token"] == T


async def test_19_token_and_id_among_properties(capture: Capturing) -> None:
    assert said(await capture.post("/e/", {"event": "a", "properties": {"token": T, "distinct_id": "u"}})) == OK
    assert capture.log.records[0].key == b"phc_t:u"


async def test_20_the_batch_token_wins(capture: Capturing) -> None:
    body = {"api_key": T, "batch": [{"event": "a", "distinct_id": "u", "token": "other"}]}
    assert said(await capture.post("/batch/", body)) == OK
    [sent] = capture.log.events()
    assert sent["token"] == T
    assert sent["data"]["token"] == "other"


@pytest.mark.parametrize("fields", [{"distinct_id": None}, {"distinct_id": ""}, {"distinct_id": " \t "}, {}])
async def test_21_no_distinct_id(capture: Capturing, fields: dict[str, Any]) -> None:
    answer = await capture.post("/e/", {"api_key": T, "event": "a", **fields})
    assert said(answer) == (400, "event submitted without a distinct_id")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"23", "23"),
        (b'"' + b"x" * 250 + b'"', "x" * 200),
        ('"' + "é" * 250 + '"', "é" * 200),
        (b'[ "a", "b" ]', '["a","b"]'),
        (b'{"b":1,"a":[true, null]}', '{"a":[true,null],"b":1}'),
        (b"true", "true"),
        (b"12345678901234567890123", "12345678901234567890123"),
        (b'" a "', " a "),
        (b'"a\\u0000b"', "a\ufffdb"),
        (b"[1e400]", "[1e400]"),
    ],
)
async def test_22_to_24_distinct_ids_become_text(capture: Capturing, sent: bytes | str, kept: str) -> None:
    value = sent.encode() if isinstance(sent, str) else sent
    body = b'{"api_key":"phc_t","event":"a","distinct_id":' + value + b',"properties":{"distinct_id":"x"}}'
    assert said(await capture.post("/e/", body)) == OK
    assert capture.log.events()[0]["distinct_id"] == kept
    assert capture.log.records[0].key == f"phc_t:{kept}".encode()


async def test_25_a_bad_event_takes_its_neighbours_with_it(capture: Capturing) -> None:
    answer = await capture.post("/batch/", {"api_key": T, "batch": [ONE, event(event="")]})
    assert said(answer) == (400, "event submitted with an empty event name")
    assert capture.log.records == []


async def test_26_uuids(capture: Capturing) -> None:
    given = "0190A1B2-0000-7000-8000-0000000000AB"
    assert said(await capture.post("/e/", [event(uuid=""), event(uuid=given), event(uuid=None)])) == OK
    made, kept, made_too = (UUID(event["uuid"]) for event in capture.log.events())
    assert (made.version, made_too.version) == (7, 7)
    assert made != made_too
    assert made.int >> 80 == int(NOW.timestamp() * 1000)
    assert str(kept) == given.lower() == capture.log.events()[1]["uuid"]
    status, text = said(await capture.post("/e/", event(uuid="nope")))
    assert (status, text[:24]) == (400, "failed to parse request:")


@pytest.mark.parametrize(
    "fields",
    [
        *({"timestamp": 1700000000}, {"uuid": "nope"}, {"offset": "5"}, {"offset": 1.5}, {"offset": 2**63}),
        *({"properties": None}, {"properties": []}, {"$set": 5}, {"$set_once": "x"}, {"api_key": 5}),
    ],
)
async def test_27_fields_of_a_wrong_type(capture: Capturing, fields: dict[str, Any]) -> None:
    bad = event(**fields)
    for shape in (bad, [bad]):
        status, text = said(await capture.post("/e/", shape))
        assert (status, text[:24]) == (400, "failed to parse request:")
    assert said(await capture.post("/e/", {"api_key": T, "batch": [ONE, bad]})) == (400, MISSING_NAME)
    assert capture.log.records == []


async def test_28_engage_needs_no_name(capture: Capturing) -> None:
    assert said(await capture.post("/engage/", {"token": T, "distinct_id": "u", "$set": {"a": 1}})) == OK
    [sent] = capture.log.events()
    assert sent["event"] == sent["data"]["event"] == "$identify"
    assert sent["data"]["$set"] == {"a": 1}


async def test_29_performance_events_are_left_out(capture: Capturing) -> None:
    only = {"api_key": T, "batch": [event(event="$performance_event")]}
    assert said(await capture.post("/batch/", only)) == OK
    assert capture.log.records == []
    assert said(await capture.post("/batch/", {"api_key": T, "batch": [*only["batch"], ONE]})) == OK
    assert len(capture.log.records) == 1


async def test_30_beacons(capture: Capturing) -> None:
    answer = await capture.post("/e/?beacon=1", ONE)
    assert said(answer) == (204, "")
    assert "content-length" not in answer.headers
    for query in ("beacon=x", "_=soon", "sent_at=1.5", "_=1&sent_at=1", "beacon=1&beacon=1", f"_={2**63}"):
        assert (await capture.post(f"/e/?{query}", ONE)).status_code == 400, query
    assert said(await capture.post("/e/?ver=1&ip=0&retry_count=x&compression=zip", ONE)) == OK


TIMES: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "33 skew": ({"timestamp": "2026-11-21T11:00:00Z"}, "2026-11-21T12:00:10Z", "2026-11-21T10:59:50.000Z"),
    "34 ignored": (
        {"timestamp": "2026-11-21T11:00:00Z", "properties": {"$ignore_sent_at": True}},
        "2026-11-21T12:00:10Z",
        "2026-11-21T11:00:00.000Z",
    ),
    "35 offset": ({"timestamp": "2026-11-21T11:00:00Z", "offset": 5000}, None, "2026-11-21T11:59:55.000Z"),
    "36 far future": ({"timestamp": "2026-11-22T12:00:00Z"}, None, "2026-11-21T12:00:00.000Z"),
    "36 near future": ({"timestamp": "2026-11-22T10:00:00Z"}, None, "2026-11-22T10:00:00.000Z"),
    "37 garbage": ({"timestamp": "garbage"}, None, "2026-11-21T12:00:00.000Z"),
    "38 bare zone": ({"timestamp": "2025-09-17T14:05:04.805+03"}, None, "2025-09-17T11:05:04.805Z"),
    "no time": ({}, "2026-11-21T12:00:10Z", "2026-11-21T12:00:00.000Z"),
    "sent_at without zone": ({"timestamp": "2026-11-21T11:00:00Z"}, "2026-11-21T12:00:10", "2026-11-21T11:00:00.000Z"),
}


@pytest.mark.parametrize("name", TIMES)
async def test_33_to_38_times(capture: Capturing, name: str) -> None:
    fields, sent_at, expected = TIMES[name]
    assert said(await capture.post("/batch/", {"api_key": T, "batch": [event(**fields)], "sent_at": sent_at})) == OK
    [sent] = capture.log.events()
    assert sent["timestamp"] == expected
    assert sent["now"] == "2026-11-21T12:00:00.000Z"


async def test_sent_at_of_the_query(capture: Capturing) -> None:
    at = int(NOW.timestamp() * 1000) + 10_000
    for query in (f"_={at}", f"sent_at={at}", f"_={at // 1000}"):
        await capture.post(f"/e/?{query}", event(timestamp="2026-11-21T11:00:00Z"))
    times = [event["timestamp"][11:19] for event in capture.log.events()]
    assert times == ["10:59:50", "10:59:50", "11:00:00"]  # seconds are not milliseconds: ignored


async def test_39_cookieless_visitors_are_keyed_by_address(capture: Capturing) -> None:
    sent = event(distinct_id="$posthog_cookieless", properties={"$cookieless_mode": True})
    assert said(await capture.post("/e/", sent, x_forwarded_for="198.51.100.7, 10.0.0.1")) == OK
    assert capture.log.records[0].key == b"phc_t:198.51.100.7"
    assert capture.log.events()[0]["is_cookieless_mode"] is True


async def test_40_historical_migration(capture: Capturing) -> None:
    """PostHog gives these a topic of their own; here the mark travels with them."""
    body = {"api_key": T, "historical_migration": True, "batch": [ONE, event(event="$exception")]}
    assert said(await capture.post("/batch/", body)) == OK
    assert [dict(record.headers)["historical_migration"] for record in capture.log.records] == [b"true"] * 2
    assert [event["historical_migration"] for event in capture.log.events()] == [True, True]
    assert said(await capture.post("/batch/", [event(historical_migration=True)])) == OK
    assert "historical_migration" not in capture.log.events()[2]


CLICKS = {"$heatmap_data": {"https://a.example": [{"x": 1, "y": 2}]}, "$viewport_width": 100, "plan": "pro"}
SCROLLED = {"$prev_pageview_pathname": "/", "$prev_pageview_max_scroll": 9, "$current_url": "https://a.example/b"}


@pytest.mark.parametrize(
    ("properties", "carried", "kept"),
    [
        (CLICKS, {"$heatmap_data", "$viewport_width"}, {"$viewport_width", "plan"}),
        (SCROLLED, set(SCROLLED), set(SCROLLED)),
        (CLICKS | {"$session_id": "s"}, {"$heatmap_data", "$viewport_width", "$session_id"}, None),
    ],
)
async def test_41_heatmaps_travel_alone(
    capture: Capturing, properties: dict[str, Any], carried: set[str], kept: set[str] | None
) -> None:
    given = "0190a1b2-0000-7000-8000-0000000000ab"
    sent = event(event="$pageview", uuid=given, offset=5000, properties=properties, **{"$set": {"a": 1}})
    assert said(await capture.post("/e/", [sent, ONE])) == OK
    page, heatmap, other = capture.log.events()
    assert (page["event"], heatmap["event"], other["event"]) == ("$pageview", "$$heatmap", "a")
    assert page["uuid"] == given != heatmap["uuid"]
    assert UUID(heatmap["uuid"]).version == 7
    assert set(heatmap["data"]["properties"]) == carried
    assert kept is None or set(page["data"]["properties"]) == kept
    assert (heatmap["timestamp"], heatmap["distinct_id"]) == (page["timestamp"], "u")
    assert "$set" not in heatmap["data"]
    assert [dict(record.headers).get("skip_heatmap_processing") for record in capture.log.records] == [
        b"true",
        None,
        None,
    ]
    assert capture.log.records[0].key == capture.log.records[1].key


async def test_41_a_heatmap_sent_again_is_the_same_heatmap(capture: Capturing) -> None:
    sent = event(event="$pageview", properties=CLICKS, uuid="0190a1b2-0000-7000-8000-000000000001")
    for _ in range(2):
        await capture.post("/e/", sent)
    uuids = [one["uuid"] for one in capture.log.events()]
    assert uuids[:2] == uuids[2:]
    assert uuids[0] != uuids[1]
    assert UUID(uuids[1]).version == 7


async def test_41_a_heatmap_is_not_split_again(capture: Capturing) -> None:
    assert said(await capture.post("/e/", event(event="$$heatmap", properties=CLICKS))) == OK
    assert said(await capture.post("/e/", event(properties={"$current_url": "https://a.example"}))) == OK
    assert [event["event"] for event in capture.log.events()] == ["$$heatmap", "a"]


async def test_42_preflight(capture: Capturing) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Headers": "x-a"}
    answer = await capture.http.options("/e/", headers=asked)
    assert said(answer) == (200, "")
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == "x-a"
    assert answer.headers["access-control-allow-methods"] == "GET,POST,OPTIONS"
    refusal = await capture.post("/e/", b"{", origin="https://app.example")
    assert refusal.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in (await capture.post("/e/", ONE)).headers


async def test_49_an_unknown_token_is_taken(capture: Capturing) -> None:
    assert said(await capture.post("/e/", event(api_key="phc_nobody"))) == OK


async def test_other_methods_and_paths(capture: Capturing) -> None:
    assert (await capture.http.put("/e/", content=ONE_TEXT)).status_code == 405
    assert (await capture.http.get("/s/")).status_code == 404


async def test_the_black_hole_takes_everything(capture: Capturing) -> None:
    assert said(await capture.post("/test/black_hole", b"anything")) == OK
    assert capture.log.records == []


def test_every_case_has_a_test() -> None:
    """The numbers are those of the list of cases that this file was written from. Quotas (31, 32) are decided by
    tests of their own; 43 to 48 are the v1 dialect's, in test_v1.py."""
    named = " ".join([*globals(), *REFUSED, *TIMES])
    missing = [number for number in range(1, 43) if not re.search(rf"(?<!\d){number:02}(?!\d)", named)]
    ranges = set(range(22, 25)) | set(range(33, 39))
    assert [number for number in missing if number not in ranges] == [31, 32]


async def test_keys_spelled_with_escapes(capture: Capturing) -> None:
    body = rb'{"\u0061pi_key":"phc_t","b\u0061tch":[{"\u0065vent":"a","distinct_id":"u"}]}'
    assert said(await capture.post("/e/", body)) == OK
    assert len(capture.log.records) == 1
