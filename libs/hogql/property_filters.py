"""Property filters, as PostHog's API writes them, as HogQL.

A filter that is not complete (no key, no value) is true, as there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.hogql import ast
from libs.hogql.dates import NotADate, date_of
from libs.hogql.errors import InvalidPropertyFilter
from libs.hogql.parser import parse_expr

TRUE = ast.Constant(True)
_LISTS_OR = {"icontains": "ilike", "regex": "=~"}
_LISTS_AND = {"not_icontains": "not ilike", "not_regex": "!~"}
_ORDER = {"gt": ">", "lt": "<", "gte": ">=", "lte": "<=", "min": ">=", "max": "<="}
_DATES = {"is_date_after": ">", "is_date_before": "<", "is_date_exact": "="}
_ELEMENTS = {"href": "elements_chain_href", "text": "elements_chain_texts", "tag_name": "elements_chain_elements"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What the filters are read for: `table` is events, sessions, groups, logs...; `prefix` is its name in the query,
    where it needs one."""

    table: str
    now: datetime
    zone: str = "UTC"
    prefix: tuple[str, ...] = ()


def property_condition(filters: Any, reading: Reading) -> ast.Expr:
    """A list of filters, all of which must hold, or a group `{type: AND|OR, values}`. Raises InvalidPropertyFilter."""
    if isinstance(filters, Mapping) and "values" in filters:
        parts = [property_condition(value, reading) for value in filters["values"] or ()]
        return _all(parts) if str(filters.get("type", "AND")).upper() == "AND" else _any(parts)
    if isinstance(filters, Mapping):
        return _condition(filters, reading)
    if isinstance(filters, list | tuple):
        return _all([property_condition(one, reading) for one in filters])
    raise InvalidPropertyFilter("A property filter is an object.")


def _all(parts: list[ast.Expr]) -> ast.Expr:
    kept = [part for part in parts if part is not TRUE]
    return TRUE if not kept else kept[0] if len(kept) == 1 else ast.And(tuple(kept))


def _any(parts: list[ast.Expr]) -> ast.Expr:
    return TRUE if not parts else parts[0] if len(parts) == 1 else ast.Or(tuple(parts))


def _condition(given: Mapping[str, Any], reading: Reading) -> ast.Expr:
    kind, key = str(given.get("type") or "event"), given.get("key")
    operator, value = str(given.get("operator") or "exact"), given.get("value")
    if kind == "cohort":
        return _cohort(given, reading)
    if kind == "empty" or not isinstance(key, str) or not key:
        return TRUE
    if kind == "hogql":
        return parse_expr(key)
    if operator not in ("is_set", "is_not_set") and (value is None or value == []):
        return TRUE
    if kind == "element":
        return _element(key, operator, value, reading)
    return compared(_field(kind, key, given, reading), operator, value, reading)


def _field(kind: str, key: str, given: Mapping[str, Any], reading: Reading) -> ast.Expr:
    if reading.table == "sessions" and kind != "session":
        raise InvalidPropertyFilter(
            "Can only use session properties in a filter when selecting from only the sessions table."
        )
    index = given.get("group_type_index")
    match kind:
        case "event" | "feature" | "flag":
            return _at(reading, "properties", key)
        case "event_metadata":
            return _at(reading, *key.split("."))
        case "person":
            return _at(reading, "person", "properties", key)
        case "session":
            return _at(reading, key) if reading.table == "sessions" else _at(reading, "session", key)
        case "group" if reading.table == "groups":
            return _at(reading, "properties", key)
        case "group" if index in (0, 1, 2, 3, 4):
            return _at(reading, f"group_{index}", "properties", key)
        case "log" | "log_attribute" if reading.table == "logs":
            return _at(reading, "attributes", key)
    raise InvalidPropertyFilter(f"Property filters of type '{kind[:50]}' are not supported here.")


def _at(reading: Reading, *chain: str) -> ast.Field:
    return ast.Field((*reading.prefix, *chain))


def _cohort(given: Mapping[str, Any], reading: Reading) -> ast.Expr:
    value = given.get("value")
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return TRUE
    outside = given.get("operator") == "not_in" or bool(given.get("negation"))
    return ast.CompareOperation(
        "not in cohort" if outside else "in cohort", _at(reading, "person_id"), ast.Constant(value)
    )


def _element(key: str, operator: str, value: Any, reading: Reading) -> ast.Expr:
    values = value if isinstance(value, list) else [value]
    outside = operator in ("is_not", "not_icontains", "not_regex")
    if key not in _ELEMENTS:
        raise InvalidPropertyFilter(f"Elements are found by {', '.join(_ELEMENTS)}, not by '{key[:50]}'.")
    field = _at(reading, _ELEMENTS[key])
    if key == "href":
        return compared(field, operator, value, reading)
    if operator in ("exact", "is_not"):
        found: list[ast.Expr] = [ast.Call("has", (field, ast.Constant(str(one)))) for one in values]
    else:
        body = compared(ast.Field(("element",)), operator.removeprefix("not_"), value, reading)
        found = [ast.Call("arrayExists", (ast.Lambda(("element",), body), field))]
    return ast.Not(_any(found)) if outside else _any(found)


def compared(field: ast.Expr, operator: str, value: Any, reading: Reading) -> ast.Expr:
    """`field operator value`, with PostHog's operators. Raises InvalidPropertyFilter for one that it does not know."""
    several = isinstance(value, list)
    values = value if isinstance(value, list) else [value]
    match operator:
        case "is_set":
            return ast.CompareOperation("!=", field, ast.Constant(None))
        case "is_not_set":
            return ast.CompareOperation("=", field, ast.Constant(None))
        case "exact" | "is_not" | "in" | "not_in":
            negated = operator in ("is_not", "not_in")
            if not several:
                return ast.CompareOperation("!=" if negated else "=", field, _constant(value))
            listed = ast.Tuple(tuple(_constant(one) for one in values))
            return ast.CompareOperation("not in" if negated else "in", field, listed)
        case "between" | "not_between" if len(values) == 2:
            low, high = (_constant(one) for one in values)
            return ast.BetweenExpr(field, low, high, operator == "not_between")
    if operator in _LISTS_OR or operator in _LISTS_AND:
        op = _LISTS_OR.get(operator) or _LISTS_AND[operator]
        made: Callable[[Any], str] = (lambda one: f"%{one}%") if "contains" in operator else str
        text = ast.Call("toString", (field,))
        parts: list[ast.Expr] = [ast.CompareOperation(op, text, ast.Constant(made(one))) for one in values]
        return _any(parts) if operator in _LISTS_OR else _all(parts)
    if operator in _ORDER and not several:
        return ast.CompareOperation(_ORDER[operator], field, _constant(_number(value)))
    if operator in _DATES and not several:
        return ast.CompareOperation(_DATES[operator], ast.Call("toDateTime", (field,)), _date(value, reading))
    raise InvalidPropertyFilter(f"The operator '{operator[:50]}' is not supported with this value.")


def _constant(value: Any) -> ast.Constant:
    if not isinstance(value, str | int | float | bool):
        raise InvalidPropertyFilter("The value of a property filter is text, a number, a truth value or a list.")
    return ast.Constant(value)


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _date(value: Any, reading: Reading) -> ast.Constant:
    try:
        return ast.Constant(date_of(str(value), reading.now, reading.zone).isoformat())
    except NotADate as exc:
        raise InvalidPropertyFilter(f"Not a date: {str(value)[:50]}") from exc
