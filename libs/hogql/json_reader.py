"""JSON -> tree, as json_form.py describes it. An error says where something is unknown, missing or of a wrong kind."""

import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn

from libs.hogql import ast
from libs.hogql.errors import QueryError, TooComplex
from libs.hogql.json_writer import FIELDS, NODES, TRIMS, UNIT, defaults_of
from libs.hogql.parser.cursor import MAX_HEIGHT

MAX_NODES = 60_000
_OURS = {written: own for own, written in NODES.items()}
_NUMBERS = {"NaN": math.nan, "Infinity": float("inf"), "-Infinity": float("-inf")}
_SIDES = {name: side for side, name in TRIMS.items()}
#: Lists that hold at least one thing.
_SOMETHING = {
    "Field": ("chain",),
    "And": ("exprs",),
    "Or": ("exprs",),
    "SelectQuery": ("select",),
    "ValuesQuery": ("rows",),
    "JoinConstraint": ("exprs",),
    "Pivot": ("exprs", "columns"),
    "LimitBy": ("exprs",),
}
_Object = Mapping[str, Any]


def read(value: _Object) -> ast.Expr:
    """The tree for a query or an expression."""
    node = Reader().node(value, "tree")
    return node if isinstance(node, ast.Expr) else _refuse("tree", "a query or an expression was expected")


def _refuse(where: str, why: str) -> NoReturn:
    raise QueryError(f"Not the JSON form of a query: {where[-200:]}: {why}")


@cache
def _hints(node_type: type[ast.Node]) -> dict[str, Any]:
    return typing.get_type_hints(node_type, vars(ast))


class Reader:
    """Reads one tree, counting its nodes and how deep they are."""

    def __init__(self) -> None:
        self.nodes = self.depth = 0

    def node(self, value: Any, where: str) -> Any:
        """The node of an object."""
        if not isinstance(value, Mapping) or not isinstance(value.get("node"), str):
            _refuse(where, 'an object with "node" was expected')
        self.nodes += 1
        self.depth += 1
        if self.nodes > MAX_NODES or self.depth > MAX_HEIGHT:
            raise TooComplex("input too deeply nested" if self.depth > MAX_HEIGHT else "This tree has too many nodes.")
        name: str = value["node"]
        rule: Callable[[_Object, str], Any] | None = getattr(self, f"_read_{name.lower()}", None)
        where = f"{where} {name}"
        read = rule(value, where) if rule is not None else self.plain(_OURS.get(name, name), value, where)
        self.depth -= 1
        return read

    def plain(self, name: str, value: _Object, where: str, /, **known: Any) -> Any:
        """A node whose fields are those of our class."""
        node_type = getattr(ast, name, None)
        if not isinstance(node_type, type) or not issubclass(node_type, ast.Node) or node_type in (ast.Node, ast.Expr):
            _refuse(where, "there is no such node")
        fields, defaults = dict(known), defaults_of(node_type)
        for field, hint in _hints(node_type).items():
            key = FIELDS.get((name, field), field)
            if field in ("start", "end"):
                fields[field] = self._offset(value, field)
            elif field not in fields and value.get(key) is not None:
                fields[field] = self.typed(hint, value[key], f"{where}.{key}")
            elif field not in fields and field not in defaults:
                fields[field] = self.typed(hint, None, f"{where}.{key}")
        if any(fields.get(field) == () for field in _SOMETHING.get(name, ())):
            _refuse(where, "an empty list stands for nothing")
        return node_type(**fields)

    def typed(self, hint: Any, value: Any, where: str) -> Any:
        """A value of the type of a field."""
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin in (types.UnionType, typing.Union):
            return self._one_of(args, value, where)
        if origin is typing.Literal:
            return value if isinstance(value, str) and value in args else _refuse(where, f"one of {args} was expected")
        if origin is tuple:
            return self._tuple(args, value, where)
        if isinstance(hint, type) and issubclass(hint, ast.Node):
            node = self.node(value, where)
            return node if isinstance(node, hint) else _refuse(where, f"{hint.__name__} was expected")
        if type(value) is hint or (hint is float and type(value) is int):
            return value
        return _refuse(where, f"{getattr(hint, '__name__', hint)} was expected")

    def _one_of(self, hints: tuple[Any, ...], value: Any, where: str) -> Any:
        if value is None and types.NoneType in hints:
            return None
        if isinstance(value, Mapping):
            node = self.node(value, where)
            allowed = tuple(hint for hint in hints if isinstance(hint, type))
            return node if isinstance(node, allowed) else _refuse(where, "another node was expected")
        for hint in hints:
            plain = isinstance(hint, type) and type(value) is hint
            listed = typing.get_origin(hint) is tuple and isinstance(value, list | tuple)
            if plain or listed or typing.get_origin(hint) is typing.Literal:
                return self.typed(hint, value, where)
        return _refuse(where, "a value of another kind was expected")

    def _tuple(self, hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            _refuse(where, "a list was expected")
        if hints[-1] is Ellipsis:
            return tuple([self.typed(hints[0], item, f"{where}[{at}]") for at, item in enumerate(value)])
        if len(value) != len(hints):
            _refuse(where, f"{len(hints)} values were expected")
        return tuple([self.typed(*pair, where) for pair in zip(hints, value, strict=True)])

    def _offset(self, value: _Object, key: str) -> int:
        place = value.get(key)
        offset = place.get("offset") if isinstance(place, Mapping) else None
        return offset if type(offset) is int and 0 <= offset < 2**31 else 0

    def _all(self, value: _Object, key: str, where: str) -> tuple[Any, ...]:
        return self._tuple((ast.Expr, ...), value.get(key) or (), f"{where}.{key}")

    def _pairs(self, value: Any, hint: Any, where: str) -> tuple[tuple[str, Any], ...]:
        pairs = list(value.items()) if isinstance(value, Mapping) else value or []
        return self._tuple((tuple[str, hint], ...), pairs, where)

    def _places(self, value: _Object) -> dict[str, int]:
        return {"start": self._offset(value, "start"), "end": self._offset(value, "end")}

    # --- values and operators

    def _read_constant(self, value: _Object, where: str) -> Any:
        given = value.get("value")
        if value.get("value_type") == "number" and isinstance(given, str):
            if given not in _NUMBERS and not (given.lstrip("-").isdecimal() and given.isascii() and len(given) <= 81):
                _refuse(where, "a number was expected")
            given = _NUMBERS[given] if given in _NUMBERS else int(given)
        if not isinstance(given, str | int | float | None):
            _refuse(where, "a text, a number, true, false or null was expected")
        return ast.Constant(given, **self._places(value))

    def _read_tupleaccess(self, value: _Object, where: str) -> Any:
        read = self.plain("TupleAccess", value, where)
        if isinstance(read.expr, ast.Field) and type(read.index) is int and not read.nullish:
            return ast.Field((*read.expr.chain, read.index), read.expr.nullish, **self._places(value))
        return read

    def _read_compareoperation(self, value: _Object, where: str) -> Any:
        op = "=" if value.get("op") == "==" else value.get("op")
        if op not in ast.COMPARE_OPS:
            _refuse(where, "there is no such comparison")
        return self.plain("CompareOperation", value, where, op=op)

    def _read_typecast(self, value: _Object, where: str) -> Any:
        return self.plain("TypeCast", value, where, or_null=False)

    def _read_trycast(self, value: _Object, where: str) -> Any:
        return self.plain("TypeCast", value, where, or_null=True)

    def _read_call(self, value: _Object, where: str) -> Any:
        written_as, name = value.get("written_as"), str(value.get("name"))
        if written_as is None:
            return self.plain("Call", value, where)
        args, places = self._all(value, "args", where), self._places(value)
        if written_as in ("CASE", "CASE ELSE") and len(args) > 2:
            return self._case(name, args, written_as == "CASE ELSE", places)
        if written_as == "INTERVAL" and name.startswith(UNIT) and len(args) == 1:
            return ast.IntervalExpr(args[0], name.removeprefix(UNIT).lower(), **places)
        if written_as == "?:" and len(args) == 3:
            return ast.TernaryExpr(args[0], args[1], args[2], **places)
        if written_as == "??" and len(args) == 2:
            return ast.Nullish(args[0], args[1], **places)
        if written_as == "||" and args:
            return ast.Concat(args, **places)
        chars = args[1].value if len(args) == 2 and isinstance(args[1], ast.Constant) else None
        if written_as == "TRIM" and name in _SIDES and isinstance(chars, str):
            return ast.TrimExpr(_SIDES[name], chars, args[0], **places)
        return _refuse(where, "written_as does not fit")

    def _case(self, name: str, args: tuple[Any, ...], otherwise: bool, places: dict[str, int]) -> ast.CaseExpr:
        operand = args[0] if name == "_caseWithExpression" else None
        rest = args[1:-1] if operand is not None else args[:-1]
        whens = tuple(zip(rest[::2], rest[1::2], strict=False))
        return ast.CaseExpr(operand, whens, args[-1] if otherwise else None, **places)

    def _read_windowfunction(self, value: _Object, where: str) -> Any:
        given, second = self._all(value, "exprs", where), self._all(value, "args", where)
        parametric = bool(value.get("parametric") or second)
        known = {"args": second if parametric else given, "params": given if parametric else None}
        call = self.plain("Call", value, where, **known)
        key = "over_identifier" if value.get("over_identifier") is not None else "over_expr"
        over = self.typed(ast.WindowExpr | str, value.get(key), f"{where}.{key}")
        return ast.WindowFunction(call, over, **self._places(value))

    def _read_windowframeexpr(self, value: _Object, where: str) -> Any:
        given = value.get("frame_value")
        known = {"frame_value": ast.Constant(given)} if type(given) is int else {}
        return self.plain("WindowFrame", value, where, **known)

    def _read_columnsexpr(self, value: _Object, where: str) -> Any:
        replaced = self._pairs(value.get("replace"), ast.Expr, f"{where}.replace")
        return self.plain("ColumnsExpr", value, where, replace=replaced)

    def _read_hogqlxtag(self, value: _Object, where: str) -> Any:
        attributes = []
        for one in self._objects(value, "attributes", where):
            inner = one.get("value")
            inner = {"node": "Array", "exprs": inner} if isinstance(inner, list) else inner
            attributes.append((one.get("name"), inner))
        pairs = self._pairs(attributes, ast.Expr, f"{where}.attributes")
        return self.plain("HogQLXTag", value, where, attributes=pairs)

    def _objects(self, value: _Object, key: str, where: str) -> list[_Object]:
        items = value.get(key) or []
        if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
            _refuse(f"{where}.{key}", "a list of objects was expected")
        return items

    # --- FROM

    def _read_sampleexpr(self, value: _Object, where: str) -> Any:
        offset = value.get("offset_value")
        known = {
            "ratio": self._ratio(value.get("sample_value"), where),
            "offset": None if offset is None else self._ratio(offset, where),
        }
        return self.plain("SampleExpr", value, where, **known)

    def _ratio(self, value: Any, where: str) -> Any:
        if isinstance(value, Mapping) and value.get("node") == "Placeholder":
            return self._tuple((ast.Expr, ast.Expr | None), (value, None), f"{where} ratio")
        sides = (value.get("left"), value.get("right")) if isinstance(value, Mapping) else ()
        return self._tuple((ast.Expr, ast.Expr | None), sides, f"{where} ratio")

    def _read_joinexpr(self, value: _Object, where: str) -> Any:
        chain = self._first(value, where)
        joins: list[ast.Join | ast.Pivot] = list(chain.joins)
        following = value.get("next_join")
        while following is not None:
            self.nodes += 1
            if not isinstance(following, Mapping) or following.get("node") != "JoinExpr":
                _refuse(f"{where}.next_join", "JoinExpr was expected")
            joins.append(self._join(following, f"{where}.next_join"))
            following = following.get("next_join")
        return ast.JoinChain(chain.first, tuple(joins), **self._places(value))

    def _first(self, value: _Object, where: str) -> ast.JoinChain:
        table = value.get("table")
        if not isinstance(table, Mapping) or table.get("node") not in ("PivotExpr", "UnpivotExpr"):
            return ast.JoinChain(self._table_ref(value, where))
        return self._pivoted(value, table, where)

    def _pivoted(self, value: _Object, table: _Object, where: str) -> ast.JoinChain:
        self.depth += 1
        if self.depth > MAX_HEIGHT:
            raise TooComplex("input too deeply nested")
        before = self.typed(ast.JoinChain, table.get("table"), f"{where}.table")
        self.depth -= 1
        pivot = table["node"] == "PivotExpr"
        names, values = ("column", "values") if pivot else ("name_columns", "unpivot_values")
        columns = [
            ast.PivotColumn(
                self.typed(ast.Expr, one.get(names), where), self._all(one, values, where), **self._places(one)
            )
            for one in self._objects(table, "columns", where)
        ]
        known = {
            "kind": "PIVOT" if pivot else "UNPIVOT",
            "exprs": self._all(table, "aggregates", where) if pivot else self._value_columns(table, where),
            "columns": tuple(columns),
            "alias": self.typed(str | None, value.get("alias"), where),
            "column_aliases": self._tuple((str, ...), value.get("column_aliases") or (), where),
        }
        made = self.plain("Pivot", table, where, **known)
        return ast.JoinChain(before.first, (*before.joins, made))

    def _value_columns(self, table: _Object, where: str) -> tuple[ast.Expr, ...]:
        # said again with each column; nothing is known of an UNPIVOT without columns
        return tuple(
            [
                self.typed(ast.Expr, one.get("value_columns"), where)
                for one in self._objects(table, "columns", where)[:1]
            ]
        )

    def _table_ref(self, value: _Object, where: str) -> ast.TableRef:
        known = {"final": value.get("table_final") is True}
        if value.get("table_args") is not None:
            known["args"] = self._all(value, "table_args", where)  # type: ignore[assignment]
        return typing.cast(ast.TableRef, self.plain("TableRef", value, where, **known))

    def _join(self, value: _Object, where: str) -> ast.Join:
        kind = value.get("join_type")
        if not isinstance(kind, str) or not kind.endswith("JOIN"):
            _refuse(where, "a join_type was expected")
        constraint = self.typed(ast.JoinConstraint | None, value.get("constraint"), f"{where}.constraint")
        pairing = self.typed(typing.Literal["NATURAL", "POSITIONAL"] | None, value.get("pairing"), f"{where}.pairing")
        kind = kind.removesuffix("JOIN").strip() or "INNER"
        if kind == "POSITIONAL":
            kind, pairing = "INNER", "POSITIONAL"
        return ast.Join(kind, self._table_ref(value, where), constraint, pairing, **self._places(value))

    def _read_joinconstraint(self, value: _Object, where: str) -> Any:
        if value.get("exprs") is not None:
            return self.plain("JoinConstraint", value, where)
        one = self.typed(ast.Expr, value.get("expr"), f"{where}.expr")
        several = isinstance(one, ast.Tuple) and value.get("constraint_type") == "USING"
        return self.plain("JoinConstraint", value, where, exprs=one.exprs if several else (one,))

    # --- queries

    def _with(self, value: _Object) -> dict[str, Any]:
        ctes = value.get("ctes")
        listed: Sequence[Any] = ctes if isinstance(ctes, list) else ()
        return {"recursive": any(isinstance(cte, Mapping) and cte.get("recursive") is True for cte in listed)}

    def _read_selectquery(self, value: _Object, where: str) -> Any:
        known = self._with(value)
        if value.get("group_by_mode") == "grouping_sets":
            sets = self._objects(value, "group_by", where)
            known.update(group_by=(), grouping_sets=tuple([self._all(one, "exprs", where) for one in sets]))
        if isinstance(value.get("interpolate"), list):
            parts = [(one.get("expr"), one.get("value")) for one in self._objects(value, "interpolate", where)]
            exprs = self._tuple((tuple[ast.Expr, ast.Expr | None], ...), parts, f"{where}.interpolate")
            known["interpolate"] = ast.Interpolate(exprs)
        windows = self._pairs(value.get("window_exprs"), ast.WindowExpr, f"{where}.window_exprs")
        return self.plain("SelectQuery", value, where, window_exprs=windows, **known)

    def _read_selectsetquery(self, value: _Object, where: str) -> Any:
        nodes = self._objects(value, "subsequent_select_queries", where)
        pairs = [(one.get("set_operator"), one.get("select_query")) for one in nodes]
        query = ast.SelectQuery | ast.SelectSetQuery | ast.Placeholder
        rest = self._pairs(pairs, query, f"{where}.subsequent_select_queries")
        return self.plain("SelectSetQuery", value, where, subsequent_select_queries=rest, **self._with(value))
