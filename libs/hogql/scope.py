"""What names mean inside one SELECT."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from libs.hogql import ast
from libs.hogql import resolved as r
from libs.hogql.errors import NotSupported, QueryError, ResolutionError
from libs.hogql.schema.fields import (
    AliasField,
    AnyTable,
    ColumnField,
    ExpressionField,
    Field,
    GroupField,
    JoinField,
    JsonField,
    PropertyField,
)

PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


@dataclass(frozen=True, slots=True)
class JsonRef:
    """A JSON document, or a path into it."""

    source: str
    column: str
    raw: str
    native: bool
    path: tuple[str | int, ...] = ()
    typed: frozenset[str] = frozenset()
    described: str = ""

    def expression(self) -> r.RExpr:
        """The document as text, or the value at the path."""
        if not self.path:
            return r.Column(self.source, self.raw, r.Type("json", nullable=False))
        typed = self.path[0] in self.typed
        return r.Property(self.source, self.column, self.path, self.native, self.raw, typed)


Reference = r.RExpr | JsonRef


@dataclass(frozen=True, slots=True)
class Derived:
    """A column of a subquery."""

    sql_name: str
    type: r.Type


@dataclass(frozen=True, slots=True)
class Source:
    """Something in FROM: what the user calls it, what the SQL calls it, and its columns."""

    name: str
    alias: str
    table: AnyTable | None
    columns: Mapping[str, Derived] = field(default_factory=dict)
    joins: dict[str, "tuple[Source, r.Joined]"] = field(default_factory=dict)  # made so far, by field

    def names(self) -> Iterable[str]:
        """The fields one may ask for."""
        return self.table.fields if self.table else self.columns

    def after(self) -> "tuple[r.Joined, ...]":
        """The joins that its fields lead to, each before those that need it."""
        found: list[r.Joined] = []
        for source, joined in self.joins.values():
            found += (joined, *source.after())
        return tuple(found)

    def star(self) -> Iterable[str]:
        """What `*` stands for."""
        return self.table.star if self.table else self.columns


@dataclass(slots=True)
class Scope:
    """One SELECT: only its own names count, never those of a query around it."""

    sources: list[Source] = field(default_factory=list)
    aliases: dict[str, r.Item] = field(default_factory=dict)
    arguments: list[dict[str, r.Argument]] = field(default_factory=list)
    macros: dict[str, ast.Expr] = field(default_factory=dict)
    windows: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    inside_aggregate: str | None = None
    inline_aliases: bool = False

    def source(self, name: str) -> Source | None:
        """The source of this name."""
        return next((source for source in self.sources if source.name == name), None)

    def owners(self, name: str) -> list[Source]:
        """The sources that have a field of this name."""
        return [source for source in self.sources if name in source.names()]

    def argument(self, name: str) -> r.Argument | None:
        """The innermost lambda argument of this name."""
        return next((names[name] for names in reversed(self.arguments) if name in names), None)

    def known(self) -> Iterator[str]:
        """Every name, for suggestions."""
        yield from self.aliases
        for source in self.sources:
            yield source.name
            yield from source.names()


def unresolved(name: str, scope: Scope, node: ast.Node) -> QueryError:
    """No such name, and what was perhaps meant."""
    close = difflib.get_close_matches(name[:60], list(dict.fromkeys(scope.known())), n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(close)}?" if close else None
    return QueryError(f"Unable to resolve field: {name}", start=node.start, end=node.end, hint=hint)


def ambiguous(name: str, owners: list[Source], node: ast.Node) -> ResolutionError:
    """The name of several things."""
    found = ", ".join(f"{source.name}.{name}" for source in owners)
    return ResolutionError(
        f"Ambiguous query. Found multiple sources for field: {name} ({found}). Use a qualified field name.",
        start=node.start,
        end=node.end,
    )


@dataclass(frozen=True, slots=True)
class Leading:
    """A field that leads to another table, and what is asked of that."""

    name: str
    field: JoinField
    rest: tuple[str | int, ...]


def field_of(source: Source, chain: tuple[str | int, ...], node: ast.Node) -> "Reference | ExpressionField | Leading":
    """The field at `chain` of a source. Raises QueryError when there is none."""
    head = chain[0]
    if source.table is None:
        return _derived(source, chain, node)
    fields: Mapping[str, Field] = source.table.fields
    for depth, step in enumerate(chain):
        found = fields.get(step) if isinstance(step, str) else None
        rest = chain[depth + 1 :]
        match found:
            case None:
                known = difflib.get_close_matches(str(step)[:60], list(fields), n=1, cutoff=0.6)
                hint = f"Did you mean {known[0]}?" if known else None
                name = ".".join(map(str, chain[: depth + 1]))
                raise QueryError(f"Unable to resolve field: {name}", start=node.start, end=node.end, hint=hint)
            case GroupField(inner):
                fields = inner
            case JoinField():
                return Leading("__".join(map(str, chain[: depth + 1])), found, rest)
            case AliasField(other):
                return field_of(source, (*other, *rest), node)
            case JsonField(column, raw, typed, native, described):
                path = _checked_path(rest, node)
                return JsonRef(source.alias, column, raw, native, path, typed, described)
            case ColumnField(column, kind, nullable):
                value = r.Column(source.alias, column, r.Type(kind, nullable))  # type: ignore[arg-type]
                return _steps(value, rest, node)
            case PropertyField(column, raw, name, typed):
                text = r.Property(source.alias, column, (name,), True, raw, typed, plain=True)
                found_text = r.Function("ifNull", (text, r.Word("''")), type=r.Type("string", nullable=False))
                return _steps(found_text, rest, node)
            case ExpressionField():
                if rest:
                    raise _no_fields(".".join(map(str, chain[: depth + 1])), node)
                return found
    raise QueryError(
        f"Can't select a table when a column is expected: {head}",
        start=node.start,
        end=node.end,
        hint=f"Name one of its fields, such as {head}.{next(iter(fields))}.",
    )


def _derived(source: Source, chain: tuple[str | int, ...], node: ast.Node) -> Reference:
    column = source.columns.get(str(chain[0]))
    if column is None:
        close = difflib.get_close_matches(str(chain[0])[:60], list(source.columns), n=1, cutoff=0.6)
        hint = f"Did you mean {close[0]}?" if close else None
        raise QueryError(f"Unable to resolve field: {chain[0]}", start=node.start, end=node.end, hint=hint)
    if column.type.kind == "json" or (column.type.kind == "string" and len(chain) > 1):
        return JsonRef(source.alias, column.sql_name, column.sql_name, False, _checked_path(chain[1:], node))
    return _steps(r.Column(source.alias, column.sql_name, column.type), chain[1:], node)


def _steps(value: r.RExpr, rest: tuple[str | int, ...], node: ast.Node) -> r.RExpr:
    for step in rest:
        if isinstance(step, str):
            raise _no_fields(step, node)
        value = r.Function("tupleElement", (value, r.Value(checked_index(step, node, "array.1"))))
    return value


def _no_fields(name: str, node: ast.Node) -> QueryError:
    return QueryError(f"Unable to resolve field: {name}", start=node.start, end=node.end, hint="This has no fields.")


def _checked_path(path: tuple[str | int, ...], node: ast.Node) -> tuple[str | int, ...]:
    for step in path:
        if step == 0 and isinstance(step, int):
            checked_index(0, node, "array.1")
        if step == "*":
            raise NotSupported("A JSON document has no list of fields.", start=node.start, end=node.end)
    return path


def checked_index(index: int, node: ast.Node, example: str) -> int:
    """SQL counts from one."""
    if index == 0:
        raise QueryError(f"SQL indexes start from one, not from zero. E.g: {example}", start=node.start, end=node.end)
    return index
