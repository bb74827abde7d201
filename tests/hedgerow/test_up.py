"""`hedgerow up` as a newcomer runs it: one life of one instance, with every part real."""

import asyncio
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from hedgerow import up
from tests.support.instance import ROOT, Instance


def listening(instance: Instance) -> set[str]:
    assert instance.process
    family = [psutil.Process(instance.process.pid), *instance.descendants()]
    return {c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}


def another_up(data_dir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hedgerow", "up", "--data-dir", str(data_dir), "--port", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.embedded
async def test_one_life(tmp_path: Path) -> None:
    instance = Instance(tmp_path / "data")
    try:
        await instance.start()
        await announced_and_private(instance)
        await refused_twice(instance)
        await a_killed_part_comes_back(instance)
        await killed_and_started_again(instance)
        await instance.stop()
        assert not (instance.data_dir / "instance.json").exists()
    finally:
        if instance.process and instance.process.returncode is None:
            instance.process.kill()
            await instance.process.wait()


async def announced_and_private(instance: Instance) -> None:
    assert stat.S_IMODE((instance.data_dir / "instance.json").stat().st_mode) == 0o600
    assert listening(instance) == {"127.0.0.1"}
    secrets = json.loads((instance.data_dir / "secrets.json").read_text())
    hidden = [value for key, value in secrets.items() if key != "email"]
    for process in instance.descendants():
        assert not [value for value in hidden if value in " ".join(process.cmdline())]
    async with httpx.AsyncClient() as http:
        health = (await http.get(f"{instance.url}/_health")).json()
    assert set(health) >= {"postgres", "log", "state", "clickhouse", "http", "workers"}
    assert set(health.values()) == {"ok"}


async def refused_twice(instance: Instance) -> None:
    """Neither the directory nor the port is shared, and the first one does not notice."""
    assert instance.process
    refused = await asyncio.to_thread(another_up, instance.data_dir)
    assert refused.returncode == 1
    assert f"process id {instance.process.pid}" in refused.stderr
    assert await instance.healthy()


async def a_killed_part_comes_back(instance: Instance) -> None:
    for name in ("workers", "state"):
        before = instance.part(name)
        assert before
        await instance.kill(name)
        await asyncio.to_thread(psutil.wait_procs, [before], 5)
        async with asyncio.timeout(60):
            while (after := instance.part(name)) is None or after.pid == before.pid:
                await asyncio.sleep(0.1)
        await instance.wait_healthy()


async def killed_and_started_again(instance: Instance) -> None:
    credentials = instance.info
    await instance.kill("supervisor")
    await instance.start()
    assert instance.info == credentials


@pytest.mark.embedded
def test_a_signal_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hedgerow", "up", "--data-dir", str(tmp_path / "data"), "--port", "0"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    supervisor = psutil.Process(process.pid)
    while not supervisor.children() or not (tmp_path / "data" / "parts.json").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    family = supervisor.children(recursive=True)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert psutil.wait_procs(family, timeout=30)[1] == []


@pytest.mark.parametrize(("soft", "hard", "raised"), [(256, 5000, 5000), (256, 70_000, 65_536), (300, 300, 300)])
def test_up_and_what_it_starts_may_open_many_files(soft: int, hard: int, raised: int) -> None:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if allowed not in (resource.RLIM_INFINITY, hard) and allowed < hard:
        hard, raised = allowed, min(allowed, raised)
    tell = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    script = (
        f"import resource, subprocess, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        "from hedgerow.up import allow_many_files; allow_many_files();"
        f"subprocess.run([sys.executable, '-c', {tell!r}])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert int(answer.stdout) == raised


def test_each_http_process_has_a_write_ahead_log_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(up.WAL_DIRECTORY, raising=False)
    assert [up.own_wal(index) for index in range(2)] == [{}, {}]
    monkeypatch.setenv(up.WAL_DIRECTORY, "/srv/wal")
    assert [up.own_wal(index) for index in range(3)] == [
        {},
        {up.WAL_DIRECTORY: "/srv/wal-2"},
        {up.WAL_DIRECTORY: "/srv/wal-3"},
    ]
