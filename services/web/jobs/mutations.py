"""Statements that rewrite ClickHouse tables: on one node, or on every shard of a cluster. They wait for its end."""

from collections.abc import Mapping
from typing import Any

from libs.kit.clickhouse import ClickHouse
from libs.kit.schema.clickhouse.layout import Layout
from libs.kit.schema.clickhouse.operations import local_name


async def mutate(
    clickhouse: ClickHouse,
    layout: Layout,
    table: str,
    change: str,
    params: Mapping[str, Any],
    *,
    seconds: float,
    sharded: bool = True,
) -> None:
    """`ALTER TABLE table <change>`, values bound. What it did to a part stays done when it is cut off; the rest goes on
    in the server, and saying it again does no harm."""
    name = local_name(table) if layout.cluster and sharded else table
    sql = f"ALTER TABLE {layout.name(name)}{layout.clause} {change} SETTINGS mutations_sync = 2"
    await clickhouse.query(sql, params, readonly=False, timeout=seconds)
