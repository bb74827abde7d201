"""Capture with policies, over a real Valkey: what is set there counts within one refresh, and its absence holds nothing
up."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from libs.kit import metrics, outcomes
from libs.kit.clock import ManualClock
from libs.kit.contracts.topics import DEAD_LETTERS, EVENTS, HISTORICAL, OVERFLOW
from libs.kit.errors import Unavailable
from libs.kit.outcomes import Outcomes, counts_of, drops_of
from services.capture.policies.quotas import end_of_month
from tests.support.capturing import NOW, capturing
from tests.support.valkey import ValkeyServer, running_valkey

pytestmark = pytest.mark.embedded
OK = (200, '{"status":"Ok"}')
RESTRICTIONS = "event_ingestion_restriction_dynamic_config:"


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with running_valkey(role="state") as started:
        yield started


@pytest.fixture
async def state(server: ValkeyServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(server.url, socket_timeout=30, socket_connect_timeout=30) as client:
        await client.flushall()
        yield client


def one(event: str = "a", token: str = "phc_t", distinct_id: str = "u", **more: Any) -> dict[str, Any]:
    return {"api_key": token, "event": event, "distinct_id": distinct_id, **more}


def batch(*events: str, **more: Any) -> dict[str, Any]:
    return {"api_key": "phc_t", "batch": [{"event": name, "distinct_id": "u"} for name in events], **more}


async def limit(state: Redis, resource: str, token: str = "phc_t", *, minutes: float = 5) -> None:
    until = (NOW + timedelta(minutes=minutes)).timestamp()
    await state.zadd(f"@posthog/quota-limits/{resource}", {token: until})


async def test_31_over_the_quota_nothing_is_taken(state: Redis) -> None:
    await limit(state, "events")
    async with capturing(state) as capture:
        await capture.policies.refresh()
        for path in ("/e/", "/batch/", "/i/v0/e/?beacon=1"):
            answer = await capture.post(path, one())
            assert (answer.status_code, answer.json()) == (200, {"status": "Ok", "quota_limited": ["events"]})
        assert capture.log.records == []
        assert (await capture.post("/e/", one(token="phc_other"))).text == OK[1]
        assert len(capture.log.records) == 1


async def test_31_as_posthog_answers(state: Redis) -> None:
    await limit(state, "events")
    async with capturing(state, quota_limited_answers=False) as capture:
        await capture.policies.refresh()
        for path in ("/e/", "/e/?beacon=1"):
            answer = await capture.post(path, one())
            assert (answer.status_code, answer.text) == OK
        assert capture.log.records == []


@pytest.mark.parametrize("name", ["surveys", "survey_responses"])
async def test_32_a_scoped_quota_drops_its_own_events(state: Redis, name: str) -> None:
    await limit(state, name)
    async with capturing(state) as capture:
        await capture.policies.refresh()
        answer = await capture.post("/batch/", batch("survey sent", "a"))
        assert (answer.status_code, answer.text) == OK
        assert [event["event"] for event in capture.log.events()] == ["a"]


async def test_a_quota_ends(state: Redis) -> None:
    await limit(state, "events", minutes=1)
    async with capturing(state) as capture:
        await capture.policies.refresh()
        assert "quota_limited" in (await capture.post("/e/", one())).text
        capture.clock.advance(61)
        await capture.policies.refresh()
        assert (await capture.post("/e/", one())).text == OK[1]


async def test_an_operators_monthly_quota(state: Redis) -> None:
    await state.hset("hedgerow/quotas/events", "phc_t", 3)
    async with capturing(state) as capture, capturing(state) as other:
        for process in (capture, other):
            await process.policies.refresh()
            await process.post("/batch/", batch("a", "$exception", "$$heatmap"))
            await process.policies.refresh()
        assert await state.zcard("@posthog/quota-limits/events") == 0
        await capture.post("/e/", one())
        await capture.policies.refresh()
        found = await state.zrange("@posthog/quota-limits/events", 0, -1, withscores=True)
        assert found == [(b"phc_t", end_of_month(NOW))]
        other.clock.advance(5)
        await other.policies.refresh()
        assert "quota_limited" in (await other.post("/e/", one())).text


async def test_each_pipeline_is_restricted_alone(state: Redis) -> None:
    entries = [{"token": "phc_t", "version": 2, "pipelines": ["errortracking", "session_recordings"]}]
    await state.set(RESTRICTIONS + "drop_event_from_ingestion", json.dumps(entries))
    await state.set(
        RESTRICTIONS + "redirect_to_dlq", '[{"token":"phc_t","version":2,"pipelines":["ai"],"index":1,"args":null}]'
    )
    async with capturing(state) as capture:
        await capture.policies.refresh()
        await capture.post("/batch/", batch("a", "$exception", "$ai_span", "$$heatmap"))
        routed = zip(capture.log.topics, [event["event"] for event in capture.log.events()], strict=True)
        assert sorted(routed) == [
            ("events_plugin_ingestion", "$$heatmap"),
            ("events_plugin_ingestion", "a"),
            ("events_plugin_ingestion_dlq", "$ai_span"),
        ]


async def test_restrictions_are_read_again_without_a_restart(state: Redis) -> None:
    async with capturing(state) as capture:
        await capture.policies.refresh()
        await capture.post("/e/", one())
        entries = [{"token": "phc_t", "version": 2, "event_names": ["a"]}, {"token": "phc_x"}]
        await state.set(RESTRICTIONS + "drop_event_from_ingestion", json.dumps(entries))
        await state.set(RESTRICTIONS + "redirect_to_dlq", '[{"token":"phc_t","event_names":["b"]}]')
        await state.set(RESTRICTIONS + "force_overflow_from_ingestion", '[{"token":"phc_t","event_names":["c"]}]')
        await state.set(RESTRICTIONS + "skip_person_processing", '[{"token":"phc_t","event_names":["d"]}]')
        capture.clock.advance(5)
        await capture.policies.refresh()
        answer = await capture.post("/batch/", batch("a", "b", "c", "d", "e"))
        assert (answer.status_code, answer.text) == OK
        routed = list(zip(capture.log.topics, [event["event"] for event in capture.log.events()], strict=True))
        assert routed[0] == (EVENTS.name, "a")
        assert sorted(routed[1:]) == sorted(
            [(DEAD_LETTERS.name, "b"), (OVERFLOW.name, "c"), (EVENTS.name, "d"), (EVENTS.name, "e")]
        )
        forced = [dict(record.headers).get("force_disable_person_processing") for record in capture.log.records]
        assert forced.count(b"true") == 1
        await state.delete(RESTRICTIONS + "drop_event_from_ingestion")
        capture.clock.advance(5)
        await capture.policies.refresh()
        await capture.post("/e/", one())
        assert (capture.log.topics[-1], capture.log.events()[-1]["event"]) == (EVENTS.name, "a")


async def test_token_lists_of_the_settings() -> None:
    lists = {
        "drop_events_by_token_distinct_id": "phc_t:bad,worse;phc_x",
        "force_overflow_by_token_distinct_id": "phc_t:hot",
    }
    async with capturing(**lists) as capture:
        for who in ("bad", "good", "hot"):
            assert (await capture.post("/e/", one(distinct_id=who))).text == OK[1]
        assert (await capture.post("/e/?beacon=1", one(token="phc_x"))).status_code == 204
    good, hot = capture.log.records
    assert (good.key, hot.key) == (b"phc_t:good", None)
    assert capture.log.topics == [EVENTS.name, OVERFLOW.name]
    assert dict(hot.headers)["force_disable_person_processing"] == b"true"


async def test_40_an_import_has_its_own_topic(state: Redis) -> None:
    async with capturing(state) as capture:
        await capture.post("/batch/", batch("a", "$exception", historical_migration=True))
    assert dict(zip(capture.log.topics, capture.log.events(), strict=True)).keys() == {HISTORICAL.name, EVENTS.name}
    assert [event["historical_migration"] for event in capture.log.events()] == [True, True]


async def test_what_one_visitor_sends_too_fast_overflows(state: Redis) -> None:
    limits = {"overflow_enabled": True, "overflow_per_second": 1, "overflow_burst": 10}
    async with capturing(state, **limits) as capture, capturing(state, **limits) as other:
        await capture.post("/batch/", batch(*"abcdefgh"))
        await capture.policies.refresh()
        await other.post("/e/", one())
        await other.policies.refresh()
        await other.post("/batch/", batch("i", "j"))
        await other.post("/e/", one(distinct_id="v"))
        assert other.log.topics == [EVENTS.name, EVENTS.name, OVERFLOW.name, EVENTS.name]
        assert [event["event"] for event in other.log.events()] == ["a", "i", "j", "a"]
        other.clock.advance(10)
        await other.post("/e/", one())
        assert other.log.topics[-1] == EVENTS.name


async def test_a_visitor_above_the_rate_is_taken_without_person(state: Redis) -> None:
    async with capturing(state, person_events_per_minute=2) as capture:
        await capture.post("/batch/", batch("a", "b", "c"))
        forced = [dict(record.headers).get("force_disable_person_processing") for record in capture.log.records]
    assert forced == [None, None, b"true"]


async def test_a_project_above_its_rate_is_told_to_wait(state: Redis) -> None:
    async with capturing(state, token_events_per_minute=2) as capture:
        assert (await capture.post("/batch/", batch("a", "b", "c"))).text == OK[1]
        answer = await capture.post("/e/", one())
        assert (answer.status_code, answer.text) == (429, "rate limited")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await capture.post("/e/", one(token="phc_x"))).text == OK[1]
        capture.clock.advance(60)
        assert (await capture.post("/e/", one())).text == OK[1]


async def test_limits_in_dry_run_count_only(state: Redis) -> None:
    await limit(state, "events")
    before = {name: metrics.CAPTURE_DRY_RUN.labels(name)._value.get() for name in ("quota", "token_rate")}
    async with capturing(state, token_events_per_minute=1, dry_run_limits="quota,token_rate") as capture:
        await capture.policies.refresh()
        for _ in range(3):
            assert (await capture.post("/e/", one())).text == OK[1]
        assert len(capture.log.records) == 3
    after = {name: metrics.CAPTURE_DRY_RUN.labels(name)._value.get() for name in before}
    assert {name: after[name] - before[name] for name in before} == {"quota": 3, "token_rate": 2}


async def test_without_the_state_server_events_are_taken_and_rules_hold_for_a_while(state: Redis) -> None:
    with running_valkey(role="state") as gone:
        async with Redis.from_url(gone.url, socket_timeout=1, socket_connect_timeout=1) as client:
            await limit(client, "events")
            async with capturing(client) as capture:
                await capture.policies.refresh()
                gone.freeze()
                capture.clock.advance(200)
                await capture.policies.refresh()
                assert "quota_limited" in (await capture.post("/e/", one())).text
                assert (await capture.post("/e/", one(token="phc_x"))).text == OK[1]
                capture.clock.advance(200)
                await capture.policies.refresh()
                assert (await capture.post("/e/", one())).text == OK[1]
                gone.thaw()
                await capture.policies.refresh()
                counts = await counts_of(client, ["phc_t"], capture.clock.now(), 1)
                assert {name[1:]: events for _, *name, events in counts for name in [tuple(name)]} == {
                    ("accepted", ""): 1,
                    ("dropped", "quota_events"): 1,
                }


async def test_what_became_of_events_is_counted_and_drops_are_remembered(state: Redis) -> None:
    await limit(state, "exceptions")
    uuid = "0190a1b2-0000-7000-8000-0000000000ab"
    async with capturing(state) as capture:
        await capture.policies.refresh()
        await capture.post("/e/", one("$exception", uuid=uuid.upper()))
        await capture.post("/batch/", batch("a", "b"))
        capture.log.failure = Unavailable("down")
        assert (await capture.post("/e/", one())).status_code == 503
        await capture.policies.refresh()
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    assert await counts_of(state, ["phc_t"], NOW, 2) == [
        (hour, "capture", "accepted", "", 2),
        (hour, "capture", "dropped", "quota_exceptions", 1),
        (hour, "capture", "refused", "Unavailable", 1),
    ]
    (drop,) = await drops_of(state, ["phc_t", "team:1"], uuid)
    assert (drop.step, drop.reason, drop.at) == ("capture", "quota_exceptions", NOW)
    assert await drops_of(state, ["phc_x"], uuid) == []


async def test_remembered_drops_and_counts_are_bounded(state: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "DROPS_PER_OWNER", 3)
    monkeypatch.setattr(outcomes, "OWNERS_WITH_DROPS", 2)
    monkeypatch.setattr(outcomes, "FIELDS_PER_HOUR", 4)
    clock = ManualClock(NOW)
    noting = Outcomes(state, clock, "capture")
    for owner in ("one", "two", "three"):
        for number in range(5):
            clock.advance(1)
            noting.dropped(owner, f"u{number}", "r")
        await noting.tell()
    assert [await state.zcard(f"dropped:{owner}") for owner in ("one", "two", "three")] == [0, 3, 3]
    assert await drops_of(state, ["three"], "u1") == []
    assert len(await drops_of(state, ["three"], "u2")) == 1
    for number in range(10):
        noting.count(f"t{number}", "accepted", "", 1)
    await noting.tell()
    assert await state.hlen(f"outcomes:{NOW:%Y-%m-%dT%H}") == 5
    assert await counts_of(state, ["*"], clock.now(), 1) == [
        (NOW.replace(minute=0, second=0, microsecond=0), "capture", "accepted", "", 6)
    ]


async def test_refusals_are_counted_by_project_once_it_is_known(state: Redis) -> None:
    async with capturing(state, token_events_per_minute=1) as capture:
        assert (await capture.post("/e/", one())).status_code == 200
        assert (await capture.post("/e/", one())).status_code == 429
        assert (await capture.post("/batch/", {"api_key": "phc_t", "batch": [{"event": "a"}]})).status_code == 400
        assert (await capture.post("/batch/", batch("$performance_event", "$performance_event"))).status_code == 200
        assert (await capture.post("/e/", b"{")).status_code == 400
        v1 = {"Authorization": "Bearer phc_v", "Content-Type": "application/json", "User-Agent": "t"}
        sdk = {"PostHog-Sdk-Info": "t/1", "PostHog-Attempt": "1", "PostHog-Request-Id": str(uuid4())}
        sent = {"PostHog-Request-Timestamp": NOW.isoformat()}
        headers = {**v1, **sdk, **sent}
        at = {"timestamp": NOW.isoformat(), "distinct_id": "u", "event": "a"}
        bodies = [[], [{**at, "uuid": str(uuid4())}], [{**at, "uuid": str(uuid4())}], [{**at, "uuid": str(uuid4())}]]
        for events, expected in zip(bodies, (400, 200, 429, 429), strict=True):
            body = json.dumps({"created_at": NOW.isoformat(), "batch": events})
            answer = await capture.http.post("/i/v1/analytics/events", content=body, headers=headers)
            assert answer.status_code == expected, answer.text
        assert (answer.json()["error"], answer.headers["retry-after"]) == ("rate_limited", "1")
        await capture.policies.refresh()
    counts = await counts_of(state, ["phc_t"], NOW, 1)
    assert {one[2:] for one in counts} == {
        ("accepted", "", 1),
        ("refused", "no_distinct_id", 1),
        ("refused", "rate_limited", 1),
    }
    counts = await counts_of(state, ["phc_v"], NOW, 1)
    assert {one[2:] for one in counts} == {("accepted", "", 1), ("refused", "rate_limited", 2)}
