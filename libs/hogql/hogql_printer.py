"""Tree -> HogQL text again: the normalised query in answers, and the names of columns that were given none."""

import math
import re

from libs.hogql import ast
from libs.hogql.clauses import ARITHMETIC_FUNCTIONS, COMPARISON_FUNCTIONS, ClausePrinter

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_STRING = str.maketrans(
    {
        "\\": "\\\\",
        "'": "\\'",
        "\b": "\\b",
        "\f": "\\f",
        "\r": "\\r",
        "\n": "\\n",
        "\t": "\\t",
        "\a": "\\a",
        "\v": "\\v",
    }
)


def identifier(name: str) -> str:
    """A name as HogQL writes it."""
    if _PLAIN.fullmatch(name):
        return name
    return "`" + name.translate(_STRING).replace("\\'", "'").replace("`", "``") + "`"


def string(text: str) -> str:
    """A string as HogQL writes it."""
    return f"'{text.translate(_STRING)}'"


class HogQLPrinter(ClausePrinter):
    """One line; operators as calls, as PostHog prints them."""

    def name(self, name: str) -> str:
        """A name, quoted if need be."""
        return identifier(name)

    def bracketed(self, text: str) -> str:
        """A query inside another."""
        return f"({text})"

    def select_list(self, node: ast.SelectQuery) -> str:
        """The columns, after a space."""
        return f" {self.listed(node.select)}"

    def visit_constant(self, node: ast.Constant) -> str:
        value = node.value
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return string(value)
        if isinstance(value, float) and not math.isfinite(value):
            return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
        return repr(value)

    def visit_field(self, node: ast.Field) -> str:
        return ".".join(
            [step if step == "*" else self.name(step) if isinstance(step, str) else str(step) for step in node.chain]
        )

    def visit_call(self, node: ast.Call) -> str:
        text = node.name
        if node.params is not None:
            text += f"({self.listed(node.params)})"
        order = f" ORDER BY {self.listed(node.order_by)}" if node.order_by else ""
        text += f"({'DISTINCT ' if node.distinct else ''}{self.listed(node.args)}{order})"
        if node.within_group:
            text += f" WITHIN GROUP (ORDER BY {self.listed(node.within_group)})"
        if node.filter_expr is not None:
            text += f" FILTER (WHERE {self.item(node.filter_expr)})"
        return text

    def visit_expr_call(self, node: ast.ExprCall) -> str:
        called = self.visit(node.expr)
        if isinstance(node.expr, ast.Field | ast.Call):  # without brackets of its own it would be one call
            called = f"({called})"
        return f"{called}({self.listed(node.args)})"

    def visit_window_function(self, node: ast.WindowFunction) -> str:
        over = self.name(node.over) if isinstance(node.over, str) else f"({self.visit(node.over)})"
        return f"{self.visit(node.call)} OVER {over}"

    def visit_alias(self, node: ast.Alias) -> str:
        return f"{self.visit(node.expr)} AS {self.name(node.alias)}"

    def visit_and(self, node: ast.And) -> str:
        return f"and({self.listed(node.exprs)})"

    def visit_or(self, node: ast.Or) -> str:
        return f"or({self.listed(node.exprs)})"

    def visit_not(self, node: ast.Not) -> str:
        return f"not({self.visit(node.expr)})"

    def visit_compare_operation(self, node: ast.CompareOperation) -> str:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.right, ast.Constant) and node.right.value is None and node.op in ("=", "!="):
            return f"{'isNull' if node.op == '=' else 'isNotNull'}({left})"
        if node.op in COMPARISON_FUNCTIONS:
            return f"{COMPARISON_FUNCTIONS[node.op]}({left}, {right})"
        return f"{left} {node.op.upper()} {right}"

    def visit_is_distinct_from(self, node: ast.IsDistinctFrom) -> str:
        word = "IS NOT DISTINCT FROM" if node.negated else "IS DISTINCT FROM"
        return f"{self.visit(node.left)} {word} {self.visit(node.right)}"

    def visit_between_expr(self, node: ast.BetweenExpr) -> str:
        word = "NOT BETWEEN" if node.negated else "BETWEEN"
        return f"{self.visit(node.expr)} {word} {self.visit(node.low)} AND {self.visit(node.high)}"

    def visit_arithmetic_operation(self, node: ast.ArithmeticOperation) -> str:
        return f"{ARITHMETIC_FUNCTIONS[node.op]}({self.visit(node.left)}, {self.visit(node.right)})"

    def visit_concat(self, node: ast.Concat) -> str:
        return f"concat({self.listed(node.exprs)})"

    def visit_type_cast(self, node: ast.TypeCast) -> str:
        return f"{'TRY_CAST' if node.or_null else 'CAST'}({self.visit(node.expr)} AS {node.type_name})"

    def visit_interval_expr(self, node: ast.IntervalExpr) -> str:
        return f"toInterval{node.unit.title()}({self.visit(node.expr)})"

    def visit_case_expr(self, node: ast.CaseExpr) -> str:
        operand = f" {self.visit(node.operand)}" if node.operand is not None else ""
        whens = "".join([f" WHEN {self.visit(when)} THEN {self.visit(then)}" for when, then in node.whens])
        otherwise = f" ELSE {self.visit(node.otherwise)}" if node.otherwise is not None else ""
        return f"CASE{operand}{whens}{otherwise} END"

    def visit_ternary_expr(self, node: ast.TernaryExpr) -> str:
        return f"if({self.visit(node.condition)}, {self.visit(node.then)}, {self.visit(node.otherwise)})"

    def visit_nullish(self, node: ast.Nullish) -> str:
        return f"ifNull({self.visit(node.left)}, {self.visit(node.right)})"

    def visit_trim_expr(self, node: ast.TrimExpr) -> str:
        return f"trim({node.side.upper()} {string(node.chars)} FROM {self.visit(node.expr)})"

    def visit_array_access(self, node: ast.ArrayAccess) -> str:
        return f"{self.visit(node.array)}{'?.' if node.nullish else ''}[{self.visit(node.property)}]"

    def visit_tuple_access(self, node: ast.TupleAccess) -> str:
        step = self.name(node.index) if isinstance(node.index, str) else str(node.index)
        return f"{self.visit(node.expr)}{'?.' if node.nullish else '.'}{step}"

    def visit_array_slice(self, node: ast.ArraySlice) -> str:
        low = self.visit(node.start_expr) if node.start_expr is not None else ""
        high = self.visit(node.end_expr) if node.end_expr is not None else ""
        return f"{self.visit(node.array)}[{low}:{high}]"

    def visit_array(self, node: ast.Array) -> str:
        return f"[{self.listed(node.exprs)}]"

    def visit_tuple(self, node: ast.Tuple) -> str:
        return f"tuple({self.listed(node.exprs)})"

    def visit_dict(self, node: ast.Dict) -> str:
        return "{" + ", ".join([f"{self.visit(key)}: {self.visit(value)}" for key, value in node.items]) + "}"

    def visit_lambda(self, node: ast.Lambda) -> str:
        args = ", ".join([self.name(arg) for arg in node.args])
        return f"{args if len(node.args) == 1 else f'({args})'} -> {self.visit(node.expr)}"

    def visit_named_argument(self, node: ast.NamedArgument) -> str:
        return f"{self.name(node.name)} := {self.item(node.expr)}"

    def visit_positional_ref(self, node: ast.PositionalRef) -> str:
        return f"#{node.index}"

    def visit_placeholder(self, node: ast.Placeholder) -> str:
        return "{" + self.visit(node.expr) + "}"

    def visit_columns_expr(self, node: ast.ColumnsExpr) -> str:
        star = f"{node.table}.*" if node.table else "*"
        exclude = f" EXCLUDE ({', '.join(map(self.name, node.exclude))})" if node.exclude else ""
        if node.regex is not None:
            return f"COLUMNS({string(node.regex)})"
        if len(node.columns) == 1 and isinstance(node.columns[0], ast.Constant):  # without brackets: a regex
            return f"COLUMNS(({self.visit(node.columns[0])}))"
        if node.columns:
            return f"COLUMNS({self.listed(node.columns)})"
        changed = ", ".join([f"{self.part(expr)} AS {self.name(name)}" for name, expr in node.replace])
        if changed:
            return f"COLUMNS({star}{exclude} REPLACE ({changed}))"
        return f"{star}{exclude}" if exclude else f"COLUMNS({star})"

    def visit_spread_expr(self, node: ast.SpreadExpr) -> str:
        return f"*{self.visit(node.expr)}"

    def visit_ignore_nulls(self, node: ast.IgnoreNulls) -> str:
        return f"{self.visit(node.expr)} IGNORE NULLS"

    def visit_hogqlx_tag(self, node: ast.HogQLXTag) -> str:
        attributes = "".join([f" {name}={{{self.item(value)}}}" for name, value in node.attributes])
        return f"<{node.kind}{attributes} />"

    def visit_order_expr(self, node: ast.OrderExpr) -> str:
        nulls = f" NULLS {node.nulls}" if node.nulls else ""
        collate = f" COLLATE {string(node.collate)}" if node.collate is not None else ""
        fill = f" {self.visit(node.with_fill)}" if node.with_fill is not None else ""
        return f"{self.item(node.expr)} {node.order}{nulls}{collate}{fill}"

    def visit_with_fill(self, node: ast.WithFill) -> str:
        bounds = self.sentence(("FROM", node.from_expr), ("TO", node.to_expr), ("STEP", node.step_expr))
        return " ".join(["WITH FILL", *bounds])

    def visit_window_frame(self, node: ast.WindowFrame) -> str:
        if node.frame_type == "CURRENT ROW":
            return node.frame_type
        return f"{self.part(node.frame_value) if node.frame_value is not None else 'UNBOUNDED'} {node.frame_type}"

    def visit_window_expr(self, node: ast.WindowExpr) -> str:
        return self.window(node.partition_by, node.order_by, node.frame_method, node.frame_start, node.frame_end)

    def visit_sample_expr(self, node: ast.SampleExpr) -> str:
        return f"SAMPLE {self._ratio(node.ratio)}{' %' if node.percent else ''}" + (
            f" OFFSET {self._ratio(node.offset)}" if node.offset else ""
        )

    def _ratio(self, ratio: tuple[ast.Expr, ast.Expr | None]) -> str:
        return "/".join([self.visit(part) for part in ratio if part is not None])

    def visit_values_query(self, node: ast.ValuesQuery) -> str:
        return "VALUES " + ", ".join([f"({self.listed(row)})" for row in node.rows])

    def visit_join_constraint(self, node: ast.JoinConstraint) -> str:
        return f"ON {self.part(node.exprs[0])}" if node.kind == "ON" else f"USING ({self.listed(node.exprs)})"

    def visit_table_ref(self, node: ast.TableRef) -> str:
        text = self.visit(node.table)
        if not isinstance(node.table, ast.Field | ast.Placeholder | ast.HogQLXTag):
            text = self.bracketed(text)
        if node.args is not None:
            text += f"({self.listed(node.args)})"
        if node.alias is not None:
            text += f" AS {self.name(node.alias)}"
        if node.column_aliases:
            text += f"({', '.join(map(self.name, node.column_aliases))})"
        return text + (" FINAL" if node.final else "") + (f" {self.visit(node.sample)}" if node.sample else "")

    def visit_join(self, node: ast.Join) -> str:
        constraint = f" {self.visit(node.constraint)}" if node.constraint else ""
        pairing = f"{node.pairing} " if node.pairing else ""
        return f"{pairing}{node.kind} JOIN {self.visit(node.table)}{constraint}"

    def visit_pivot(self, node: ast.Pivot) -> str:
        parts = [
            self.listed(node.exprs),
            "FOR",
            *map(self.visit, node.columns),
            *self.lists(("GROUP BY", node.group_by)),
        ]
        named = f" AS {self.name(node.alias)}" if node.alias is not None else ""
        if node.column_aliases:
            named += f"({', '.join(map(self.name, node.column_aliases))})"
        return f"{node.kind}{' INCLUDE NULLS' if node.include_nulls else ''} ({' '.join(parts)}){named}"

    def visit_pivot_column(self, node: ast.PivotColumn) -> str:
        return f"{self.visit(node.names)} IN ({self.listed(node.values)})"

    def visit_join_chain(self, node: ast.JoinChain) -> str:
        return " ".join([self.visit(part) for part in (node.first, *node.joins)])

    def visit_cte(self, node: ast.CTE) -> str:
        if node.cte_type == "column":
            return f"{self.visit(node.expr)} AS {self.name(node.name)}"
        columns = f"({', '.join(map(self.name, node.columns))})" if node.columns else ""
        key = f" USING KEY ({', '.join(map(self.name, node.using_key))})" if node.using_key else ""
        kept = "" if node.materialized is None else "MATERIALIZED " if node.materialized else "NOT MATERIALIZED "
        return f"{self.name(node.name)}{columns}{key} AS {kept}{self.bracketed(self.visit(node.expr))}"

    def _with(self, ctes: tuple[ast.CTE, ...], recursive: bool) -> list[str]:
        return [f"WITH {'RECURSIVE ' if recursive else ''}{self.listed(ctes)}"] if ctes else []

    def visit_select_query(self, node: ast.SelectQuery) -> str:
        parts = [f"SELECT{' DISTINCT' if node.distinct else ''}{self.select_list(node)}"]
        parts += self.sentence(("FROM", node.select_from))
        parts += self.lists((node.array_join_op or "", node.array_join_list))
        parts += self.sentence(("PREWHERE", node.prewhere), ("WHERE", node.where))
        parts += self.grouping(node.group_by_mode, node.group_by, node.grouping_sets)
        parts += self.sentence(("HAVING", node.having), ("QUALIFY", node.qualify))
        if node.window_exprs:
            parts.append("WINDOW " + ", ".join([f"{self.name(n)} AS ({self.visit(w)})" for n, w in node.window_exprs]))
        parts += self.lists(("ORDER BY", node.order_by))
        parts += [self.visit(part) for part in (node.interpolate, node.limit_by) if part is not None]
        parts += self.limits(node.limit, node.offset, ties=node.limit_with_ties, percent=node.limit_percent)
        return self.joined([*self._with(node.ctes, node.recursive), *parts])

    def visit_limit_by(self, node: ast.LimitBy) -> str:
        return self.limit_by(node.n, node.offset_value, node.exprs)

    def visit_interpolate(self, node: ast.Interpolate) -> str:
        pairs = [" AS ".join([self.visit(expr) for expr in pair if expr is not None]) for pair in node.exprs]
        return f"INTERPOLATE ({', '.join(pairs)})" if pairs else "INTERPOLATE"

    def visit_select_set_query(self, node: ast.SelectSetQuery) -> str:
        text = self.branches(node.initial_select_query, node.subsequent_select_queries)
        tail = self.lists(("ORDER BY", node.order_by))
        tail += self.limits(node.limit, node.offset, ties=node.limit_with_ties, percent=node.limit_percent)
        parts = [self.bracketed(text), *tail] if tail else [text]
        return self.joined([*self._with(node.ctes, node.recursive), *parts])

    def branch(self, query: ast.Query) -> str:
        text = self.visit(query)
        return self.bracketed(text) if isinstance(query, ast.SelectSetQuery) else text
