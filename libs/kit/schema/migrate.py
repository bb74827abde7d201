"""Brings both databases to this release's schema: `hedgerow migrate`, and every start of `hedgerow up`."""

from dataclasses import dataclass
from typing import Literal

from libs.kit.clickhouse import ClickHouse
from libs.kit.clock import Clock
from libs.kit.postgres import Postgres
from libs.kit.schema.clickhouse.runner import migrate_clickhouse
from libs.kit.schema.postgres.runner import migrate_postgres
from libs.kit.settings import KitSettings


@dataclass(frozen=True, slots=True)
class Migrated:
    """Names of what ran; empty when there was nothing to do."""

    postgres: list[str]
    clickhouse: list[str]


async def migrate(
    postgres: Postgres,
    clickhouse: ClickHouse,
    settings: KitSettings,
    clock: Clock,
    phase: Literal["pre", "post"] | None = None,
) -> Migrated:
    """Run what has not run yet. `pre` before a deployment, `post` once no process of the old release is left; both in
    one go (None) where everything is stopped. Safe to repeat, and for several processes to do at once."""
    return Migrated(
        await migrate_postgres(postgres, settings, phase),
        await migrate_clickhouse(clickhouse, settings, clock, phase),
    )
