"""Tree -> HogQL as a person would write it: operators as signs, brackets where they are needed, clauses on lines.

What it prints means what was read: parsed again, it gives an equal tree.
"""

from collections.abc import Sequence
from typing import Any

from libs.hogql import ast
from libs.hogql.hogql_printer import HogQLPrinter, identifier, string
from libs.hogql.parser import levels
from libs.hogql.words import KEYWORDS, UNITS

_WIDTH = 100
_INDENT = "    "
_OPEN_LEVEL = 0
# Keywords that read as names of functions wherever a bracket follows.
_CALLABLE = frozenset("IF LEFT RIGHT REPLACE DATE ANY SUBSTRING FIRST LAST TIMESTAMP".split()) | UNITS
_VALUE_WORDS = frozenset(("TRUE", "FALSE"))
# Keywords that are read as names wherever a name may stand.
_PLAIN_WORDS = frozenset(("DATE", "TIMESTAMP", "TIME", "FIRST", "LAST", "ID", "KEY", "NAME")) | UNITS
_QUOTED_WORDS = (KEYWORDS | _VALUE_WORDS) - _PLAIN_WORDS


def formatted(tree: ast.Query) -> str:
    """The query, written out."""
    return Formatter().visit(tree)


def _name(name: str) -> str:
    text = identifier(name)
    quoted = text == name and name.upper() in _QUOTED_WORDS
    return f"`{name}`" if quoted else text


def _level(node: ast.Node) -> int:
    """How tightly a node holds together, as in the parser."""
    match node:
        case ast.Alias() | ast.SelectQuery() | ast.SelectSetQuery() | ast.Lambda():
            return _OPEN_LEVEL
        case ast.TernaryExpr():
            return levels.TERNARY
        case ast.Or():
            return levels.OR
        case ast.And():
            return levels.AND
        case ast.Not():
            return levels.NOT
        case ast.BetweenExpr():
            return levels.BETWEEN
        case ast.Nullish():
            return levels.NULLISH
        case ast.IsDistinctFrom():
            return levels.DISTINCT
        case ast.CompareOperation():
            return levels.IS_NULL if _is_null(node) else levels.COMPARE
        case ast.IgnoreNulls():
            return levels.IGNORE
        case ast.Concat():
            return levels.ADD
        case ast.ArithmeticOperation():
            return levels.ADD if node.op in "+-" else levels.MULTIPLY
        case ast.TypeCast() if not node.or_null:
            return levels.CAST
        case ast.Constant() if isinstance(node.value, int | float) or node.value is None:
            return levels.CAST  # a number takes no step, and neither does NULL
        case _:
            return levels.POSTFIX


def _is_null(node: ast.CompareOperation) -> bool:
    return node.op in ("=", "!=") and isinstance(node.right, ast.Constant) and node.right.value is None


class Formatter(HogQLPrinter):
    """See the module."""

    def part(self, node: Any) -> str:
        return self.at(node, levels.TERNARY) if isinstance(node, ast.Expr) else self.visit(node)

    def at(self, node: ast.Node, least: int) -> str:
        """The node, in brackets if it would fall apart beside operators of this level."""
        text = self.visit(node)
        if isinstance(node, ast.SelectQuery | ast.SelectSetQuery):
            return self.bracketed(text)
        return f"({text})" if _level(node) < least else text

    def bracketed(self, text: str) -> str:
        """Brackets around a query: on lines of their own when it has several."""
        if "\n" not in text:
            return f"({text})"
        return "(\n" + "\n".join([_INDENT + line for line in text.split("\n")]) + "\n)"

    def item(self, node: Any) -> str:
        if isinstance(node, ast.SelectQuery | ast.SelectSetQuery):
            return self.bracketed(self.visit(node))
        return self.visit(node)

    def name(self, name: str) -> str:
        return _name(name)

    def joined(self, parts: Sequence[str]) -> str:
        text = " ".join(parts)
        return text if len(text) <= _WIDTH and "\n" not in text else "\n".join(parts)

    def select_list(self, node: ast.SelectQuery) -> str:
        texts = [self.item(item) for item in node.select]
        line = ", ".join(texts)
        if len(line) <= _WIDTH and "\n" not in line:
            return f" {line}"
        return "".join([f"\n{_INDENT}" + ",\n".join(texts).replace("\n", f"\n{_INDENT}")])

    # --- operators

    def _chain(self, exprs: tuple[ast.Expr, ...], sign: str, level: int) -> str:
        return f" {sign} ".join([self.at(expr, level + 1) for expr in exprs])

    def visit_and(self, node: ast.And) -> str:
        return self._chain(node.exprs, "AND", levels.AND)

    def visit_or(self, node: ast.Or) -> str:
        return self._chain(node.exprs, "OR", levels.OR)

    def visit_concat(self, node: ast.Concat) -> str:
        return self._chain(node.exprs, "||", levels.ADD)

    def visit_not(self, node: ast.Not) -> str:
        return f"NOT {self.at(node.expr, levels.NOT)}"

    def visit_compare_operation(self, node: ast.CompareOperation) -> str:
        if _is_null(node):
            return f"{self.at(node.left, levels.IS_NULL)} IS {'NOT ' if node.op == '!=' else ''}NULL"
        left, right = self.at(node.left, levels.COMPARE), self.at(node.right, levels.COMPARE + 1)
        return f"{left} {node.op.upper()} {right}"

    def visit_is_distinct_from(self, node: ast.IsDistinctFrom) -> str:
        word = "IS NOT DISTINCT FROM" if node.negated else "IS DISTINCT FROM"
        return f"{self.at(node.left, levels.DISTINCT)} {word} {self.at(node.right, levels.DISTINCT + 1)}"

    def visit_between_expr(self, node: ast.BetweenExpr) -> str:
        low, high = self.at(node.low, levels.BETWEEN + 1), self.at(node.high, levels.BETWEEN + 1)
        return f"{self.at(node.expr, levels.BETWEEN)} {'NOT ' if node.negated else ''}BETWEEN {low} AND {high}"

    def visit_arithmetic_operation(self, node: ast.ArithmeticOperation) -> str:
        level = levels.ADD if node.op in "+-" else levels.MULTIPLY
        return f"{self.at(node.left, level)} {node.op} {self.at(node.right, level + 1)}"

    def visit_nullish(self, node: ast.Nullish) -> str:
        return f"{self.at(node.left, levels.NULLISH)} ?? {self.at(node.right, levels.NULLISH + 1)}"

    def visit_ternary_expr(self, node: ast.TernaryExpr) -> str:
        condition = self.at(node.condition, levels.TERNARY + 1)
        return f"{condition} ? {self.at(node.then, levels.TERNARY)} : {self.at(node.otherwise, levels.TERNARY)}"

    def visit_type_cast(self, node: ast.TypeCast) -> str:
        return f"{'TRY_CAST' if node.or_null else 'CAST'}({self.at(node.expr, levels.TERNARY)} AS {node.type_name})"

    def visit_interval_expr(self, node: ast.IntervalExpr) -> str:
        text = self.visit(node.expr) if isinstance(node.expr, ast.Constant) else f"({self.visit(node.expr)})"
        return f"INTERVAL {text} {node.unit.upper()}"

    def visit_ignore_nulls(self, node: ast.IgnoreNulls) -> str:
        return f"{self.at(node.expr, levels.IGNORE)} IGNORE NULLS"

    def visit_lambda(self, node: ast.Lambda) -> str:
        return f"({', '.join([_name(arg) for arg in node.args])}) -> {self.at(node.expr, levels.TERNARY)}"

    def visit_alias(self, node: ast.Alias) -> str:
        return f"{self.at(node.expr, levels.ALIAS + 1)} {'' if node.implicit else 'AS '}{_name(node.alias)}"

    # --- steps and operands

    def visit_field(self, node: ast.Field) -> str:
        steps = [step if step == "*" else _name(step) if isinstance(step, str) else str(step) for step in node.chain]
        return steps[0] + "".join([("?." if node.nullish else ".") + step for step in steps[1:]])

    def visit_array_access(self, node: ast.ArrayAccess) -> str:
        nullish = "?." if node.nullish else ""
        return f"{self.at(node.array, levels.POSTFIX)}{nullish}[{self.item(node.property)}]"

    def visit_tuple_access(self, node: ast.TupleAccess) -> str:
        step = _name(node.index) if isinstance(node.index, str) else str(node.index)
        return f"{self.at(node.expr, levels.POSTFIX)}{'?.' if node.nullish else '.'}{step}"

    def visit_array_slice(self, node: ast.ArraySlice) -> str:
        low = self.item(node.start_expr) if node.start_expr is not None else ""
        high = self.item(node.end_expr) if node.end_expr is not None else ""
        return f"{self.at(node.array, levels.POSTFIX)}[{low}:{high}]"

    def visit_expr_call(self, node: ast.ExprCall) -> str:
        least = levels.POSTFIX + isinstance(node.expr, ast.Field | ast.Call)  # these would be one call without brackets
        return f"{self.at(node.expr, least)}({self.listed(node.args)})"

    def visit_call(self, node: ast.Call) -> str:
        text = super().visit_call(node)
        quoted = identifier(node.name)
        if quoted == node.name and (node.name.upper() not in KEYWORDS | _VALUE_WORDS or node.name.upper() in _CALLABLE):
            return text
        return (quoted if quoted != node.name else f"`{node.name}`") + text.removeprefix(node.name)

    def visit_tuple(self, node: ast.Tuple) -> str:
        return f"({self.listed(node.exprs)}{',' if len(node.exprs) == 1 else ''})"

    def visit_dict(self, node: ast.Dict) -> str:
        pairs = [f"{self.at(key, levels.OR)}: {self.item(value)}" for key, value in node.items]
        return "{" + ", ".join(pairs) + "}"

    def visit_placeholder(self, node: ast.Placeholder) -> str:
        return "{" + self.at(node.expr, levels.OR) + "}"

    def visit_case_expr(self, node: ast.CaseExpr) -> str:
        operand = f" ({self.visit(node.operand)})" if node.operand is not None else ""
        whens = "".join([f" WHEN {self.item(when)} THEN {self.item(then)}" for when, then in node.whens])
        otherwise = f" ELSE {self.item(node.otherwise)}" if node.otherwise is not None else ""
        return f"CASE{operand}{whens}{otherwise} END"

    def visit_trim_expr(self, node: ast.TrimExpr) -> str:
        return f"trim({node.side.upper()} {string(node.chars)} FROM {self.item(node.expr)})"

    def visit_cte(self, node: ast.CTE) -> str:
        if node.cte_type == "column":
            return f"{self.at(node.expr, levels.ALIAS + 1)} AS {_name(node.name)}"
        return super().visit_cte(node)

    def visit_pivot_column(self, node: ast.PivotColumn) -> str:
        return f"{self.at(node.names, levels.COMPARE + 1)} IN ({self.listed(node.values)})"

    def branch(self, query: ast.Query) -> str:
        text = self.visit(query)
        plain = isinstance(query, ast.Placeholder) or (isinstance(query, ast.SelectQuery) and not query.ctes)
        return text if plain else self.bracketed(text)
