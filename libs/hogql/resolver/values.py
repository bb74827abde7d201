"""Values and types: constants as nodes, and what a value is read as beside another."""

from dataclasses import replace
from typing import Any

from libs.hogql import ast, rules
from libs.hogql import resolved as r
from libs.hogql.errors import QueryError
from libs.hogql.scope import Derived

NON_NULL_STRING = r.Type("string", nullable=False)


def constant(value: Any, node: ast.Node) -> r.RExpr:
    match value:
        case None:
            return r.Value(None, r.Type("unknown", nullable=True))
        case bool():
            return r.Value(value, r.BOOLEAN)
        case int():
            if not -(2**255) < value < 2**255:
                raise QueryError("This number is too large.", start=node.start, end=node.end)
            return r.Value(value, r.Type("integer", nullable=False))
        case float():
            return r.Value(value, r.Type("float", nullable=False))
        case str():
            return r.Value(value, NON_NULL_STRING)
        case list() | tuple():
            target: r.Kind = "array" if isinstance(value, list) else "tuple"
            return replace(rules.call(target, *[constant(item, node) for item in value]), type=r.Type(target, False))
    raise QueryError(f"A value of this kind cannot be used: {type(value).__name__}", start=node.start, end=node.end)


def folded(node: ast.Expr) -> ast.Expr:
    """`10 + 5` as 15."""
    if not isinstance(node, ast.ArithmeticOperation) or node.op not in "+-*":
        return node
    left, right = folded(node.left), folded(node.right)
    if not (isinstance(left, ast.Constant) and isinstance(right, ast.Constant)):
        return node
    one, two = left.value, right.value
    if type(one) is not int or type(two) is not int:
        return node
    value = one + two if node.op == "+" else one - two if node.op == "-" else one * two
    return ast.Constant(value, start=node.start, end=node.end)


def exported(query: r.RQuery) -> dict[str, Derived]:
    """Label -> column; of equal labels the last counts."""
    return {item.label: Derived(item.sql_name, item.expr.type) for item in r.columns_of(query)}


def renamed(columns: dict[str, Derived], names: tuple[str, ...], node: ast.Node) -> dict[str, Derived]:
    if not names:
        return columns
    if len(names) != len(columns):
        raise QueryError(
            f"Subquery has {len(columns)} column(s) but {len(names)} column name(s) were provided",
            start=node.start,
            end=node.end,
        )
    return dict(zip(names, columns.values(), strict=True))


def chain_of(node: ast.Expr) -> tuple[str | int, ...] | None:
    if isinstance(node, ast.Field):
        return node.chain
    if isinstance(node, ast.ArrayAccess) and isinstance(node.property, ast.Constant):
        base, step = chain_of(node.array), node.property.value
        if base is not None and isinstance(step, str | int):
            return (*base, step)
    return None


def read_as(value: r.Property, other: r.RExpr) -> r.RExpr:
    """A property beside a number is a number, beside a truth value a truth value."""
    if other.type.kind in ("integer", "float"):
        return as_number(value)
    if isinstance(other, r.Value) and isinstance(other.value, bool):
        listed = (r.Word("['true', 'false']"), r.Word("[1, 0]"), r.Word("NULL"))
        return r.Function("transform", (value, *listed), type=r.Type("boolean", nullable=True))
    if other.type.kind == "datetime":
        zone = rules.text("UTC")
        return rules.call("parseDateTime64BestEffortOrNull", value, r.Word("6"), zone)
    return value


def typed(value: r.Property, definition: str | None, zone: str) -> r.RExpr:
    """A property as its definition says."""
    match definition:
        case "Numeric":
            return as_number(value)
        case "Boolean":
            return read_as(value, r.Value(True, r.BOOLEAN))
        case "DateTime":
            return rules.call("parseDateTime64BestEffortOrNull", value, r.Word("6"), rules.text(zone))
    return value


def is_truth(value: r.RExpr) -> bool:
    """Whether this is a property that was read as a truth value."""
    return isinstance(value, r.Function) and value.name == "transform" and value.type.kind == "boolean"


def as_truth(value: r.RExpr) -> r.RExpr:
    """`'true'` beside a truth value is one: so filters write it."""
    if isinstance(value, r.Function) and value.name in ("tuple", "array"):
        return replace(value, args=tuple(as_truth(arg) if isinstance(arg, r.RExpr) else arg for arg in value.args))
    if isinstance(value, r.Value) and value.value in ("true", "false"):
        return r.Value(value.value == "true", r.BOOLEAN)
    return value


def as_number(value: r.RExpr) -> r.RExpr:
    return rules.accurate_cast(value, "Float64", "float") if isinstance(value, r.Property) else value
