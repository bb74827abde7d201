"""The compiled way and the slow way decide the same, and the compiled one decides what SDKs send."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from libs.fastpath import _scan_py
from libs.kit.clock import SystemClock
from libs.kit.contracts.topics import HISTORICAL
from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.block import RecordBlock
from services.capture import handle, scanned, v1
from services.capture.decision import Decision, Limits, Request
from services.capture.handle import decide
from services.capture.policies.policies import Policies
from services.capture.settings import CaptureSettings
from services.capture.shapes import MAX_DEPTH
from services.capture.times import microseconds
from tests.support.capturing import NOW
from tests.support.json_texts import bodies, broken, carriers, v1_bodies
from tests.support.require import require
from tests.support.scale import scaled

try:
    from libs.fastpath import _scan
except ImportError:  # built without a compiler
    _scan = None  # type: ignore[assignment]

NOW_US = microseconds(NOW)
LIMITS = Limits(4_000_000, 1_000_000, 1000)
RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus_scan"
#: With these in it, the slow way prints strings or what it takes from properties anew: equal as JSON.
PRINTED_ANEW = (b"\\", b"$heatmap_data", b"$prev_pageview_pathname")
STRINGS = ("event", "timestamp", "token")


@pytest.fixture(params=["cython", "python"])
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Which scanner `decided` asks."""
    if request.param == "cython":
        require(_scan, "libs/fastpath is not compiled")
    module = _scan_py if request.param == "python" else _scan
    monkeypatch.setattr(scanned.fastpath, "scan", module.scan)
    monkeypatch.setattr(scanned.fastpath, "scan_v1", module.scan_v1)
    monkeypatch.setattr(os, "urandom", lambda size: bytes(size))
    return module


def decided(body: bytes, scans: bool, **changed: Any) -> Decision:
    """One request's fate, by the scanner (and what stands behind it) or without it."""
    given: dict[str, Any] = {"path": "/e/", "query": b"", "headers": {}, "peer": "203.0.113.9", "now_us": NOW_US}
    was, handle.SCANS = handle.SCANS, scans
    try:
        return decide(Request(method="POST", body=body, **(given | changed)), LIMITS)
    finally:
        handle.SCANS = was


def as_read(record: NewRecord) -> Any:
    """A record as readers see it: strings read, everything else (each property too) the very bytes."""
    value = msgspec.json.decode(record.value, type=dict[str, msgspec.Raw])
    data = msgspec.json.decode(bytes(value.pop("data")), type=dict[str, msgspec.Raw])
    inner = {name: read(raw) if name in STRINGS else bytes(raw) for name, raw in data.items()}
    inner["properties"] = msgspec.json.decode(bytes(data["properties"]), type=dict[str, msgspec.Raw])
    return record.key, record.headers, {name: read(raw) for name, raw in value.items()}, inner, list(value), list(data)


def read(raw: msgspec.Raw) -> Any:
    return msgspec.json.decode(bytes(raw))


def check_same(body: bytes, **changed: Any) -> None:
    """Both ways: the same answer, the same counts, the same records."""
    fast, slow = decided(body, True, **changed), decided(body, False, **changed)
    assert (fast.answer, fast.refused, fast.events, fast.dropped, fast.token, fast.historical) == (
        slow.answer, slow.refused, slow.events, slow.dropped, slow.token, slow.historical
    )  # fmt: skip
    if any(word in body for word in PRINTED_ANEW):
        assert [as_read(record) for record in fast.records] == [as_read(record) for record in slow.records]
    else:
        assert list(fast.records) == list(slow.records)


@settings(max_examples=scaled(20_000, least=250), deadline=None, suppress_health_check=RELAXED)
@given(
    st.one_of(bodies(), carriers(), broken(), st.binary(max_size=30)),
    st.sampled_from(["/e/", "/e/", "/engage/"]),
    st.sampled_from([b"", b"_=1795262410000", b"beacon=1"]),
    st.sampled_from([NOW, NOW + timedelta(microseconds=345_678), datetime(1970, 1, 1, tzinfo=UTC)]),
)
def test_both_ways_decide_the_same(version: ModuleType, body: bytes, path: str, query: bytes, now: datetime) -> None:
    check_same(body, path=path, query=query, now_us=microseconds(now))


@pytest.mark.parametrize("text", sorted(CORPUS.iterdir()) if CORPUS.is_dir() else [], ids=lambda path: path.name)
def test_the_fuzzers_corpus(version: ModuleType, text: Path) -> None:
    check_same(text.read_bytes())
    check_same(text.read_bytes(), path="/engage")


V1_HEADERS = {
    b"authorization": b"Bearer phc_t", b"content-type": b"application/json", b"user-agent": b"posthog-node/5.1",
    b"posthog-sdk-info": b"posthog-node/5.1", b"posthog-attempt": b"1",
    b"posthog-request-id": b"0190a1b2-0000-4000-8000-000000000001",
    b"posthog-request-timestamp": b"2026-11-21T12:00:00.100Z",
}  # fmt: skip


def decided_v1(body: bytes, scans: bool, **headers: bytes) -> Decision:
    given = V1_HEADERS | {name.replace("_", "-").encode(): value for name, value in headers.items()}
    was, v1.SCANS = v1.SCANS, scans
    try:
        return decide(Request("POST", "/i/v1/analytics/events", b"", given, body, "203.0.113.9", NOW_US), LIMITS)
    finally:
        v1.SCANS = was


@settings(max_examples=scaled(20_000, least=250), deadline=None, suppress_health_check=RELAXED)
@given(st.one_of(v1_bodies(), v1_bodies(), broken()), st.sampled_from([b"posthog-node/5.1", b"none"]))
def test_both_ways_of_v1_decide_the_same(version: ModuleType, body: bytes, sdk: bytes) -> None:
    fast, slow = (decided_v1(body, scans, posthog_sdk_info=sdk) for scans in (True, False))
    assert (fast.answer, fast.not_taken, fast.refused, fast.events, dict(fast.drops), fast.token, fast.historical) == (
        slow.answer, slow.not_taken, slow.refused, slow.events, dict(slow.drops), slow.token, slow.historical
    )  # fmt: skip
    assert [as_read(record) for record in fast.records] == [as_read(record) for record in slow.records]


def test_a_v1_batch_as_sdks_send_it_is_not_left_to_the_slow_way(
    version: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = (
        b'{"event":"a b","uuid":"0190a1b2-0000-7000-8000-0000000000%02x","distinct_id":"u","timestamp":'
        b'"2026-11-21T11:00:00.123456+00:00","options":{"process_person_profile":true},"properties":{"$lib":"x","n":1}}'
    )
    body = b'{"created_at":"2026-11-21T11:59:59Z","batch":[' + b",".join(event % number for number in range(9)) + b"]}"
    slow = decided_v1(body, False)

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("left to the slow way")

    monkeypatch.setattr(v1, "_read", fail)
    fast = decided_v1(body, True)
    assert (fast.answer, fast.not_taken, len(fast.records)) == (slow.answer, slow.not_taken, 9)
    assert list(fast.records) == list(slow.records)


SENT_BY_SDKS = {
    "posthog-js": b'{"api_key":"phc_t","batch":[{"uuid":"0190a1b2-0000-7000-8000-0000000000ab","event":"$pageview",'
    b'"properties":{"distinct_id":"u","token":"phc_t","$session_id":"s"},"offset":12}],"sent_at":"2026-11-21T12:00:00.1Z"}',
    "posthog-js, one": b'{"event":"a","properties":{"token":"phc_t","distinct_id":"u"},'
    b'"timestamp":"2026-11-21T11:00:00Z"}',
    "posthog-js, array": b'[{"event":"a","properties":{"token":"phc_t","distinct_id":"u"},"offset":3}]',
    "posthog-python": b'{"batch": [{"properties": {"$lib": "posthog-python", "caf\\u00e9": "\\ud83d\\ude00"}, '
    b'"timestamp": "2026-11-21T11:00:00.123456+00:00", "event": "a b", "distinct_id": "u", '
    b'"uuid": "0190a1b2-0000-4000-8000-0000000000ab"}],'
    b' "historical_migration": false, "sentAt": "2026-11-21T12:00:00.123456+00:00", "api_key": "phc_t"}',
    "a number for an id": b'{"api_key":"phc_t","event":"a","distinct_id":23,"timestamp":"2026-11-21 11:00"}',
    "half a pair": rb'{"api_key":"phc_t","event":"cut \ud83d","distinct_id":"u"}',
    "posthog-js, clicks": b'{"event":"$autocapture","uuid":"0190a1b2-0000-7000-8000-0000000000ab","properties":'
    b'{"token":"phc_t","distinct_id":"u","$heatmap_data":{"https://a.example":[{"x":1,"y":2}]},"$viewport_width":9}}',
    "posthog-js, a second page": b'{"event":"$pageview","uuid":"0190a1b2-0000-7000-8000-0000000000ab","properties":'
    b'{"token":"phc_t","distinct_id":"u","$current_url":"https://a.example/2","$prev_pageview_pathname":"/1"}}',
    "engage": b'{"token":"phc_t","distinct_id":"u","$set":{"a":1}}',
}


@pytest.mark.parametrize("name", SENT_BY_SDKS)
def test_what_sdks_send_is_not_left_to_the_slow_way(
    version: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/engage/" if name == "engage" else "/e/"
    check_same(SENT_BY_SDKS[name], path=path)

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("left to the slow way")

    monkeypatch.setattr(handle, "parse_submission", fail)
    heatmaps = b"$heatmap_data" in SENT_BY_SDKS[name] or b"$prev_pageview_pathname" in SENT_BY_SDKS[name]
    assert len(decided(SENT_BY_SDKS[name], True, path=path).records) == 1 + heatmaps


def test_nothing_is_made_of_a_block_while_no_policy_concerns_it(version: ModuleType) -> None:
    batch = b'{"api_key":"phc_t","historical_migration":%s,"batch":[{"event":"a","distinct_id":"u"}]}'
    usual, imported = decided(batch % b"false", True), decided(batch % b"true", True)
    policies = Policies(Redis(port=1), SystemClock(), CaptureSettings())  # asks nothing of it
    routing = policies.route(imported.records, imported.token, historical=imported.historical)
    assert routing is not None
    assert list(routing.topics) == [HISTORICAL.name]

    assert policies.route(usual.records, usual.token, historical=usual.historical) is None
    policies.settled(usual.records, None, usual.token)
    assert isinstance(usual.records, RecordBlock)
    assert usual.records._records is None  # nobody decoded them


def test_constants_are_captures_own(version: ModuleType) -> None:
    assert version.MAX_DEPTH == MAX_DEPTH


def test_size_limit_is_the_same_to_the_byte(version: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = set()
    monkeypatch.setitem(globals(), "LIMITS", Limits(4_000_000, 2_000, 1000))
    for length in range(1_300, 1_700):
        body = b'{"api_key":"phc_t","event":"a","distinct_id":"u","properties":{"x":"%s"}}' % (b"y" * length)
        fast, slow = decided(body, True), decided(body, False)
        assert (fast.answer.status, len(fast.records)) == (slow.answer.status, len(slow.records))
        taken.add(len(fast.records))
    assert taken == {0, 1}
