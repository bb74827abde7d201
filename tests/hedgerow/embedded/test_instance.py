"""The data directory: one owner at a time, private secrets, ports that stay."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from hedgerow.embedded import instance
from hedgerow.embedded.instance import DirectoryInUse, opened
from libs.kit.settings import KitSettings

# Opens the directory, starts a child that holds the lock too (and, if told to, outlives it), then waits.
HOLDER = """
import pathlib, subprocess, sys, time
from hedgerow.embedded import instance
with instance.opened(pathlib.Path(sys.argv[1])) as opened:
    child = subprocess.Popen(
        ["sleep", sys.argv[2]], pass_fds=(opened.lock,), start_new_session=True, stdout=subprocess.DEVNULL
    )
    print(child.pid, flush=True)
    time.sleep(60)
"""


def holder(directory: Path, orphan_seconds: float) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    """One that holds the directory, and its child that does too for so long."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory), str(orphan_seconds)], stdout=subprocess.PIPE
    )
    assert process.stdout
    return process, psutil.Process(int(process.stdout.readline()))


def test_a_directory_in_use_is_refused_naming_the_process(tmp_path: Path) -> None:
    process, _ = holder(tmp_path / "data", 1)
    try:
        with (
            pytest.raises(DirectoryInUse, match=rf"in use by Hedgerow with process id {process.pid}\b"),
            opened(tmp_path / "data"),
        ):
            pass
    finally:
        process.kill()
        process.wait()


def test_after_a_kill_the_next_one_waits_for_the_last_child(tmp_path: Path) -> None:
    process, orphan = holder(tmp_path / "data", 1.5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with opened(tmp_path / "data"):
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


def test_children_that_do_not_end_are_named_as_the_reason(tmp_path: Path) -> None:
    process, orphan = holder(tmp_path / "data", 60)
    process.kill()
    process.wait()
    with (
        pytest.raises(DirectoryInUse, match="engines of a Hedgerow that was killed"),
        opened(tmp_path / "data", wait_seconds=0.3),
    ):
        pass
    orphan.kill()


def test_secrets_are_generated_once_and_private(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as first:
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        for name in ("secrets.json", "ports.json", "lock"):
            assert stat.S_IMODE((tmp_path / "data" / name).stat().st_mode) == 0o600
        values = [v for k, v in first.secrets.model_dump().items() if k != "email"]
        assert len(set(values)) == len(values)
        assert all(len(value) >= 16 for value in values)
        assert first.secrets.project_api_key.startswith("phc_")
        assert first.secrets.personal_api_key.startswith("phx_")
        first.announce("http://localhost:1", 1)
        announced = tmp_path / "data" / "instance.json"
        assert stat.S_IMODE(announced.stat().st_mode) == 0o600
        assert set(instance.read_instance(tmp_path / "data")) == {
            *("url", "email", "password", "project_id", "project_api_key", "personal_api_key")
        }
    with opened(tmp_path / "data") as second:
        assert second.secrets == first.secrets
        assert second.ports == first.ports
        assert not announced.exists(), "left over from a supervisor that was killed"


def test_two_directories_have_nothing_in_common(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        assert not set(a.secrets.model_dump().values()) & set(b.secrets.model_dump().values()) - {instance.EMAIL}


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    directory.chmod(0o755)
    with opened(directory):
        pass
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755


def test_a_port_taken_meanwhile_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as first:
        pass
    with socket.create_server(("127.0.0.1", first.ports.log)), opened(tmp_path / "data") as second:
        changed = {n for n, port in second.ports.model_dump().items() if port != getattr(first.ports, n)}
    assert changed == {"log"}
    assert json.loads((tmp_path / "data" / "ports.json").read_text()) == second.ports.model_dump()


def test_no_engine_gets_the_public_port(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as first:
        pass
    with opened(tmp_path / "data", public_port=first.ports.state) as second:
        changed = {n for n, port in second.ports.model_dump().items() if port != getattr(first.ports, n)}
    assert changed == {"state"}


def test_the_environment_is_all_a_child_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HEDGEROW_")]:
        monkeypatch.delenv(name)
    with opened(tmp_path / "data") as here:
        for name, value in here.environment("http://localhost:8000").items():
            monkeypatch.setenv(name, value)
        settings = KitSettings()
    assert here.secrets.postgres in settings.postgres_dsn.get_secret_value()
    assert settings.blobs_directory == tmp_path / "data" / "blobs"
    assert settings.clickhouse_native_port == here.ports.clickhouse_native
