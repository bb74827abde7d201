"""The command line writes what capture reads."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from redis import Redis
from typer.testing import CliRunner

from hedgerow.cli import app
from tests.support.valkey import running_valkey

pytestmark = pytest.mark.embedded
DROP = "drop_event_from_ingestion"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_valkey(role="state") as server:
        yield server.url


@pytest.fixture
def state(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    monkeypatch.setenv("HEDGEROW_POSTGRES_DSN", "postgresql://nowhere")
    monkeypatch.setenv("HEDGEROW_SECRET_KEY", "t" * 32)
    monkeypatch.setenv("HEDGEROW_STATE_REDIS_URL", address)
    with Redis.from_url(address) as client:
        client.flushall()
        yield client


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["limits", *arguments])
    return result.exit_code, result.output


def test_restrictions_are_added_shown_and_lifted(state: Redis) -> None:
    assert run("restrict", "phc_t", DROP, "--event", "a", "--event", "b", "--distinct-id", "u")[0] == 0
    assert run("restrict", "phc_x", DROP)[0] == 0
    text = state.get(f"event_ingestion_restriction_dynamic_config:{DROP}")
    assert isinstance(text, bytes)
    common = {"version": 2, "pipelines": ["analytics", "ai", "errortracking"]}
    one = {"token": "phc_t", "distinct_ids": ["u"], "event_names": ["a", "b"], **common}
    assert json.loads(text) == [one, {"token": "phc_x", **common}]
    assert json.loads(run("show")[1])["restrictions"] == {DROP: json.loads(text)}
    assert run("lift", "phc_t", DROP)[0] == 0
    assert run("lift", "phc_x", DROP)[0] == 0
    assert json.loads(run("show")[1]) == {"restrictions": {}, "quotas": {}, "limited": {}}


def test_a_restriction_of_one_pipeline_and_to_another_topic(state: Redis) -> None:
    topic = "events_plugin_ingestion_overflow"
    assert run("restrict", "phc_t", "redirect_to_topic", "--pipeline", "ai", "--topic", topic)[0] == 0
    text = state.get("event_ingestion_restriction_dynamic_config:redirect_to_topic")
    assert isinstance(text, bytes)
    assert json.loads(text) == [{"version": 2, "token": "phc_t", "pipelines": ["ai"], "args": {"topic": topic}}]


def test_what_capture_would_not_take_is_refused(state: Redis) -> None:
    assert run("restrict", "phc_t", "nonsense")[0] == 1
    assert run("restrict", "phc_t", "redirect_to_topic", "--topic", "elsewhere")[0] == 1
    assert run("restrict", "phc_t", DROP, "--pipeline", "nonsense")[0] == 1
    assert run("quota", "phc_t", "5", "--resource", "nonsense")[0] == 1
    assert state.keys("*") == []


def test_a_quota_is_marked_when_it_is_used_up_already(state: Redis) -> None:
    assert run("quota", "phc_t", "100")[0] == 0
    month = f"{datetime.now(UTC):%Y-%m}"
    state.hset(f"hedgerow/quota-used/events/{month}", "phc_t", 40)
    assert json.loads(run("show")[1])["quotas"] == {"events": {"phc_t": {"monthly": 100, "used": 40}}}
    assert run("quota", "phc_t", "40")[0] == 0
    assert json.loads(run("show")[1])["limited"] == {"events": ["phc_t"]}
    assert run("quota", "phc_t", "41")[0] == 0
    assert json.loads(run("show")[1])["limited"] == {}
    assert run("quota", "phc_t", "0")[0] == 0
    assert json.loads(run("show")[1])["quotas"] == {}


def test_without_a_server_it_says_so(state: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEDGEROW_STATE_REDIS_URL", "redis://127.0.0.1:1")
    assert run("show")[0] == 1
