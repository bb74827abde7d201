"""What a query reads of its sources, for a pass that puts a subquery in their place."""

from collections.abc import Iterable
from dataclasses import replace

from libs.hogql import resolved as r
from libs.hogql.scope import PLAIN_NAME


class Reads(r.Rewriter):
    """What a SELECT reads of some sources, and the names by which a subquery hands it out as `alias`."""

    def __init__(self, sources: Iterable[str], alias: str, *, renaming: bool = False):
        self.sources = frozenset(sources)
        self.alias = alias
        self.renaming = renaming
        self.items: dict[r.RExpr, r.Item] = {}

    def visit_column(self, node: r.Column) -> r.RExpr:
        return self._read(node, node.name) if node.source in self.sources else node

    def visit_sub_column(self, node: r.SubColumn) -> r.RExpr:
        return self._read(node, "_path") if node.source in self.sources else node

    def visit_property(self, node: r.Property) -> r.RExpr:
        if node.source not in self.sources:
            return node
        return self._read(node, "___".join([node.column, *map(str, node.path)]))

    def _read(self, node: r.Column | r.SubColumn | r.Property, name: str) -> r.Column:
        key = replace(node, type=r.UNKNOWN)
        item = self.items.get(key)
        if item is None:
            own = isinstance(node, r.Column) and not self.renaming
            taken = {other.sql_name for other in self.items.values()}
            if not own and (name in taken or self.renaming or not PLAIN_NAME.fullmatch(name)):
                name = f"_r{len(self.items)}"
            item = self.items[key] = r.Item(node, name, name)
        return r.Column(self.alias, item.sql_name, node.type)
