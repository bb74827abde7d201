"""Comparisons as people mean them: a missing value is not equal to 'x', and different from it.

SQL says NULL to both, so rows would be lost from `!=`. A comparison in a join's condition stays bare (it would not be
taken for a join key any more), and so does one with a time column, which would not prune any more.
"""

from dataclasses import replace

from libs.hogql import resolved as r

_NEGATIVE = frozenset(("!=", "not like", "not ilike", "!~", "!~*"))
_ORDERING = frozenset(("<", "<=", ">", ">="))
_FALSE, _TRUE = r.Word("0"), r.Word("1")


class Nulls(r.Rewriter):
    """See the module."""

    def __init__(self) -> None:
        self.in_join = False

    def visit_joined(self, node: r.Joined) -> r.Joined:
        source = self.visit(node.source)
        self.in_join, outer = True, self.in_join
        on = self.visit(node.on) if node.on is not None else None
        self.in_join = outer
        after = tuple(self.visit(joined) for joined in node.after)
        return replace(node, source=source, on=on, after=after)

    def visit_select(self, node: r.Select) -> r.Select:
        self.in_join, outer = False, self.in_join
        changed = self.children(node)
        self.in_join = outer
        return changed

    def visit_compare(self, node: r.Compare) -> r.RExpr:
        node = self.children(node)
        left, right = node.left, node.right
        nothing = [side for side in (left, right) if isinstance(side, r.Value) and side.value is None]
        if node.op in ("=", "!=") and nothing:
            other = left if right is nothing[-1] else right
            return _function("isNull" if node.op == "=" else "isNotNull", other)
        if node.op in _ORDERING and nothing:
            return _FALSE
        if node.op == "in" or node.bare or self.in_join:
            return node
        if node.op == "not in":
            return _function("ifNull", node, _TRUE) if left.type.nullable else node
        if not (left.type.nullable or right.type.nullable) or _is_time(left) or _is_time(right):
            return node
        return _function("ifNull", node, self._otherwise(node.op, left, right))

    def _otherwise(self, op: str, left: r.RExpr, right: r.RExpr) -> r.RExpr:
        if op in _ORDERING:
            return _FALSE
        constant = isinstance(left, r.Value) or isinstance(right, r.Value)
        if op in _NEGATIVE:
            return _TRUE if constant else _both("or", "isNotNull", left, right)
        return _FALSE if constant else _both("and", "isNull", left, right)

    def visit_between(self, node: r.Between) -> r.RExpr:
        node = self.children(node)
        nullable = node.expr.type.nullable or node.low.type.nullable or node.high.type.nullable
        if self.in_join or not nullable or _is_time(node.expr):
            return node
        return _function("ifNull", node, _FALSE)


def _both(op: str, check: str, left: r.RExpr, right: r.RExpr) -> r.RExpr:
    return r.Logic("or" if op == "or" else "and", (_function(check, left), _function(check, right)))


def _function(name: str, *args: r.RExpr) -> r.Function:
    return r.Function(name, args, type=r.BOOLEAN)


def _is_time(node: r.RExpr) -> bool:
    return isinstance(node, r.Column) and node.type.kind == "datetime"
