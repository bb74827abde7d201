"""The four embedded engines of an instance, as the supervisor and the tests start them."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass

from hedgerow.embedded import instance as instances
from hedgerow.embedded import postgres, valkey
from hedgerow.embedded.instance import Instance
from hedgerow.embedded.process import Command
from hedgerow.settings import EmbeddedSettings


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


def all_of(instance: Instance, settings: EmbeddedSettings | None = None) -> tuple[Engine, ...]:
    """Every engine; none depends on another."""
    settings = settings or EmbeddedSettings()
    parts = (
        _postgres(instance),
        _valkey(instance, "log", settings.log_max_memory_mb, settings.log_fsync),
        _valkey(instance, "state", settings.state_max_memory_mb, "always"),
    )
    return (
        (*parts, _clickhouse(instance)) if importlib.util.find_spec("hedgerow.embedded.clickhouse.__main__") else parts
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


def _postgres(instance: Instance) -> Engine:
    directory, port = instance.directory / "postgres", instance.ports.postgres
    return Engine("postgres", lambda: postgres.command(directory, port), lambda: postgres.accepts(port))


def _valkey(instance: Instance, role: valkey.Role, max_memory_mb: int, fsync: valkey.Fsync) -> Engine:
    port: int = getattr(instance.ports, role)
    password: str = getattr(instance.secrets, role)
    directory = instance.directory / role
    return Engine(
        role,
        lambda: valkey.command(directory, role, port, password, max_memory_mb=max_memory_mb, appendfsync=fsync),
        lambda: valkey.answers(port, password),
    )


def _clickhouse(instance: Instance) -> Engine:
    return Engine(
        "clickhouse",
        lambda: Command(
            argv=(sys.executable, "-m", "hedgerow.embedded.clickhouse", str(instance.directory / "clickhouse")),
            env=instance.environment("http://localhost"),
        ),
        lambda: postgres.accepts(instance.ports.clickhouse_http),
    )
