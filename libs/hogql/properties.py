"""Properties -> reads of one path of the JSON column (or of its text, where a path cannot say it).

The result is text, as PostHog's: strings as they are, numbers and truth values as JSON writes them, arrays and objects
as JSON; missing and null are NULL. A comparison that no object or array can win reads the scalar alone. What else may
be an object asks first whether there is one (nested.py), unless only the rows of the result are looked at. ADR 24 has
what each form costs.
"""

import re
from dataclasses import replace

from libs.hogql import resolved as r
from libs.hogql import rules
from libs.hogql.nested import question

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

    def __init__(self) -> None:
        self.select: r.Select | None = None
        self.where: r.RExpr | None = None
        self.shown: list[r.Item] = []

    def visit_select(self, node: r.Select) -> r.Select:
        outer = self.select, self.where, self.shown
        self.select, self.where, self.shown = node, node.where, _only_shown(node)
        changed = self.children(node)
        self.select, self.where, self.shown = outer
        return changed

    def visit_joined(self, node: r.Joined) -> r.Joined:
        # what ON says of a row decides what becomes of others, also where WHERE drops the row afterwards
        where, self.where = self.where, None
        node = self.children(node)
        self.where = where
        return node

    def visit_item(self, node: r.Item) -> r.Item:
        if isinstance(node.expr, r.Property) and any(node is item for item in self.shown):
            return replace(node, expr=self._read(node.expr, ask=False))
        return self.children(node)

    def visit_property(self, node: r.Property) -> r.RExpr:
        return self._read(node, ask=True)

    def _read(self, node: r.Property, *, ask: bool) -> r.RExpr:
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
        if node.plain:
            return _scalar(column)
        below = replace(column, whole=True)
        known = question(below, self.select, self.where) if ask and self.select is not None else None
        return r.Function("coalesce", (_value(column), _object(below, known)), type=_TEXT)


def _only_shown(node: r.Select) -> list[r.Item]:
    """The items that are a property which nothing but the few rows of the result needs."""
    if node.limit is None or node.group_by or node.distinct or node.limit_by is not None:
        return []
    items = [item for item in node.items if isinstance(item.expr, r.Property)]
    if not items:
        return []
    rest = replace(node, items=(), sources=())
    used = {one.name for one in r.walk(rest) if isinstance(one, r.AliasRef)}
    return [item for item in items if item.sql_name not in used]


def _scalar(column: r.SubColumn) -> r.RExpr:
    return r.Function("CAST", (column, r.Word("'Nullable(String)'")), type=_TEXT)


def _value(column: r.SubColumn) -> r.RExpr:
    """A scalar or an array. Texts are taken as they are stored; of all else only an array begins with a bracket."""
    text = r.Function("dynamicElement", (column, r.Word("'String'")))
    scalar = _scalar(column)
    bracket = r.Function("startsWith", (scalar, r.Word("'['")))
    other = r.Function("if", (bracket, r.Function("toJSONString", (column,)), scalar))
    is_other = r.Logic("and", (r.Function("isNull", (text,)), r.Function("isNotNull", (column,))))
    return r.Function("if", (is_other, other, text), type=_TEXT)


def _object(below: r.SubColumn, known: r.RExpr | None) -> r.RExpr:
    """The object at a path; a plain NULL, with nothing read, where it is `known` that no row has one."""
    found = r.Function("nullIf", (r.Function("toJSONString", (below,)), r.Word("'{}'")))
    return found if known is None else r.Function("if", (r.Function("isNull", (known,)), r.Word("NULL"), found))


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
