"""Properties -> reads of one path of the JSON column (or of its text, where a path cannot say it).

The result is text, as PostHog's: strings as they are, numbers and truth values as JSON writes them, arrays and objects
as JSON; missing and null are NULL. Measured on 100k events of 30 keys: the path alone 12 ms, telling arrays 13 ms,
objects too 36 ms, JSONExtract of the text 166 ms. So a comparison that no object or array can win reads the least.
"""

import re
from dataclasses import replace

from libs.hogql import resolved as r
from libs.hogql import rules

# What may be written as an identifier inside a path. Other keys are looked up by value, in the text.
_PATH_STEP = re.compile(r"[A-Za-z0-9_$][A-Za-z0-9_$ -]{0,199}")
_TEXT = r.Type("string", nullable=True)
_EXACT = frozenset(("=", "!=", "in", "not in"))


class PlainReads(r.Rewriter):
    """Marks the properties of which only text or a number is of use."""

    def visit_compare(self, node: r.Compare) -> r.RExpr:
        left, right = node.left, node.right
        if node.op in _EXACT and isinstance(left, r.Property) and _only_plain_text(right):
            return replace(node, left=replace(left, plain=True))
        if node.op in _EXACT and isinstance(right, r.Property) and _only_plain_text(left):
            return replace(node, right=replace(right, plain=True))
        return self.children(node)

    def visit_function(self, node: r.Function) -> r.RExpr:
        scalar = node.name in ("accurateCastOrNull", "transform", "parseDateTime64BestEffortOrNull")
        node = self.children(node)
        if scalar and isinstance(node.args[0], r.Property):
            return replace(node, args=(replace(node.args[0], plain=True), *node.args[1:]))
        return node


class AllPlain(r.Rewriter):
    """Marks every property."""

    def visit_property(self, node: r.Property) -> r.RExpr:
        return replace(node, plain=True)


class Properties(r.Rewriter):
    """See the module."""

    def visit_property(self, node: r.Property) -> r.RExpr:
        return self._read(node, plain=node.plain)

    def _read(self, node: r.Property, *, plain: bool) -> r.RExpr:
        if node.typed and len(node.path) > 1:
            # the column keeps this path as text, so nothing of the JSON column lies below it
            whole = r.SubColumn(node.source, node.column, (str(node.path[0]),), type=_TEXT)
            return _from_text(whole, node.path[1:])
        path = _native_path(node.path) if node.native else None
        if path is None:
            return _from_text(r.Column(node.source, node.raw or node.column), node.path)
        column = r.SubColumn(node.source, node.column, path, type=_TEXT)
        if node.typed:
            return column
        scalar = r.Function("CAST", (column, r.Word("'Nullable(String)'")), type=_TEXT)
        if plain:
            return scalar
        json = r.Function("toJSONString", (column,))
        kind = r.Function("startsWith", (r.Function("dynamicType", (column,)), r.Word("'Array'")))
        below = r.SubColumn(node.source, node.column, path, whole=True)
        objects = r.Function("nullIf", (r.Function("toJSONString", (below,)), r.Word("'{}'")))
        return r.Function("ifNull", (r.Function("if", (kind, json, scalar)), objects), type=_TEXT)


def _native_path(path: tuple[str | int, ...]) -> tuple[str, ...] | None:
    steps: list[str] = []
    for step in path:
        if not isinstance(step, str):
            return None
        steps.extend(step.split("."))  # the column knows no difference between {"a.b": 1} and {"a": {"b": 1}}
    return tuple(steps) if all(_PATH_STEP.fullmatch(step) for step in steps) else None


def _from_text(column: r.RExpr, path: tuple[str | int, ...]) -> r.RExpr:
    keys = [rules.text(step) if isinstance(step, str) else r.Value(step, r.Type("integer", False)) for step in path]
    raw = r.Function("JSONExtractRaw", (column, *keys))
    some = r.Function("nullIf", (r.Function("nullIf", (raw, r.Word("''"))), r.Word("'null'")))
    text = r.Function("JSONExtractString", (column, *keys))
    quoted = r.Function("startsWith", (raw, r.Word("'\"'")))
    return r.Function("if", (quoted, text, some), type=_TEXT)


def _only_plain_text(node: r.RExpr) -> bool:
    if isinstance(node, r.Function) and node.name in ("tuple", "array") and node.args:
        return all(isinstance(arg, r.RExpr) and _only_plain_text(arg) for arg in node.args)
    return isinstance(node, r.Value) and isinstance(node.value, str) and not node.value.startswith(("{", "["))
