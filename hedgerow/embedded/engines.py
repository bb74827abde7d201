"""The four embedded engines of an instance, as the supervisor and the tests start them."""

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hedgerow.embedded import instance as instances
from hedgerow.embedded import postgres, valkey
from hedgerow.embedded.instance import Instance
from hedgerow.embedded.process import Command
from hedgerow.settings import MIB, UpSettings

# Run from where our packages are: `-m` puts the working directory first, and the caller's may hold a `libs` too.
HERE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Engine:
    """`command` is asked anew at each start; `ready` says, without waiting long, whether it serves."""

    name: str
    command: Callable[[], Command]
    ready: Callable[[], bool]


def prepare(instance: Instance) -> None:
    """What must be done before the first start of an `up`, under the instance's lock."""
    postgres.prepare(instance.directory / "postgres", instance.secrets.postgres_superuser)
    for role in ("log", "state"):
        valkey.prepare(instance.directory / role)


def all_of(instance: Instance, settings: UpSettings | None = None) -> tuple[Engine, ...]:
    """Every engine; none depends on another."""
    settings = settings or UpSettings()
    return (
        _postgres(instance),
        _valkey(instance, "log", settings.log_memory_bytes, settings.log_fsync),
        _valkey(instance, "state", settings.state_memory_bytes, "always"),
        _clickhouse(instance, settings.clickhouse_memory_bytes, settings.clickhouse_insert_bytes),
    )


async def ensure_database(instance: Instance, *, seconds: float = 60.0) -> None:
    """Role and database of the services."""
    await postgres.ensure_database(
        instance.ports.postgres,
        superuser_password=instance.secrets.postgres_superuser,
        name=instances.DATABASE,
        password=instance.secrets.postgres,
        seconds=seconds,
    )


def listens(port: int) -> bool:
    """Whether a connection to this loopback port opens. (ClickHouse listens once its tables are loaded.)"""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _postgres(instance: Instance) -> Engine:
    directory, port = instance.directory / "postgres", instance.ports.postgres
    return Engine("postgres", lambda: postgres.command(directory, port), lambda: postgres.accepts(port))


def _valkey(instance: Instance, role: valkey.Role, max_memory: int, fsync: valkey.Fsync) -> Engine:
    port: int = getattr(instance.ports, role)
    password: str = getattr(instance.secrets, role)
    directory = instance.directory / role
    return Engine(
        role,
        lambda: valkey.command(directory, role, port, password, max_memory=max_memory, appendfsync=fsync),
        lambda: valkey.answers(port, password),
    )


def _clickhouse(instance: Instance, max_memory: int, max_insert: int) -> Engine:
    ports = instance.ports
    command = Command(
        argv=(
            *(sys.executable, "-m", "hedgerow.embedded.clickhouse"),
            *("--data-dir", str(instance.directory / "clickhouse")),
            *("--http-port", str(ports.clickhouse_http), "--native-port", str(ports.clickhouse_native)),
            *("--max-memory-mb", str(max_memory // MIB), "--max-insert-mb", str(max_insert // MIB)),
        ),
        env={"HEDGEROW_CLICKHOUSE_PASSWORD": instance.secrets.clickhouse},
        cwd=HERE,
    )
    return Engine(
        "clickhouse",
        lambda: command,
        lambda: listens(ports.clickhouse_http) and listens(ports.clickhouse_native),
    )
