"""What doctor says about what it finds."""

from pathlib import Path

import pytest

from hedgerow import doctor
from hedgerow.doctor import Finding, judge_redis
from libs.kit.runtime import Runtime

GOOD = {
    "valkey_version": "9.1.2",
    "maxmemory_policy": "noeviction",
    "maxmemory": 1 << 28,
    "used_memory": 1 << 20,
    "aof_enabled": 1,
}


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({}, "ok", "noeviction"),
        ({"maxmemory_policy": "allkeys-lru"}, "wrong", "drop events"),
        ({"maxmemory_policy": "volatile-ttl"}, "wrong", "drop events"),
        ({"aof_enabled": 0}, "wrong", "append-only"),
        ({"valkey_version": None, "redis_version": "6.2.14"}, "wrong", "version 7"),
        ({"maxmemory": 0}, "note", "no memory limit"),
        ({"used_memory": (1 << 28) - 1}, "note", "100%"),
    ],
)
def test_the_log_must_refuse_rather_than_forget(change: dict[str, object], level: str, words: str) -> None:
    finding = judge_redis("log", GOOD | change)
    assert finding.level == level
    assert words in finding.text


def test_the_state_server_may_drop_only_what_expires() -> None:
    assert judge_redis("state", GOOD | {"maxmemory_policy": "volatile-ttl"}).level == "ok"
    assert judge_redis("state", GOOD | {"maxmemory_policy": "allkeys-lfu"}).level == "wrong"


def test_secrets_that_others_may_read_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.touch(mode=0o600)
    assert doctor.secrets_private(tmp_path).level == "ok"
    path.chmod(0o640)
    assert doctor.secrets_private(tmp_path).level == "wrong"


async def test_an_empty_directory_is_a_finding_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEDGEROW_POSTGRES_DSN", raising=False)
    found = {finding.check: finding for finding in await doctor.examine(tmp_path)}
    assert found["settings"].level == "wrong"
    assert str(tmp_path) in found["settings"].text


async def test_real_engines_without_schema(runtime: Runtime) -> None:
    found = {name: await doctor._guarded(name, check) for name, check in doctor.checks(runtime).items()}
    assert {name: found[name].level for name in ("postgres", "clickhouse", "state", "log", "clock")} == dict.fromkeys(
        ("postgres", "clickhouse", "state", "log", "clock"), "ok"
    )
    assert found["schema"].level == "wrong"
    assert "hedgerow migrate" in found["schema"].text
    assert found["address"].level == "wrong", "nothing is served here"


def test_exit_code_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    fine, bad = Finding("disk", "note", "12% [free]"), Finding("log", "wrong", "gone")
    assert doctor.show([fine], as_json=False) == 0
    assert "12% [free]" in capsys.readouterr().out
    assert doctor.show([fine, bad], as_json=True) == 1
    assert '"ok": false' in capsys.readouterr().out
