"""Runs the ClickHouse migrations, each once, in order of number.

A migration is a module `mNNNN_name` with `blocking` (False: safe while consumers write), `operations` and `reverse`.
It is recorded with a checksum of what it renders to on one node, so that an edit after release is refused wherever it
runs. ClickHouse has no transactions and no locks: every statement may be repeated, two processes at once do no harm,
and a migration that was cut off is run again whole.
"""

import hashlib
import importlib
import pkgutil
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.kit.clickhouse import ClickHouse
from libs.kit.clock import Clock
from libs.kit.schema.clickhouse import migrations as shipped_migrations
from libs.kit.schema.clickhouse.layout import Layout, layout_of
from libs.kit.schema.clickhouse.operations import CreateTable, Operation
from libs.kit.schema.errors import MigrationRefused
from libs.kit.settings import KitSettings

Phase = Literal["pre", "post"]

_MODULE = re.compile(r"m(\d{4})_([a-z0-9_]+)")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,100}")
RECORDS = CreateTable(
    "schema_migrations",
    columns=["number UInt32", "name String", "checksum String", "applied_at DateTime64(3, 'UTC') DEFAULT now64(3)"],
    order_by="number",
    settings={"fsync_after_insert": 1, "fsync_part_directory": 1},
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered change."""

    number: int
    name: str
    blocking: bool
    operations: Sequence[Operation]
    reverse: Sequence[Operation]

    @property
    def checksum(self) -> str:
        """Of the statements for one node, in a database with a fixed name."""
        text = "\n;\n".join(self.statements(Layout("checksum")))
        return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()

    def statements(self, layout: Layout) -> list[str]:
        """What to run, in order."""
        return [statement for operation in self.operations for statement in operation.render(layout)]


def shipped() -> list[Migration]:
    """The migrations of this release, by number."""
    found = []
    for info in pkgutil.iter_modules(shipped_migrations.__path__):
        if match := _MODULE.fullmatch(info.name):
            module = importlib.import_module(f"{shipped_migrations.__name__}.{info.name}")
            found.append(Migration(int(match[1]), match[2], module.blocking, module.operations, module.reverse))
    return sorted(found, key=lambda migration: migration.number)


def pending(
    migrations: Sequence[Migration], recorded: Mapping[int, frozenset[str]], phase: Phase | None
) -> list[Migration]:
    """What is to run: in `pre` what is safe while consumers write, in `post` the rest. Raises MigrationRefused when a
    migration is not the one that ran here."""
    for migration in migrations:
        if recorded.get(migration.number, frozenset((migration.checksum,))) != {migration.checksum}:
            raise MigrationRefused(f"ClickHouse migration {migration.number:04} was changed after it had run here.")
    wanted = {"pre": (False,), "post": (True,), None: (False, True)}[phase]
    return [m for m in migrations if m.number not in recorded and m.blocking in wanted]


async def migrate_clickhouse(
    clickhouse: ClickHouse,
    settings: KitSettings,
    clock: Clock,
    phase: Phase | None = None,
    migrations: Sequence[Migration] | None = None,
) -> list[str]:
    """Make the database if it is missing and run what has not run yet; returns the names."""
    layout = layout_of(settings)
    await _create_database(settings, layout, clock)
    for statement in RECORDS.render(layout):
        await clickhouse.execute(statement)
    if layout.cluster:
        await clickhouse.execute(f"SYSTEM SYNC REPLICA {layout.name('schema_migrations')}")
    done = []
    for migration in pending(shipped() if migrations is None else migrations, await _recorded(clickhouse), phase):
        for statement in migration.statements(layout):
            await clickhouse.execute(statement)
        await clickhouse.execute(
            f"INSERT INTO {layout.name('schema_migrations')} (number, name, checksum) "
            f"SELECT {migration.number}, '{migration.name}', '{migration.checksum}'"
        )
        done.append(f"{migration.number:04}_{migration.name}")
    return done


async def _create_database(settings: KitSettings, layout: Layout, clock: Clock) -> None:
    """From a connection of its own: the database cannot be connected to before it exists."""
    for name in filter(None, (layout.database, layout.cluster)):
        if not _IDENTIFIER.fullmatch(name):
            raise MigrationRefused(f"Not a name for a ClickHouse database or cluster: {name!r}")
    outside = ClickHouse(settings.model_copy(update={"clickhouse_database": "default"}), clock)
    await outside.open()
    try:
        await outside.execute(f"CREATE DATABASE IF NOT EXISTS `{layout.database}`{layout.clause}")
    finally:
        await outside.close()


async def _recorded(clickhouse: ClickHouse) -> dict[int, frozenset[str]]:
    rows = await clickhouse.fetch("SELECT number, groupUniqArray(checksum) FROM schema_migrations GROUP BY number")
    return {int(number): frozenset(checksums) for number, checksums in rows}
