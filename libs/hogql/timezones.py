"""The project's time zone, without wrapping a column in a condition: that would cost the table its partition pruning.

An instant compares the same in every zone, so in a comparison a time column stays as it is and a text is converted.
Functions of a time, which may ask for its day or hour, get it in the project's zone; so does the result.
"""

from dataclasses import replace

from libs.hogql import resolved as r
from libs.hogql import rules


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# These do not look at the calendar, or say the zone themselves.
_ZONELESS = _words("toTimeZone isNull isNotNull count uniq uniqExact toUnixTimestamp toUnixTimestamp64Milli toNullable")


class Timezones(r.Rewriter):
    """See the module."""

    def __init__(self, zone: str):
        self.zone = zone

    def visit_statement(self, node: r.Statement) -> r.Statement:
        node = self.children(node)
        return r.Statement(node.ctes, self._shown(node.query))

    def _shown(self, query: r.RQuery) -> r.RQuery:
        if isinstance(query, r.SetQuery):
            return r.SetQuery(self._shown(query.first), tuple((op, self._shown(rest)) for op, rest in query.rest))
        return r.with_children(query, self._shown_item)

    def _shown_item(self, node: r.RNode) -> r.RNode:
        if isinstance(node, r.Item):
            return r.Item(self._zoned(node.expr), node.sql_name, node.label)
        return node

    def visit_compare(self, node: r.Compare) -> r.RExpr:
        left, right = self._beside(node.left, node.right), self._beside(node.right, node.left)
        return r.Compare(node.op, left, right, node.bare)

    def visit_between(self, node: r.Between) -> r.RExpr:
        low, high = self._beside(node.low, node.expr), self._beside(node.high, node.expr)
        return r.Between(self._bare(node.expr), low, high, node.negated)

    def visit_function(self, node: r.Function) -> r.RExpr:
        node = self.children(node)
        if node.name in _ZONELESS:
            return node
        args = tuple(self._zoned(arg) if isinstance(arg, r.RExpr) else arg for arg in node.args)
        return replace(node, args=args)

    def _bare(self, node: r.RExpr) -> r.RExpr:
        if isinstance(node, r.Column):
            return node
        changed: r.RExpr = self.visit(node)
        return changed

    def _beside(self, node: r.RExpr, other: r.RExpr) -> r.RExpr:
        if isinstance(node, r.Value) and isinstance(node.value, str) and other.type.kind == "datetime":
            return rules.instant(node.value, self.zone)
        return self._bare(node)

    def _zoned(self, node: r.RExpr) -> r.RExpr:
        if self.zone == "UTC" or not isinstance(node, r.Column) or node.type.kind != "datetime":
            return node
        return r.Function("toTimeZone", (node, rules.text(self.zone)), type=node.type)
