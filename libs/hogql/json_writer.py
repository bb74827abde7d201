"""Tree -> JSON, as json_form.py describes it."""

import math
from bisect import bisect_right
from functools import cache
from typing import Any

import msgspec

from libs.hogql import ast
from libs.hogql.tree import TreeNode, field_names
from libs.hogql.visitor import Visitor, method_name

INT64 = range(-(2**63), 2**63)

#: Our names for nodes and fields where PostHog's form has others.
NODES = {"WithFill": "WithFillExpr", "LimitBy": "LimitByExpr"}
FIELDS = {
    ("WithFill", "from_expr"): "from_value",
    ("WithFill", "to_expr"): "to_value",
    ("WithFill", "step_expr"): "step_value",
    ("TupleAccess", "expr"): "tuple",
    ("NamedArgument", "expr"): "value",
    ("JoinConstraint", "kind"): "constraint_type",
}
#: Fields that are there though they have nothing to say, as in PostHog's form.
ALWAYS = {
    "Call": ("params", "distinct", "order_by", "filter_expr"),
    "SelectQuery": ("ctes", "distinct", "select_from", "prewhere", "where", "group_by", "having", "qualify"),
    "OrderExpr": ("order",),
    "LimitBy": ("offset_value",),
    "CTE": ("columns", "materialized", "using_key"),
    "JoinExpr": ("alias", "sample", "table_final", "next_join"),
}
UNIT = "toInterval"
TRIMS = {"both": "trim", "leading": "trimLeft", "trailing": "trimRight"}


class Positions:
    """Offsets of one text as line, column and offset."""

    def __init__(self, text: str):
        self._starts = [0, *(at + 1 for at, char in enumerate(text) if char == "\n")]

    def at(self, offset: int) -> dict[str, int]:
        """Lines count from 1, columns and offsets from 0."""
        line = bisect_right(self._starts, offset)
        return {"line": line, "column": offset - self._starts[line - 1], "offset": offset}


@cache
def defaults_of(node_type: type[ast.Node]) -> dict[str, Any]:
    """What each field is when nothing is said."""
    found = {field.name: field.default for field in msgspec.structs.fields(node_type)}
    return {name: default for name, default in found.items() if default is not msgspec.NODEFAULT}


class Writer(Visitor[Any]):
    """Each node as an object; nodes without a rule field by field."""

    def __init__(self, places: Positions | None):
        self.places = places

    def visit(self, node: Any) -> Any:
        method = getattr(self, method_name(type(node)), None)
        return method(node) if method is not None else self.plain(node)

    def value(self, value: Any) -> Any:
        """A field's value."""
        if isinstance(value, TreeNode):
            return self.visit(value)
        return [self.value(item) for item in value] if isinstance(value, tuple) else value

    def made(self, node: ast.Node, kind: str, /, **fields: Any) -> dict[str, Any]:
        """An object for a node."""
        written = {"node": kind, **fields}
        if self.places is not None:
            written["start"], written["end"] = self.places.at(node.start), self.places.at(node.end)
        return written

    def plain(self, node: ast.Node, *without: str) -> dict[str, Any]:
        """A node field by field, those left out that say nothing."""
        own, defaults = type(node).__name__, defaults_of(type(node))
        always = ALWAYS.get(own, ())
        fields: dict[str, Any] = {}
        for name in field_names(type(node)):
            value = getattr(node, name)
            default = defaults.get(name, msgspec.NODEFAULT)
            said = default is msgspec.NODEFAULT or value != default
            if name not in without and (said or name in always):
                fields[FIELDS.get((own, name), name)] = self.value(value) if said else (default or None)
        return self.made(node, NODES.get(own, own), **fields)

    # --- values and operators

    def visit_constant(self, node: ast.Constant) -> Any:
        value = node.value
        if isinstance(value, float) and not math.isfinite(value):
            name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
            return self.made(node, "Constant", value=name, value_type="number")
        if isinstance(value, int) and value not in INT64:
            return self.made(node, "Constant", value=str(value), value_type="number")
        return self.made(node, "Constant", value=value)

    def visit_field(self, node: ast.Field) -> Any:
        numbers = [at for at, step in enumerate(node.chain) if isinstance(step, int)]
        first = numbers[0] if numbers else len(node.chain)
        if node.nullish or first == 0 or len(numbers) != len(node.chain) - first:
            return self.plain(node)
        written = self.made(node, "Field", chain=list(node.chain[:first]))
        for step in node.chain[first:]:
            written = self.made(node, "TupleAccess", tuple=written, index=step)
        return written

    def visit_call(self, node: ast.Call) -> Any:
        return {**self.plain(node), "distinct": node.distinct}

    def visit_compare_operation(self, node: ast.CompareOperation) -> Any:
        return {**self.plain(node), "op": "==" if node.op == "=" else node.op}

    def visit_type_cast(self, node: ast.TypeCast) -> Any:
        return {**self.plain(node, "or_null"), "node": "TryCast" if node.or_null else "TypeCast"}

    def visit_dict(self, node: ast.Dict) -> Any:
        return self.made(node, "Dict", items=self.value(node.items))

    def _call_for(self, node: ast.Expr, written_as: str, name: str, *args: ast.Expr) -> Any:
        return self.made(node, "Call", name=name, args=self.value(args), written_as=written_as)

    def visit_case_expr(self, node: ast.CaseExpr) -> Any:
        branches = tuple(part for when in node.whens for part in when)
        last = node.otherwise or ast.Constant(None, start=node.end, end=node.end)
        written_as = "CASE" if node.otherwise is None else "CASE ELSE"
        if node.operand is not None:
            return self._call_for(node, written_as, "_caseWithExpression", node.operand, *branches, last)
        return self._call_for(node, written_as, "if" if len(node.whens) == 1 else "multiIf", *branches, last)

    def visit_interval_expr(self, node: ast.IntervalExpr) -> Any:
        return self._call_for(node, "INTERVAL", UNIT + node.unit.title(), node.expr)

    def visit_ternary_expr(self, node: ast.TernaryExpr) -> Any:
        return self._call_for(node, "?:", "if", node.condition, node.then, node.otherwise)

    def visit_nullish(self, node: ast.Nullish) -> Any:
        return self._call_for(node, "??", "ifNull", node.left, node.right)

    def visit_concat(self, node: ast.Concat) -> Any:
        return self._call_for(node, "||", "concat", *node.exprs)

    def visit_trim_expr(self, node: ast.TrimExpr) -> Any:
        chars = ast.Constant(node.chars, start=node.start, end=node.end)
        return self._call_for(node, "TRIM", TRIMS[node.side], node.expr, chars)

    def visit_window_function(self, node: ast.WindowFunction) -> Any:
        call = node.call
        given = call.args if call.params is None else call.params
        written = self.made(node, "WindowFunction", name=call.name, exprs=self.value(given))
        written["args"] = [] if call.params is None else self.value(call.args)
        if call.params is not None:
            written["parametric"] = True
        for name in ("distinct", "order_by", "filter_expr", "within_group"):
            if getattr(call, name):
                written[name] = self.value(getattr(call, name))
        written["over_identifier" if isinstance(node.over, str) else "over_expr"] = self.value(node.over)
        return written

    def visit_window_frame(self, node: ast.WindowFrame) -> Any:
        value = node.frame_value
        whole = isinstance(value, ast.Constant) and type(value.value) is int and value.value in INT64
        written = self.made(node, "WindowFrameExpr", frame_type=node.frame_type)
        if value is not None:
            written["frame_value"] = value.value if whole and isinstance(value, ast.Constant) else self.visit(value)
        return written

    def _by_name(self, pairs: tuple[tuple[str, ast.Node], ...]) -> Any:
        # an object, unless a name comes twice
        if len({name for name, _ in pairs}) < len(pairs):
            return self.value(pairs)
        return {name: self.visit(node) for name, node in pairs}

    def visit_columns_expr(self, node: ast.ColumnsExpr) -> Any:
        replaced = {"replace": self._by_name(node.replace)} if node.replace else {}
        return {**self.plain(node, "replace"), **replaced}

    def visit_hog_qlxtag(self, node: ast.HogQLXTag) -> Any:
        return self.visit_hogqlx_tag(node)

    def visit_hogqlx_tag(self, node: ast.HogQLXTag) -> Any:
        attributes = []
        for name, value in node.attributes:
            inner = value.exprs if name == "children" and isinstance(value, ast.Array) else value
            attributes.append({"node": "HogQLXAttribute", "name": name, "value": self.value(inner)})
        return self.made(node, "HogQLXTag", kind=node.kind, attributes=attributes)

    # --- FROM

    def visit_sample_expr(self, node: ast.SampleExpr) -> Any:
        ratios = {"sample_value": self._ratio(node.ratio), "offset_value": node.offset and self._ratio(node.offset)}
        return self.made(node, "SampleExpr", **ratios, **({"percent": True} if node.percent else {}))

    def _ratio(self, ratio: tuple[ast.Expr, ast.Expr | None]) -> Any:
        if isinstance(ratio[0], ast.Placeholder):
            return self.value(ratio[0])
        return {"node": "RatioExpr", "left": self.value(ratio[0]), "right": self.value(ratio[1])}

    def visit_table_ref(self, node: ast.TableRef) -> Any:
        return self._join_expr(node, self.visit(node.table), node)

    def _join_expr(self, place: ast.Node, table: Any, ref: ast.TableRef | ast.Pivot) -> dict[str, Any]:
        written = self.made(place, "JoinExpr", table=table, alias=ref.alias, sample=None, table_final=None)
        if ref.column_aliases:
            written["column_aliases"] = list(ref.column_aliases)
        if isinstance(ref, ast.TableRef):
            written["sample"] = self.value(ref.sample)
            written["table_final"] = True if ref.final else None
            if ref.args is not None:
                written["table_args"] = self.value(ref.args)
        written["next_join"] = None
        return written

    def visit_join_chain(self, node: ast.JoinChain) -> Any:
        first = last = self.visit(node.first)
        for join in node.joins:
            if isinstance(join, ast.Pivot):
                first = last = self._join_expr(join, self._pivot(join, first), join)
                continue
            joined = self.visit(join.table)
            positional = join.pairing == "POSITIONAL" and join.kind == "INNER"
            joined["join_type"] = "POSITIONAL JOIN" if positional else f"{join.kind} JOIN"
            joined["constraint"] = self.value(join.constraint)
            if join.pairing is not None and not positional:
                joined["pairing"] = join.pairing
            last["next_join"] = joined
            last = joined
        return first

    def visit_join_constraint(self, node: ast.JoinConstraint) -> Any:
        written = self.made(node, "JoinConstraint", constraint_type=node.kind)
        if len(node.exprs) > 1:
            return {**written, "expr": self.made(node, "Tuple", exprs=self.value(node.exprs))}
        one = self.visit(node.exprs[0])
        # a tuple by itself must not be read as several names
        return {**written, "expr": one, **({"exprs": [one]} if isinstance(node.exprs[0], ast.Tuple) else {})}

    def _pivot(self, node: ast.Pivot, table: Any) -> Any:
        if node.kind == "PIVOT":
            columns = [
                self.made(column, "PivotColumn", column=self.visit(column.names), values=self.value(column.values))
                for column in node.columns
            ]
            grouped = {"group_by": self.value(node.group_by)} if node.group_by else {}
            return self.made(
                node, "PivotExpr", table=table, aggregates=self.value(node.exprs), columns=columns, **grouped
            )
        columns = [
            self.made(
                column, "UnpivotColumn", value_columns=self.visit(node.exprs[0]), name_columns=self.visit(column.names),
                unpivot_values=self.value(column.values),
            )
            for column in node.columns
        ]  # fmt: skip
        return self.made(node, "UnpivotExpr", table=table, columns=columns, include_nulls=node.include_nulls)

    # --- queries

    def visit_cte(self, node: ast.CTE) -> Any:
        return self.plain(node)

    def visit_interpolate(self, node: ast.Interpolate) -> Any:
        return [
            {"node": "InterpolateExpr", "expr": self.visit(expr), "value": self.value(value)}
            for expr, value in node.exprs
        ]

    def visit_select_query(self, node: ast.SelectQuery) -> Any:
        written = self._with_ctes(node, self.plain(node, "grouping_sets", "window_exprs", "recursive"))
        if node.group_by_mode == "grouping_sets":
            sets = [{"node": "GroupingSet", "exprs": self.value(one)} for one in node.grouping_sets]
            written["group_by"] = sets
        if node.window_exprs:
            written["window_exprs"] = self._by_name(node.window_exprs)
        return written

    def visit_select_set_query(self, node: ast.SelectSetQuery) -> Any:
        written = self._with_ctes(node, self.plain(node, "subsequent_select_queries", "recursive"))
        written["subsequent_select_queries"] = [
            {"node": "SelectSetNode", "set_operator": operator, "select_query": self.visit(query)}
            for operator, query in node.subsequent_select_queries
        ]
        return written

    def _with_ctes(self, node: ast.SelectQuery | ast.SelectSetQuery, written: dict[str, Any]) -> dict[str, Any]:
        if node.recursive:
            written["ctes"] = [{**cte, "recursive": True} for cte in written["ctes"]]
        return written
