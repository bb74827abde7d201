"""Whatever is sent, the answer is one of the contract's and comes soon: never a 500, never a hang."""

import base64
import gzip
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.capture.decision import Decision, Limits, Request
from services.capture.decoding import is_utf8
from services.capture.handle import decide
from services.capture.shapes import repair_surrogates, too_deep
from services.capture.times import event_time, microseconds, parse_timestamp, rfc3339
from tests.support.capturing import NOW, capturing
from tests.support.scale import scaled

LIMITS = Limits(4_000_000, 1_000_000, 1000)
STATUSES = {200, 204, 400, 401, 413}
TOKEN_KEYS = ["token", "$token", "api_key", "batch", "event", "distinct_id", "$distinct_id", "uuid", "properties"]
KEYS = st.sampled_from(
    [*TOKEN_KEYS, "timestamp", "offset", "$set", "$set_once", "sent_at", "historical_migration", "x"]
)
PROPERTY_KEYS = st.sampled_from(
    ["token", "distinct_id", "$cookieless_mode", "$ignore_sent_at", "$session_id", "capture_internal", "é"]
)
TEXTS = st.sampled_from(["phc_t", "a", "", " ", "\0", "2026-11-21T11:00:00Z", "2026-11-21", "1700000000"]) | st.text(
    max_size=12
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
PROPERTIES = st.dictionaries(PROPERTY_KEYS, SCALARS | st.lists(SCALARS, max_size=2), max_size=4)
EVENTS = st.dictionaries(KEYS, SCALARS | PROPERTIES, max_size=6) | st.fixed_dictionaries(
    {"event": TEXTS, "distinct_id": SCALARS, "properties": PROPERTIES}, optional={"timestamp": TEXTS, "token": TEXTS}
)
BODIES = (
    EVENTS
    | st.lists(EVENTS, max_size=3)
    | st.fixed_dictionaries({"api_key": TEXTS, "batch": st.lists(EVENTS, max_size=3)}, optional={"sent_at": TEXTS})
)
PATHS = st.sampled_from(["/e/", "/batch", "/engage/", "/i/v0/e", "/capture/", "/track"])
QUERIES = st.sampled_from([b"", b"compression=gzip", b"compression=base64", b"_=1&beacon=1", b"data=%7B%7D", b"&&=%ff"])
TYPES = st.sampled_from([b"", b"application/json", b"text/plain", b"application/x-www-form-urlencoded"])
RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large]


def ask(body: bytes, path: str = "/e/", query: bytes = b"", content_type: bytes = b"", ip: bytes = b"") -> Decision:
    headers = {b"content-type": content_type, b"x-forwarded-for": ip, b"forwarded": ip}
    return decide(Request("POST", path, query, headers, body, None, microseconds(NOW)), LIMITS)


def check(decision: Decision) -> None:
    """The answer is one of the contract's, and what is accepted is readable by whoever comes next."""
    assert decision.answer.status in STATUSES
    for record in decision.records:
        fields = msgspec.json.decode(record.value, type=dict[str, msgspec.Raw])
        record.value.decode()
        assert {"uuid", "distinct_id", "ip", "data", "now", "token", "event", "timestamp"} <= set(fields)
        assert record.key
        assert record.key.startswith(dict(record.headers)["token"] + b":")


def wrapped(text: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(text, 1)
    if how == "base64":
        return base64.b64encode(text)
    return b"data=" + base64.b64encode(text) if how == "form" else text


@settings(max_examples=scaled(10_000, least=150), deadline=20_000, suppress_health_check=RELAXED)
@given(BODIES, PATHS, QUERIES, TYPES, st.sampled_from(["plain", "gzip", "base64", "form"]), st.binary(max_size=20))
def test_any_body_of_about_the_right_shape(
    body: Any, path: str, query: bytes, content_type: bytes, how: str, ip: bytes
) -> None:
    text = msgspec.json.encode(body)
    check(ask(wrapped(text, how), path, query, content_type, ip))


@settings(max_examples=scaled(10_000, least=150), deadline=20_000, suppress_health_check=RELAXED)
@given(BODIES, st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), max_size=4), st.booleans(), TYPES)
def test_mutated_bodies(body: Any, cuts: list[tuple[int, bytes]], packed: bool, content_type: bytes) -> None:
    text = bytearray(msgspec.json.encode(body))
    if packed:
        text = bytearray(gzip.compress(bytes(text), 1))
    for position, replacement in cuts:
        text[position % (len(text) + 1) : position % (len(text) + 1) + 1] = replacement
    check(ask(bytes(text), content_type=content_type))


@settings(max_examples=scaled(10_000, least=150), deadline=20_000)
@given(st.binary(max_size=300), st.binary(max_size=60), TYPES)
@example(b"data=%", b"", b"application/x-www-form-urlencoded")
@example(b"data=%4&compression=", b"data=%00", b"application/x-www-form-urlencoded")
def test_any_bytes(body: bytes, query: bytes, content_type: bytes) -> None:
    check(ask(body, query=query, content_type=content_type))


@settings(max_examples=scaled(2_000, least=50), deadline=20_000)
@given(st.binary(max_size=200), st.sampled_from(["GET", "POST", "OPTIONS", "PUT"]), st.text(max_size=12))
async def test_the_app_never_answers_500(body: bytes, method: str, value: str) -> None:
    async with capturing() as capture:
        sent = {"event": value, "distinct_id": value, "api_key": value, "timestamp": value, "properties": {"a": value}}
        for content in (body, orjson.dumps(sent) if is_encodable(value) else b""):
            answer = await capture.http.request(method, "/e/", content=content, params={"_": value})
            assert answer.status_code in STATUSES | {405}


def is_encodable(text: str) -> bool:
    return is_utf8(text.encode("utf-8", "surrogatepass"))


VALID = [b'"a"', rb'"\ud83d\ude00"', b'"\x7f"', b"1", b"-0", b"1.5", b"1e5", b"1E+5", b"true", b"null"]
HALVES = [rb'"\ud800"', rb'"\udc00"', rb'"\ud800x"', rb'"\ud800\ud83d\ude00"']
INVALID = [rb'"\q"', b'"\t"', b'"\xff"', b"00", b"1e", b"-", b"+1", b".5", b"5.", b"nul", b"NaN", b"'a'", b'"']
JSON_TEXTS = st.recursive(
    st.sampled_from([*VALID, *HALVES, *INVALID]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: b"[" + b" ,".join(parts) + b"]")
        | st.lists(inner, max_size=3).map(lambda parts: b"{" + b",".join(b'"k":\n' + p for p in parts) + b"}")
        | inner.map(lambda part: part[:-1])
        | inner.map(lambda part: part + b",")
    ),
    max_leaves=6,
)


@settings(max_examples=scaled(20_000, least=300), deadline=20_000)
@given(JSON_TEXTS)
def test_what_is_skipped_is_still_checked(text: bytes) -> None:
    """Properties are not parsed but skipped by msgspec. It and orjson must agree on what is JSON, or invalid bytes
    would reach the log; 1e400, which orjson refuses, is not among the texts."""
    accepted = bool(ask(b'{"event":"a","distinct_id":"u","token":"phc_t","properties":{"p":%s}}' % text).records)
    try:
        orjson.loads(repair_surrogates(text))
    except orjson.JSONDecodeError:
        assert not accepted
    else:
        assert accepted


@settings(max_examples=scaled(10_000, least=200))
@given(st.text(st.sampled_from('\\"ud8cDe0123x'), max_size=40))
def test_repair_leaves_whole_text_alone_and_mends_the_rest(text: str) -> None:
    quoted = b'"' + text.encode() + b'"'
    try:
        orjson.loads(quoted)
    except orjson.JSONDecodeError as exc:
        if "surrogate" in str(exc):
            assert repair_surrogates(quoted) != quoted
    else:
        assert repair_surrogates(quoted) == quoted


@settings(max_examples=scaled(10_000, least=200))
@given(st.text(max_size=30) | st.datetimes().map(str) | st.from_regex(r"\A[-0-9T:. +/Z]{1,30}\Z"))
@example("9999-12-31T23:59:59-10:00")
@example("0001-01-01T00:00:00+10:00")
def test_any_timestamp_gives_a_time_that_prints(text: str) -> None:
    moment = event_time(text, None, sent_at=NOW, now=NOW)
    assert len(rfc3339(moment)) in (24, 27)
    parsed = parse_timestamp(text)
    assert parsed is None or parsed.tzinfo is UTC


@settings(max_examples=scaled(10_000, least=200))
@given(st.integers(-(2**63), 2**63 - 1), st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC)), st.booleans())
def test_any_offset_and_any_client_clock(offset: int, sent_at: datetime, with_offset: bool) -> None:
    moment = event_time("2026-11-21T11:00:00Z", offset if with_offset else None, sent_at=sent_at, now=NOW)
    assert (moment - NOW).total_seconds() <= 23 * 3600


@given(
    st.recursive(
        st.just(b"1"), lambda inner: inner.map(lambda t: b"[" + t + b"]") | inner.map(lambda t: b'{"[":' + t + b"}")
    )
)
def test_depth_is_counted_outside_strings(text: bytes) -> None:
    value, depth = orjson.loads(text), 0
    while isinstance(value, list | dict):
        value, depth = (value[0] if isinstance(value, list) else value["["]), depth + 1
    assert not too_deep(text, depth)
    assert depth == 0 or too_deep(text, depth - 1)


EVENT = b'{"event":"a","distinct_id":"u","token":"phc_t","properties":{"p":%s}}'
MIB = 1024 * 1024
SLOW_BY_DESIGN: dict[str, tuple[bytes, bytes]] = {
    "backslashes": (EVENT % (b'"' + b"\\" * MIB + b'"'), b""),
    "halves of pairs": (EVENT % (b'"' + rb"\ud800" * (MIB // 6) + b'"'), b""),
    "escapes": (b"data=" + b"%41" * (MIB // 3), b""),
    "ampersands": (b"data=a" + b"&" * MIB, b""),
    "brackets side by side": (b"[%s]" % b",".join([EVENT % (b"[%s1]" % (b"[]," * 50_000))] * 6), b""),
    "brackets inside each other": (EVENT % (b"[" * 900 + b'"' + b"[" * MIB + b'"' + b"]" * 900), b""),
    "blanks": (b" " * MIB, b""),
    "quotes": (b'{"event":"a","properties":{"p":[' + rb'"\""' * (MIB // 4), b""),
    "forwarded addresses": (EVENT % b"1", b"1," * 30_000),
    "a large id": (b'{"event":"a","token":"phc_t","distinct_id":[%s1]}' % (b"1.5," * (MIB // 5)), b""),
}


@pytest.mark.parametrize("name", SLOW_BY_DESIGN)
def test_a_megabyte_made_to_be_slow_is_not(name: str) -> None:
    """Processor time of this thread, so that a busy machine changes little. Quadratic work would take minutes."""
    body, forwarded = SLOW_BY_DESIGN[name]
    started = time.thread_time()
    check(ask(body, content_type=b"application/x-www-form-urlencoded" if body[:1] == b"d" else b"", ip=forwarded))
    assert time.thread_time() - started < 2
