"""Where a ClickHouse statement is to run: one node (the embedded server is one), or every node of a cluster."""

from dataclasses import dataclass
from typing import Literal

from libs.kit.settings import KitSettings


@dataclass(frozen=True, slots=True)
class Layout:
    """How operations render. `cluster` names the cluster, and is None for one node.

    `on_cluster` is off only where a statement is created node by node, as tests do.
    """

    database: str
    cluster: str | None = None
    on_cluster: bool = True

    @property
    def clause(self) -> str:
        """` ON CLUSTER ...`, or nothing."""
        return f" ON CLUSTER `{self.cluster}`" if self.cluster and self.on_cluster else ""

    def name(self, table: str) -> str:
        """A table's full name."""
        return f"`{self.database}`.`{table}`"


def layout_of(settings: KitSettings) -> Layout:
    """The layout that settings ask for."""
    return Layout(settings.clickhouse_database, settings.clickhouse_cluster)


Sharding = Literal["sharded", "everywhere"]
