"""The real Valkey of the wheel: passwords, loopback, policies, what survives a kill."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, OutOfMemoryError

from hedgerow.embedded import process, valkey
from tests.support.ports import free_port

SECRET = "valkey-secret"


@contextmanager
def running(directory: Path, port: int, role: valkey.Role = "log", **options: int) -> Iterator[subprocess.Popen[bytes]]:
    valkey.prepare(directory)
    command = valkey.command(directory, role, port, SECRET, max_memory=options.get("max_memory", 64 << 20))
    child = process.start(command, subprocess.DEVNULL)
    try:
        process.wait_until(lambda: valkey.answers(port, SECRET), child, seconds=60)
        yield child
    finally:
        process.stop(child, command.stop_signal, seconds=10)


def test_password_loopback_and_nothing_secret_in_argv(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path / "log", port) as child:
        with pytest.raises(AuthenticationError), Redis(port=port) as stranger:
            stranger.ping()
        with pytest.raises(AuthenticationError), Redis(port=port, password="wrong") as stranger:
            stranger.ping()
        assert not valkey.answers(port, "wrong")
        listening = [c.laddr.ip for c in psutil.Process(child.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert listening == ["127.0.0.1"]
        assert SECRET not in " ".join(psutil.Process(child.pid).cmdline())
        assert not [p for p in tmp_path.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]


@pytest.mark.parametrize(("role", "policy"), [("log", "noeviction"), ("state", "volatile-ttl")])
def test_each_role_has_its_policy_and_syncs_every_write(tmp_path: Path, role: valkey.Role, policy: str) -> None:
    port = free_port()
    with running(tmp_path / role, port, role), Redis.from_url(valkey.url(port, SECRET)) as client:
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == policy
        assert client.config_get("appendfsync")["appendfsync"] == "always"
        assert client.config_get("appendonly")["appendonly"] == "yes"


def test_a_full_log_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    port = free_port()
    with (
        running(tmp_path / "log", port, max_memory=8 << 20),
        Redis.from_url(valkey.url(port, SECRET)) as client,
    ):
        pipeline = client.pipeline(transaction=False)
        for i in range(100):
            pipeline.xadd("s", {"v": b"x" * 500_000}, id=f"0-{i + 1}")
        with pytest.raises(OutOfMemoryError):
            pipeline.execute()
        assert client.xrange("s", count=1)[0][0] == b"0-1"


def test_acknowledged_writes_survive_sigkill(tmp_path: Path) -> None:
    directory, port = tmp_path / "log", free_port()
    with running(directory, port) as child, Redis.from_url(valkey.url(port, SECRET)) as client:
        ids = [client.xadd("s", {"v": str(i)}, id="0-*") for i in range(100)]
        child.kill()
        child.wait()
    with running(directory, port), Redis.from_url(valkey.url(port, SECRET)) as client:
        assert [entry for entry, _ in client.xrange("s")] == ids


def test_ps_tells_the_two_apart(tmp_path: Path) -> None:
    with running(tmp_path / "state", free_port(), "state") as child:
        assert "valkey-server state 127.0.0.1" in " ".join(psutil.Process(child.pid).cmdline())
