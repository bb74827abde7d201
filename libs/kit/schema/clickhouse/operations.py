"""What a migration may do to ClickHouse. Each operation renders itself for one node or for a cluster.

On one node a table is a MergeTree under its own name. On a cluster a sharded table is `sharded_NAME` (replicated, one
part of the rows on each shard) and NAME is the Distributed table over it, for reading and writing alike, so that no
statement elsewhere knows the difference. A table with no sharding key is replicated whole to every node.

Every statement may be run twice: a migration that was cut off is simply run again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from libs.kit.schema.clickhouse.layout import Layout


class Operation(Protocol):
    """One change."""

    def render(self, layout: Layout) -> list[str]:
        """The statements, in order; none holds a value from outside."""


@dataclass(frozen=True)
class CreateTable:
    """A MergeTree table. `columns` and `indexes` are ClickHouse's own words; `sharding_key` splits it over shards.

    version: the column whose highest value wins among rows of one sorting key, once parts are merged. aggregating: its
    columns are states, and the rows of one sorting key are merged into one. ttl: when a row may go.
    """

    name: str
    columns: Sequence[str]
    order_by: str
    partition_by: str | None = None
    indexes: Sequence[str] = ()
    settings: Mapping[str, str | int] = field(default_factory=dict)
    sharding_key: str | None = None
    version: str | None = None
    ttl: str | None = None
    aggregating: bool = False

    def render(self, layout: Layout) -> list[str]:
        if not layout.cluster:
            return [self._create(layout, self.name, self._engine())]
        local = local_name(self.name) if self.sharding_key else self.name
        replicas = ("{shard}", "{replica}") if self.sharding_key else ("all", "{shard}-{replica}")
        path = f"/clickhouse/tables/{replicas[0]}/{layout.database}/{local}"
        statements = [self._create(layout, local, self._engine(path, replicas[1]))]
        if self.sharding_key:
            statements.append(self._distributed(layout, local, self.sharding_key))
        return statements

    def _engine(self, *replica: str) -> str:
        """replica: path and name, where there are several."""
        merges = "Replacing" if self.version else "Aggregating" if self.aggregating else ""
        kind = ("Replicated" if replica else "") + merges + "MergeTree"
        arguments = [*(f"'{each}'" for each in replica), *([self.version] if self.version else [])]
        return f"{kind}({', '.join(arguments)})" if arguments else kind

    def _create(self, layout: Layout, name: str, engine: str) -> str:
        body = ",\n    ".join([*self.columns, *(f"INDEX {index}" for index in self.indexes)])
        settings = ", ".join(f"{key} = {_literal(value)}" for key, value in self.settings.items())
        parts = [
            f"CREATE TABLE IF NOT EXISTS {layout.name(name)}{layout.clause}\n(\n    {body}\n)",
            f"ENGINE = {engine}",
            f"PARTITION BY {self.partition_by}" if self.partition_by else "",
            f"ORDER BY {self.order_by}",
            f"TTL {self.ttl}" if self.ttl else "",
            f"SETTINGS {settings}" if settings else "",
        ]
        return "\n".join(part for part in parts if part)

    def _distributed(self, layout: Layout, local: str, key: str) -> str:
        engine = f"Distributed('{layout.cluster}', '{layout.database}', '{local}', {key})"
        return (
            f"CREATE TABLE IF NOT EXISTS {layout.name(self.name)}{layout.clause} AS {layout.name(local)}\n"
            f"ENGINE = {engine}"
        )


@dataclass(frozen=True)
class AddColumn:
    """A column at the end, or after another. `sharded` says whether the table was created with a sharding key."""

    table: str
    column: str
    kind: str
    after: str | None = None
    sharded: bool = True

    def render(self, layout: Layout) -> list[str]:
        after = f" AFTER {self.after}" if self.after else ""
        return _alter(layout, self.table, self.sharded, f"ADD COLUMN IF NOT EXISTS {self.column} {self.kind}{after}")


@dataclass(frozen=True)
class DropColumn:
    """The reverse of AddColumn."""

    table: str
    column: str
    sharded: bool = True

    def render(self, layout: Layout) -> list[str]:
        # the Distributed table first: it must never ask the shards for a column that they no longer have
        return list(reversed(_alter(layout, self.table, self.sharded, f"DROP COLUMN IF EXISTS {self.column}")))


@dataclass(frozen=True)
class ModifyColumn:
    """Another type for a column. Rows that are there are rewritten behind the scenes, and until then converted when
    they are read. Nobody waits for that: it may take hours."""

    table: str
    column: str
    kind: str
    sharded: bool = True

    def render(self, layout: Layout) -> list[str]:
        change = f"MODIFY COLUMN {self.column} {self.kind}"
        return [f"{one} SETTINGS alter_sync = 0" for one in _alter(layout, self.table, self.sharded, change)]


@dataclass(frozen=True)
class AddIndex:
    """A data-skipping index, for rows that come after it. `index` is `name expression TYPE ...`."""

    table: str
    index: str
    sharded: bool = True

    def render(self, layout: Layout) -> list[str]:
        table = local_name(self.table) if layout.cluster and self.sharded else self.table
        return [f"ALTER TABLE {layout.name(table)}{layout.clause} ADD INDEX IF NOT EXISTS {self.index}"]


@dataclass(frozen=True)
class ModifyTtl:
    """When a row of a table may go, also for those that are there already."""

    table: str
    ttl: str
    sharded: bool = True

    def render(self, layout: Layout) -> list[str]:
        table = local_name(self.table) if layout.cluster and self.sharded else self.table
        return [f"ALTER TABLE {layout.name(table)}{layout.clause} MODIFY TTL {self.ttl}"]


@dataclass(frozen=True)
class ModifySettings:
    """Settings of a table, for parts that are written from now on."""

    table: str
    settings: Mapping[str, str | int]
    sharded: bool = True

    def render(self, layout: Layout) -> list[str]:
        table = local_name(self.table) if layout.cluster and self.sharded else self.table
        settings = ", ".join(f"{key} = {_literal(value)}" for key, value in self.settings.items())
        return [f"ALTER TABLE {layout.name(table)}{layout.clause} MODIFY SETTING {settings}"]


@dataclass(frozen=True)
class CreateView:
    """A materialized view: what is inserted into `source` also goes, through `select`, into `target`.

    Both are sharded alike. On a cluster a shard's rows stay on it, whatever the target's sharding key says, so that one
    insert answers for both: readers must put the rows of one key together across shards. `select` names the source
    `{source}`.
    """

    name: str
    source: str
    target: str
    select: str

    def render(self, layout: Layout) -> list[str]:
        local = [local_name(table) if layout.cluster else table for table in (self.source, self.target)]
        source, target = map(layout.name, local)
        select = self.select.replace("{source}", source)
        name = layout.name(self.name)
        return [f"CREATE MATERIALIZED VIEW IF NOT EXISTS {name}{layout.clause} TO {target} AS\n{select}"]


@dataclass(frozen=True)
class Fill:
    """Rows that are there already go where a new view puts those to come. `target` must bear repetition."""

    source: str
    target: str
    select: str

    def render(self, layout: Layout) -> list[str]:
        select = self.select.replace("{source}", layout.name(self.source))
        return [f"INSERT INTO {layout.name(self.target)}\n{select}"]


@dataclass(frozen=True)
class DropTable:
    """The reverse of CreateTable; of CreateView too, as one that is not sharded."""

    table: str
    sharded: bool = True

    def render(self, layout: Layout) -> list[str]:
        names = [self.table, *([local_name(self.table)] if layout.cluster and self.sharded else [])]
        return [f"DROP TABLE IF EXISTS {layout.name(name)}{layout.clause} SYNC" for name in names]


def local_name(table: str) -> str:
    """The name under which one shard of a cluster keeps its rows of `table`."""
    return f"sharded_{table}"


def _alter(layout: Layout, table: str, sharded: bool, change: str) -> list[str]:
    names = [local_name(table), table] if layout.cluster and sharded else [table]
    return [f"ALTER TABLE {layout.name(name)}{layout.clause} {change}" for name in names]


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else f"'{value}'"
