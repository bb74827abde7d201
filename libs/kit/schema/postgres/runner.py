"""Runs the SQL files beside it, each once.

`NNNN_pre_name.sql` is safe under the code of the release before and runs ahead of a deployment; `NNNN_post_name.sql`
waits until that code is gone. A file runs in one transaction together with the record of it; one that starts with
`-- no transaction` holds a single statement that may be repeated (`CREATE INDEX CONCURRENTLY IF NOT EXISTS ...`).
Files never change after a release: each is recorded with its checksum, and a file that differs is refused.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from libs.kit.errors import Unavailable
from libs.kit.postgres import Connection, Postgres
from libs.kit.schema.errors import MigrationRefused
from libs.kit.settings import KitSettings

Phase = Literal["pre", "post"]

_NAME = re.compile(r"(\d{4}_(pre|post)_[a-z0-9_]+)\.sql")
_NO_TRANSACTION = "-- no transaction"
# Any number will do, as long as no other program uses it in this database.
_LOCK = 5_318_008_421
_RECORDS = """
CREATE TABLE IF NOT EXISTS hedgerow_migration (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One migration. `name` has no suffix; names sort in the order of running."""

    name: str
    text: str

    @property
    def phase(self) -> str:
        return self.name.split("_")[1]

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def transactional(self) -> bool:
        return not self.text.startswith(_NO_TRANSACTION)


def shipped() -> list[SqlFile]:
    """The files of this release; `pre` and `post` of one number in that order."""
    entries = [(_NAME.fullmatch(entry.name), entry) for entry in files(__package__).iterdir()]
    found = [SqlFile(match[1], entry.read_text()) for match, entry in entries if match]
    return sorted(found, key=lambda file: (file.name[:4], file.phase == "post"))


def pending(migrations: Sequence[SqlFile], recorded: Mapping[str, str], phase: Phase | None) -> list[SqlFile]:
    """What is to run. Raises MigrationRefused when a file is not the one that ran here.

    Records without a file are a newer release's; its `pre` files are safe under this code, so they are let be.
    """
    for migration in migrations:
        if recorded.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationRefused(f"{migration.name}.sql was changed after it had run here.")
    return [m for m in migrations if m.name not in recorded and phase in (None, m.phase)]


async def migrate_postgres(
    postgres: Postgres,
    settings: KitSettings,
    phase: Phase | None = None,
    migrations: Sequence[SqlFile] | None = None,
) -> list[str]:
    """Run what has not run yet, oldest first; returns the names. Several processes may do so at once."""
    migrations = shipped() if migrations is None else migrations
    async with postgres.transaction() as connection:
        await _locked(connection, settings)
        await connection.execute(_RECORDS)
    done = []
    for migration in pending(migrations, await _recorded(postgres), phase):
        async with postgres.transaction() as connection:
            await _locked(connection, settings)
            if await connection.fetchval("SELECT 1 FROM hedgerow_migration WHERE name = $1", migration.name):
                continue  # another process ran it while we waited for the lock
            if migration.transactional:
                await connection.execute(migration.text, timeout=settings.migration_timeout_seconds)
            else:
                # ends the snapshot of the look-up above, for which CREATE INDEX CONCURRENTLY would wait for ever
                await connection.execute("SET LOCAL client_min_messages = warning")
                async with postgres.connection() as outside:
                    await outside.execute(migration.text, timeout=settings.migration_timeout_seconds)
            await connection.execute(
                "INSERT INTO hedgerow_migration (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
            )
        done.append(migration.name)
    return done


async def unapplied(postgres: Postgres, phase: Phase | None = None) -> list[str]:
    """Names of what this release ships and this database lacks; for `doctor` and readiness."""
    if not await postgres.fetch_one("SELECT 1 WHERE to_regclass('hedgerow_migration') IS NOT NULL"):
        return [m.name for m in pending(shipped(), {}, phase)]
    return [m.name for m in pending(shipped(), await _recorded(postgres), phase)]


async def _recorded(postgres: Postgres) -> dict[str, str]:
    rows = await postgres.fetch("SELECT name, checksum FROM hedgerow_migration")
    return {row["name"]: row["checksum"] for row in rows}


async def _locked(connection: Connection, settings: KitSettings) -> None:
    """Settings and lock end with the transaction: behind PgBouncer a session is nobody's."""
    await connection.execute("SET LOCAL client_min_messages = warning")
    await connection.execute(
        "SELECT set_config('hedgerow.person_partitions', $1, true), set_config('lock_timeout', '10s', true)",
        str(settings.person_partitions),
    )
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
        await _wait_for_lock(connection, settings)


async def _wait_for_lock(connection: Connection, settings: KitSettings) -> None:
    limit = settings.migration_timeout_seconds
    await connection.execute("SELECT set_config('lock_timeout', $1, true)", f"{int(limit * 1000)}ms")
    try:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK, timeout=limit)
    except TimeoutError as exc:
        raise Unavailable("Another process is migrating this database and does not end.") from exc
    await connection.execute("SELECT set_config('lock_timeout', '10s', true)")
