"""The data directory of one Hedgerow on one machine: its lock, its secrets, its ports, its children's environment.

    DIR/lock            held (flock) by the supervisor and every child of it; names the supervisor's pid
    DIR/secrets.json    0600, generated at the first start
    DIR/ports.json      the loopback ports chosen at the first start
    DIR/prepared.json   what the step before the services did, so that it need not be done at every start
    DIR/parts.json      how the parts are, for `/_health`
    DIR/instance.json   0600, there while Hedgerow is ready: how to reach it and sign in
    DIR/postgres log state clickhouse blobs logs

A directory that we make is 0700; one that was there keeps its mode and owner.
"""

import contextlib
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from hedgerow.embedded import postgres, valkey

DATABASE = "hedgerow"
EMAIL = "admin@hedgerow.local"
LOCK_WAIT_SECONDS = 30.0

M = TypeVar("M", bound=BaseModel)


def _password() -> str:
    return secrets.token_hex(24)


class Secrets(BaseModel):
    """Everything generated. URL-safe letters only, for they become part of addresses."""

    model_config = ConfigDict(frozen=True)

    secret_key: str = Field(default_factory=lambda: secrets.token_hex(32))
    postgres_superuser: str = Field(default_factory=_password)
    postgres: str = Field(default_factory=_password)
    log: str = Field(default_factory=_password)
    state: str = Field(default_factory=_password)
    clickhouse: str = Field(default_factory=_password)
    email: str = EMAIL
    password: str = Field(default_factory=lambda: secrets.token_urlsafe(12))
    project_api_key: str = Field(default_factory=lambda: f"phc_{secrets.token_hex(22)}")
    personal_api_key: str = Field(default_factory=lambda: f"phx_{secrets.token_hex(22)}")


class Ports(BaseModel):
    """Loopback ports of the engines."""

    model_config = ConfigDict(frozen=True)

    postgres: int
    log: int
    state: int
    clickhouse_http: int
    clickhouse_native: int


class DirectoryInUse(RuntimeError):
    """Another supervisor, or a child that outlives one, holds the directory."""


@dataclass(frozen=True)
class Instance:
    """An opened data directory. Make it with `opened`, which holds the lock."""

    directory: Path
    secrets: Secrets
    ports: Ports
    lock: int

    def environment(self, site_url: str) -> dict[str, str]:
        """The `HEDGEROW_*` variables with which a child finds the engines."""
        mine, ports = self.secrets, self.ports
        return {
            "HEDGEROW_SITE_URL": site_url,
            "HEDGEROW_SECRET_KEY": mine.secret_key,
            "HEDGEROW_POSTGRES_DSN": postgres.dsn(ports.postgres, DATABASE, mine.postgres, DATABASE),
            "HEDGEROW_EVENTLOG": "redis",
            "HEDGEROW_LOG_REDIS_URL": valkey.url(ports.log, mine.log),
            "HEDGEROW_STATE_REDIS_URL": valkey.url(ports.state, mine.state),
            "HEDGEROW_CLICKHOUSE_HOST": "127.0.0.1",
            "HEDGEROW_CLICKHOUSE_HTTP_PORT": str(ports.clickhouse_http),
            "HEDGEROW_CLICKHOUSE_NATIVE_PORT": str(ports.clickhouse_native),
            "HEDGEROW_CLICKHOUSE_PASSWORD": mine.clickhouse,
            "HEDGEROW_BLOBS": "directory",
            "HEDGEROW_BLOBS_DIRECTORY": str(self.directory / "blobs"),
        }

    def announce(self, url: str, project_id: int) -> None:
        """Write `instance.json`: from now on Hedgerow is ready to serve."""
        write_private(
            self.directory / "instance.json",
            {
                "url": url,
                "email": self.secrets.email,
                "password": self.secrets.password,
                "project_id": project_id,
                "project_api_key": self.secrets.project_api_key,
                "personal_api_key": self.secrets.personal_api_key,
            },
        )

    def withdraw(self) -> None:
        """Remove `instance.json`."""
        (self.directory / "instance.json").unlink(missing_ok=True)


@contextmanager
def opened(directory: Path, *, public_port: int = 0, wait_seconds: float = LOCK_WAIT_SECONDS) -> Iterator[Instance]:
    """Lock the directory, make what is missing in it, and leave it locked until the block ends. No engine gets
    `public_port`.

    Raises DirectoryInUse within a second when a living supervisor has it. When that one is dead and its children are
    still ending (they hold the lock as well), waits up to `wait_seconds` for them.
    """
    directory = directory.absolute()
    _make(directory)
    lock = _lock(directory / "lock", wait_seconds)
    try:
        for part in ("log", "state", "blobs", "logs"):
            _make(directory / part)
        (directory / "instance.json").unlink(missing_ok=True)  # of a supervisor that was killed
        kept = _kept(directory / "secrets.json", Secrets) or _generated(directory / "secrets.json")
        yield Instance(directory, kept, _usable_ports(directory / "ports.json", public_port), lock)
    finally:
        os.close(lock)


def kept_environment(directory: Path) -> dict[str, str] | None:
    """What `Instance.environment` would give, without opening the directory; None when there is nothing in it."""
    mine, ports = _kept(directory / "secrets.json", Secrets), _kept(directory / "ports.json", Ports)
    if mine is None or ports is None:
        return None
    try:
        url = str(read_instance(directory)["url"])
    except FileNotFoundError:
        url = "http://localhost:8000"
    return Instance(directory.absolute(), mine, ports, lock=-1).environment(url)


def read_instance(directory: Path) -> dict[str, str | int]:
    """What `announce` wrote. Raises FileNotFoundError while Hedgerow is not running there."""
    announced: dict[str, str | int] = json.loads((directory / "instance.json").read_text())
    return announced


def _make(directory: Path) -> None:
    if not directory.is_dir():
        directory.mkdir(mode=0o700, parents=True)


def _lock(path: Path, wait_seconds: float) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    started = time.monotonic()
    deadline = started + wait_seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip()
            # A living holder gets a moment: one that was just killed exists until its parent has noticed.
            if time.monotonic() >= (min(deadline, started + 1.0) if _alive(holder) else deadline):
                os.close(lock)
                raise DirectoryInUse(_in_use(path.parent, holder)) from None
            time.sleep(0.1)
            continue
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return lock


def _in_use(directory: Path, holder: str) -> str:
    if _alive(holder):
        return f"{directory} is in use by Hedgerow with process id {holder}. Stop it first: kill {holder}"
    return f"{directory} is still in use by engines of a Hedgerow that was killed (process id {holder})."


def _alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _kept(path: Path, model: type[M]) -> M | None:
    with contextlib.suppress(FileNotFoundError):
        return model.model_validate_json(path.read_text())
    return None


def _generated(path: Path) -> Secrets:
    fresh = Secrets()
    write_private(path, fresh.model_dump())
    return fresh


def _usable_ports(path: Path, public: int) -> Ports:
    """The ports of the last start; each one that something else has taken since, or is to have, is replaced."""
    kept = _kept(path, Ports)
    before = kept.model_dump() if kept else dict.fromkeys(Ports.model_fields, 0)
    with contextlib.ExitStack() as held:  # held together, so that no two are the same
        held.enter_context(_free(public))
        after = {name: held.enter_context(_free(0 if port == public else port)) for name, port in before.items()}
    if after != before:
        write_private(path, after)
    return Ports(**after)


@contextmanager
def _free(wanted: int) -> Iterator[int]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not matter
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


def write_private(path: Path, values: object) -> None:
    """Whole or not at all, readable by us alone."""
    staging = path.with_name(f"{path.name}.new")
    staging.unlink(missing_ok=True)
    with os.fdopen(os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(values, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    staging.rename(path)
    parent = os.open(path.parent, os.O_RDONLY)
    os.fsync(parent)
    os.close(parent)
