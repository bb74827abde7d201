"""`hedgerow migrate`: schemas and topics, made or brought up to date. Safe to run again and from several places."""

from collections.abc import Sequence
from typing import Literal

from libs.kit.contracts import topics
from libs.kit.runtime import Runtime
from libs.kit.schema.migrate import migrate as migrate_schemas


async def migrate(runtime: Runtime, phase: Literal["pre", "post"] | None = None) -> Sequence[str]:
    """PostgreSQL, then ClickHouse, then the log's topics. Returns the names of the migrations that ran."""
    done = await migrate_schemas(runtime.postgres, runtime.clickhouse, runtime.settings, runtime.clock, phase)
    await runtime.log.ensure(topics.ALL)
    return [*done.postgres, *done.clickhouse]
