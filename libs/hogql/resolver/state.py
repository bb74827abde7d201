"""What all of the resolver holds: the scope, the names of WITH, and the names it makes up itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.hogql import ast
from libs.hogql import resolved as r
from libs.hogql.errors import NotSupported
from libs.hogql.filters import Filters
from libs.hogql.hogql_printer import HogQLPrinter
from libs.hogql.resolver.values import read_as
from libs.hogql.schema import DATABASE, Database
from libs.hogql.scope import PLAIN_NAME, Derived, Scope
from libs.hogql.visitor import Visitor


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to say of a span of the query; `fix` is what might stand there instead."""

    start: int
    end: int
    message: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Cohort:
    """What a query needs to know of a cohort: `version` is that of its last calculation, if there was one."""

    id: int
    name: str
    is_static: bool = False
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a query is resolved for. `values` fill `{name}` placeholders. `property_types` are definitions by whose they
    are (`event`, `person`, `group_0`) and name; `actions` are conditions by id and name; `denied` are stored tables
    that may not be read, `hidden` properties that may not, by whose they are."""

    timezone: str = "UTC"
    week_start_day: int = 0
    values: Mapping[str, Any] | None = None
    database: Database = DATABASE
    property_types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    actions: Mapping[str, ast.Expr] = field(default_factory=dict)
    cohorts: tuple[Cohort, ...] = ()
    filters: Filters = field(default_factory=Filters)
    denied: frozenset[str] = frozenset()
    hidden: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cte:
    """A query of WITH, once resolved."""

    sql_name: str
    columns: dict[str, Derived]


class Resolving(Visitor[Any]):
    """One statement's worth of names. Errors carry the position of the name they are about."""

    def __init__(self, context: Context, notices: list[Notice] | None = None):
        self.context = context
        self.notices = notices
        self.scope = Scope()
        self.ctes: list[tuple[str, r.RQuery]] = []
        self.cte_names: dict[str, Cte] = {}
        self.macros: dict[str, ast.Expr] = {}
        self.taken: set[str] = set(context.database.names)
        self.user_aliases: set[str] = set()
        self.counter = 0
        self.macro_depth = 0
        self.led = 0
        self.texts = HogQLPrinter()

    # --- names of our own

    def _fresh(self, wanted: str) -> str:
        """A name for a source that nothing else in the SQL has: a select alias of the same name, even a dotted one,
        would otherwise stand in for the source's columns, the guard's included."""
        base = wanted if PLAIN_NAME.fullmatch(wanted) else "t"
        name = base
        while name.lower() in self.user_aliases or name in self.taken:
            self.counter += 1
            name = f"{base}_{self.counter}"
        self.taken.add(name)
        return name

    def _source_alias(self, name: str) -> str:
        if name in self.context.database.tables and name not in self.user_aliases and name + "!" not in self.taken:
            self.taken.add(name + "!")  # once per statement may a table go by its own name
            return name
        return self._fresh(name)

    def _sql_name(self, label: str, used: set[str], *, alias: bool) -> str:
        sources = {source.alias for source in self.scope.sources}
        free = (
            PLAIN_NAME.fullmatch(label)
            and label not in used
            and label not in sources
            and label not in self.context.database.tables
        )
        if free and (alias or label.lower() not in self.user_aliases):
            used.add(label)
            return label
        number = len(used)
        while (name := f"_c{number}") in used or name.lower() in self.user_aliases:
            number += 1
        used.add(name)
        return name

    # --- values

    def query(self, node: ast.Query) -> r.RQuery:
        """A query in a scope of its own."""
        raise NotImplementedError

    def _optional(self, node: ast.Expr | None) -> r.RExpr | None:
        return None if node is None else self._value(node)

    def _value(self, node: ast.Expr) -> r.RExpr:
        """An expression, in the current scope."""
        if isinstance(node, ast.SelectQuery | ast.SelectSetQuery):
            return self._scalar(self.query(node))
        value = self.visit(node)
        if not isinstance(value, r.RExpr):
            raise NotSupported("This cannot be used as a value.", start=node.start, end=node.end)
        return value

    def _condition(self, node: ast.Expr) -> r.RExpr:
        """An expression that is asked whether it is true: so is a property."""
        value = self._value(node)
        return read_as(value, r.Value(True, r.BOOLEAN)) if isinstance(value, r.Property) else value

    def _scalar(self, query: r.RQuery) -> r.Subquery:
        columns = r.columns_of(query)
        kind = columns[0].expr.type.kind if len(columns) == 1 else "tuple"
        return r.Subquery(query, r.Type(kind, nullable=True))
