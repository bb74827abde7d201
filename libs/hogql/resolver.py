"""Tree -> resolved tree: what every name means. Nothing after this pass knows what the user called things."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NoReturn

from libs.hogql import ast, functions, rules
from libs.hogql import resolved as r
from libs.hogql.clauses import ARITHMETIC_FUNCTIONS
from libs.hogql.errors import NotSupported, QueryError
from libs.hogql.hogql_printer import HogQLPrinter
from libs.hogql.parser import parse_expr
from libs.hogql.schema import LATER, TABLES, ExpressionField, Table, stored_columns
from libs.hogql.scope import (
    PLAIN_NAME,
    Derived,
    JsonRef,
    Reference,
    Scope,
    Source,
    ambiguous,
    checked_index,
    field_of,
    unresolved,
)
from libs.hogql.tree import Rewriter, field_names
from libs.hogql.visitor import Visitor

MAX_COLUMNS_DEPTH = 30
_NON_NULL_STRING = r.Type("string", nullable=False)
_NUMERIC_AGGREGATES = ("sum", "avg", "median", "quantile", "stddev", "var", "deltaSum")


@dataclass(frozen=True, slots=True)
class Context:
    """What a query is resolved for. `values` fill `{name}` placeholders."""

    timezone: str = "UTC"
    week_start_day: int = 0
    values: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Cte:
    """A query of WITH, once resolved."""

    sql_name: str
    columns: dict[str, Derived]


class Resolver(Visitor[Any]):
    """One statement's worth of names. Errors carry the position of the name they are about."""

    def __init__(self, context: Context, names: list[tuple[int, int, str, str]] | None = None):
        self.context = context
        self.names = names
        self.scope = Scope()
        self.ctes: list[tuple[str, r.RQuery]] = []
        self.cte_names: dict[str, Cte] = {}
        self.macros: dict[str, ast.Expr] = {}
        self.taken: set[str] = set(TABLES) | {name for table in TABLES.values() for name in stored_columns(table)}
        self.user_aliases: set[str] = set()
        self.counter = 0
        self.macro_depth = 0
        self.texts = HogQLPrinter()

    def statement(self, query: ast.Query) -> r.Statement:
        """The whole query."""
        self.user_aliases = {name.lower() for name in _aliases_in(query)}
        for name in self.user_aliases:
            if "%" in name:
                raise QueryError(
                    f'The HogQL identifier "{name}" is not permitted as it contains the "%" character',
                    start=query.start,
                    end=query.end,
                )
        resolved = self.query(query)
        return r.Statement(tuple(self.ctes), resolved)

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
        if name in TABLES and name not in self.user_aliases and name + "!" not in self.taken:
            self.taken.add(name + "!")  # once per statement may a table go by its own name
            return name
        return self._fresh(name)

    def _sql_name(self, label: str, used: set[str], *, alias: bool) -> str:
        sources = {source.alias for source in self.scope.sources}
        free = PLAIN_NAME.fullmatch(label) and label not in used and label not in sources and label not in TABLES
        if free and (alias or label.lower() not in self.user_aliases):
            used.add(label)
            return label
        number = len(used)
        while (name := f"_c{number}") in used or name.lower() in self.user_aliases:
            number += 1
        used.add(name)
        return name

    # --- queries

    def query(self, node: ast.Query) -> r.RQuery:
        """A query in a scope of its own. Names of WITH are seen by it and by what is in it."""
        outer_scope, outer_ctes, outer_macros = self.scope, self.cte_names, self.macros
        self.scope, self.cte_names, self.macros = Scope(), dict(self.cte_names), dict(self.macros)
        try:
            resolved: r.RQuery = self.visit(node)
            return resolved
        finally:
            self.scope, self.cte_names, self.macros = outer_scope, outer_ctes, outer_macros

    def visit_placeholder(self, node: ast.Placeholder) -> r.RExpr:
        values = self.context.values or {}
        if not isinstance(node.expr, ast.Field):
            return self._placeholder_expression(node.expr)
        name = ".".join(map(str, node.expr.chain))
        if name in values:
            return _constant(values[name], node)
        if name == "filters":
            return r.Value(True, r.BOOLEAN)
        if name.startswith("variables."):
            raise QueryError(f"Variable {name.partition('.')[2]} is missing from query", start=node.start, end=node.end)
        raise QueryError(f"Unresolved placeholder: {{{name}}}", start=node.start, end=node.end)

    def _placeholder_expression(self, expr: ast.Expr) -> r.RExpr:
        """`{a + 1}`: its names are those of values, and of nothing in the query."""
        outer, self.scope = self.scope, Scope()
        try:
            return self._value(_NamesArePlaceholders().visit(expr))
        finally:
            self.scope = outer

    def visit_select_set_query(self, node: ast.SelectSetQuery) -> r.RQuery:
        self._with(node.ctes, node.recursive)
        first = self.query(node.initial_select_query)
        rest: list[tuple[str, r.RQuery]] = []
        for operator, branch in node.subsequent_select_queries:
            width = len(r.columns_of(first))
            if operator in ("UNION ALL BY NAME", "UNION DISTINCT BY NAME"):
                first, query = self._by_name(r.SetQuery(first, tuple(rest)) if rest else first, self.query(branch))
                rest = [(operator.removesuffix(" BY NAME"), query)]
                continue
            if operator not in ("UNION ALL", "UNION DISTINCT", "INTERSECT", "EXCEPT"):
                raise NotSupported(f"{operator} is not supported.", start=branch.start, end=branch.end)
            query = self.query(branch)
            if len(r.columns_of(query)) != width:
                raise QueryError(
                    f"The branches of {operator} have {width} and {len(r.columns_of(query))} columns.",
                    start=branch.start,
                    end=branch.end,
                )
            rest.append((operator, query))
        whole: r.RQuery = r.SetQuery(first, tuple(rest)) if rest else first
        if not (node.order_by or node.limit is not None or node.offset is not None):
            return whole
        return self._limited_set(node, whole)

    def _by_name(self, left: r.RQuery, right: r.RQuery) -> tuple[r.RQuery, r.RQuery]:
        """Both with the same columns in the same order: those of either, NULL where it has none of that name."""
        labels = list(dict.fromkeys(item.label for query in (left, right) for item in r.columns_of(query)))
        return self._picked(left, labels), self._picked(right, labels)

    def _picked(self, query: r.RQuery, labels: list[str]) -> r.Select:
        alias, columns = self._fresh("u"), _exported(query)
        items = []
        for number, label in enumerate(labels):
            found = columns.get(label)
            value = r.Column(alias, found.sql_name, found.type) if found else r.Value(None)
            items.append(r.Item(value, f"_n{number}", label))
        return r.Select(tuple(items), (r.Joined(r.QuerySource(query, alias)),))

    def _limited_set(self, node: ast.SelectSetQuery, whole: r.RQuery) -> r.Select:
        columns = _exported(whole)
        source = Source("", self._fresh("u"), None, columns)
        self.scope.sources.append(source)
        items = []
        for item in r.columns_of(whole):
            kind = item.expr.type
            exported = r.Item(r.Column(source.alias, item.sql_name, kind), item.sql_name, item.label)
            self.scope.aliases.setdefault(item.label, exported)
            items.append(exported)
        return r.Select(
            tuple(items),
            (r.Joined(r.QuerySource(whole, source.alias)),),
            order_by=self._order(node.order_by, tuple(items)),
            limit=self._limit(node.limit, percent=node.limit_percent),
            offset=self._limit(node.offset),
            with_ties=node.limit_with_ties,
            percent=node.limit_percent,
        )

    def visit_select_query(self, node: ast.SelectQuery) -> r.Select:
        self._refuse(node)
        self._with(node.ctes, node.recursive)
        sources = self._from(node.select_from) if node.select_from is not None else ()
        self.scope.windows = {name for name, _ in node.window_exprs}
        used = self.scope.used
        arrays = self._arrays(node, used)
        items = self._items(node, used)
        self.scope.inline_aliases = True  # a condition on an alias of a column is one on the column: it prunes
        prewhere = self._condition(node.prewhere) if node.prewhere is not None else None
        where = self._condition(node.where) if node.where is not None else None
        self.scope.inline_aliases = False
        return r.Select(
            items,
            sources,
            node.distinct,
            node.array_join_op,
            arrays,
            prewhere,
            where,
            tuple(self._key(expr, items) for expr in node.group_by),
            node.group_by_mode,
            tuple(tuple(self._key(expr, items) for expr in exprs) for exprs in node.grouping_sets),
            self._optional(node.having),
            tuple((name, self.visit(window)) for name, window in node.window_exprs),
            self._order(node.order_by, items),
            self._limit_by(node.limit_by, items),
            self._limit(node.limit, percent=node.limit_percent),
            self._limit(node.offset),
            node.limit_with_ties,
            node.limit_percent,
            self._interpolate(node.interpolate, items),
        )

    def _interpolate(
        self, node: ast.Interpolate | None, items: tuple[r.Item, ...]
    ) -> tuple[tuple[str, r.RExpr | None], ...] | None:
        if node is None:
            return None
        names = {item.label: item.sql_name for item in items}
        found = []
        for column, expr in node.exprs:
            name = names.get(str(column.chain[0])) if isinstance(column, ast.Field) else None
            if name is None:
                raise QueryError("INTERPOLATE takes columns of the SELECT list.", start=column.start, end=column.end)
            found.append((name, self._optional(expr)))
        return tuple(found)

    def _refuse(self, node: ast.SelectQuery) -> None:
        if node.qualify is not None:
            raise NotSupported(
                "QUALIFY is not supported in the 'clickhouse' dialect",
                start=node.qualify.start,
                end=node.qualify.end,
                hint="Put the query into FROM and filter outside.",
            )
        for name, window in node.window_exprs:
            if not PLAIN_NAME.fullmatch(name):
                raise QueryError("A window's name is made of letters, digits, _ and $.", start=window.start)

    def _with(self, ctes: tuple[ast.CTE, ...], recursive: bool) -> None:
        if recursive:
            raise NotSupported("WITH RECURSIVE is not supported.", start=ctes[0].start, end=ctes[0].end)
        for cte in ctes:
            if not isinstance(cte.expr, ast.SelectQuery | ast.SelectSetQuery) or cte.cte_type == "column":
                self.macros[cte.name] = cte.expr
                self.cte_names.pop(cte.name, None)
                continue
            if cte.using_key:
                raise NotSupported("USING KEY is not supported.", start=cte.start, end=cte.end)
            query = self.query(cte.expr)
            name = self._fresh(f"{cte.name}_cte" if cte.name in TABLES else cte.name)
            self.ctes.append((name, query))
            self.cte_names[cte.name] = Cte(name, _renamed(_exported(query), cte.columns, cte))
            self.macros.pop(cte.name, None)

    def _items(self, node: ast.SelectQuery, used: set[str]) -> tuple[r.Item, ...]:
        items: list[r.Item] = []
        for expr in node.select:
            for label, name, value in self._expanded(expr):
                sql_name = self._sql_name(label, used, alias=name is not None)
                if isinstance(value, r.Named):  # of two names, ClickHouse keeps the outer one
                    self._renamed_alias(value.name, sql_name)
                    value = value.expr
                item = r.Item(value, sql_name, label)
                if name is not None:
                    if name in self.scope.aliases:
                        raise QueryError(
                            f"Cannot redefine an alias with the name: {name}", start=expr.start, end=expr.end
                        )
                    self.scope.aliases[name] = item
                items.append(item)
        return tuple(items)

    def _renamed_alias(self, old: str, new: str) -> None:
        for name, item in self.scope.aliases.items():
            if item.sql_name == old:
                self.scope.aliases[name] = r.Item(r.AliasRef(new, item.expr.type), new, item.label)

    def _expanded(self, node: ast.Expr) -> Iterator[tuple[str, str | None, r.RExpr]]:
        """Label, alias if the user gave one, and value of each column that a select item stands for."""
        if isinstance(node, ast.Field) and node.chain[-1] == "*":
            name = ".".join(map(str, node.chain[:-1])) or None
            yield from self._star(node, name, frozenset())
        elif isinstance(node, ast.ColumnsExpr):
            yield from self._columns(node)
        elif isinstance(node, ast.Alias):
            yield node.alias, node.alias, self._value(node.expr)
        else:
            yield self._label(node), None, self._value(node)

    def _columns(self, node: ast.ColumnsExpr) -> Iterator[tuple[str, str | None, r.RExpr]]:
        if node.columns:
            for expr in node.columns:
                yield from self._expanded(expr)
            return
        replaced = {name: self._value(expr) for name, expr in node.replace}
        found = self._star(node, node.table, frozenset(node.exclude))
        try:
            pattern = re.compile(node.regex) if node.regex is not None and len(node.regex) <= 200 else None
        except re.error as exc:
            raise QueryError(f"Not a regular expression: {exc}", start=node.start, end=node.end) from None
        for label, alias, value in found:
            if pattern is None or pattern.search(label):
                yield label, alias, replaced.get(label, value)

    def _star(
        self, node: ast.Expr, name: str | None, exclude: frozenset[str]
    ) -> Iterator[tuple[str, str | None, r.RExpr]]:
        if name is not None:
            source = self.scope.source(name)
            if source is None:
                raise QueryError(f"Unknown table `{name}`.", start=node.start, end=node.end)
        elif not self.scope.sources:
            raise QueryError("Cannot use '*' when there are no tables in the query", start=node.start, end=node.end)
        elif len(self.scope.sources) > 1:
            raise QueryError(
                "Cannot use '*' without table name when there are multiple tables in the query",
                start=node.start,
                end=node.end,
            )
        else:
            source = self.scope.sources[0]
        for unknown in sorted(exclude - set(source.names())):
            raise QueryError(
                f'Column "{unknown}" in EXCLUDE list was not found in {source.name}', start=node.start, end=node.end
            )
        for field in source.star():
            if field not in exclude:
                yield field, None, self._expression(self._field(source, (field,), node))

    def _label(self, node: ast.Expr) -> str:
        if isinstance(node, ast.Field):
            return str(node.chain[-1])
        if isinstance(node, ast.ArrayAccess) and isinstance(node.property, ast.Constant):
            chain = _chain_of(node)
            if chain is not None and isinstance(chain[-1], str):
                return chain[-1]
        if isinstance(node, ast.TupleAccess) and isinstance(node.index, str):
            return node.index
        return self.texts.visit(node).replace("%", "")[:500]

    def _arrays(self, node: ast.SelectQuery, used: set[str]) -> tuple[r.Item, ...]:
        arrays = []
        for array in node.array_join_list:
            assert isinstance(array, ast.Alias)  # noqa: S101  (the parser takes no others)
            value = self._value(array.expr)
            item = r.Item(value, self._sql_name(array.alias, used, alias=True), array.alias)
            arrays.append(item)
            if array.alias in self.scope.aliases:
                raise QueryError(
                    f"Cannot redefine an alias with the name: {array.alias}", start=array.start, end=array.end
                )
            # what the alias stands for is one element, which is known of nothing
            self.scope.aliases[array.alias] = r.Item(r.AliasRef(item.sql_name), item.sql_name, array.alias)
        return tuple(arrays)

    def _optional(self, node: ast.Expr | None) -> r.RExpr | None:
        return None if node is None else self._value(node)

    def _key(self, node: ast.Expr, items: tuple[r.Item, ...]) -> r.RExpr:
        """An expression of GROUP BY or ORDER BY; a whole number means the select item in that place."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
            if not 1 <= node.value <= len(items):
                raise QueryError(
                    f"There is no column {node.value}: the query has {len(items)}.", start=node.start, end=node.end
                )
            item = items[node.value - 1]
            return r.AliasRef(item.sql_name, item.expr.type)
        return self._value(node)

    def _order(self, keys: tuple[ast.OrderExpr, ...], items: tuple[r.Item, ...]) -> tuple[r.Order, ...]:
        orders = []
        for key in keys:
            if key.collate is not None:
                raise NotSupported("COLLATE is not supported.", start=key.start, end=key.end)
            fill = self._fill(key.with_fill) if key.with_fill is not None else None
            orders.append(r.Order(self._key(key.expr, items), key.order == "DESC", key.nulls, fill))
        return tuple(orders)

    def _fill(self, node: ast.WithFill) -> r.Fill:
        return r.Fill(*[self._optional(expr) for expr in (node.from_expr, node.to_expr, node.step_expr)])

    def _limit_by(self, node: ast.LimitBy | None, items: tuple[r.Item, ...]) -> r.LimitBy | None:
        if node is None:
            return None
        keys = tuple(self._key(expr, items) for expr in node.exprs)
        n = self._limit(node.n)
        assert n is not None  # noqa: S101
        return r.LimitBy(n, self._limit(node.offset_value), keys)

    def _limit(self, node: ast.Expr | None, *, percent: bool = False) -> r.RExpr | None:
        if node is None:
            return None
        value = self._value(_folded(node))
        number = value.value if isinstance(value, r.Value) else None
        if isinstance(number, bool) or not isinstance(number, int | float) or number < 0 or number > 2**63:
            raise QueryError("A limit must be a number, zero or more.", start=node.start, end=node.end)
        if not percent:
            return value
        if number > 100:
            raise QueryError("Limit percent must be between 0 and 100", start=node.start, end=node.end)
        # ClickHouse takes a share of the rows as a number below one
        return r.Value(number / 100, r.Type("float", nullable=False)) if number < 100 else None

    # --- FROM

    def _from(self, chain: ast.JoinChain) -> tuple[r.Joined, ...]:
        joined = (
            [r.Joined(self._table(chain.first))] if not self._is_chain(chain.first) else [*self._inner(chain.first)]
        )
        for join in chain.joins:
            if isinstance(join, ast.Pivot):
                raise NotSupported(f"{join.kind} is not allowed in clickhouse dialect", start=join.start, end=join.end)
            if join.pairing is not None:
                raise NotSupported(
                    f"{join.pairing} JOIN is not supported.", start=join.start, end=join.end, hint="Use JOIN ... ON."
                )
            if self._is_chain(join.table):
                raise NotSupported(
                    "Joins in brackets are only supported at the start of FROM.", start=join.start, end=join.end
                )
            using = self._using_left(join.constraint)
            source = self._table(join.table)
            on = None
            if join.constraint is not None and join.constraint.kind == "ON":
                on = self._value(join.constraint.exprs[0])
            elif using:
                on = self._using(using, join)
            elif join.kind not in ("CROSS", "INNER"):
                raise QueryError("This join needs ON or USING.", start=join.start, end=join.end)
            joined.append(r.Joined(source, join.kind, on))
        return tuple(joined)

    def _is_chain(self, table: ast.TableRef) -> bool:
        return isinstance(table.table, ast.JoinChain)

    def _inner(self, table: ast.TableRef) -> tuple[r.Joined, ...]:
        assert isinstance(table.table, ast.JoinChain)  # noqa: S101
        if table.alias is not None:
            raise NotSupported("Joins in brackets cannot be named.", start=table.start, end=table.end)
        return self._from(table.table)

    def _using_left(self, constraint: ast.JoinConstraint | None) -> list[tuple[str, r.RExpr]]:
        """The left sides of USING, resolved before the right table is there."""
        found = []
        for expr in constraint.exprs if constraint is not None and constraint.kind == "USING" else ():
            if not isinstance(expr, ast.Field) or len(expr.chain) != 1:
                raise QueryError("USING takes names of columns.", start=expr.start, end=expr.end)
            found.append((str(expr.chain[0]), self._value(expr)))
        return found

    def _using(self, left: list[tuple[str, r.RExpr]], join: ast.Join) -> r.RExpr:
        source = self.scope.sources[-1]
        pairs: tuple[r.RExpr, ...] = tuple(
            r.Compare("=", value, self._expression(self._field(source, (name,), join)), bare=True)
            for name, value in left
        )
        return pairs[0] if len(pairs) == 1 else r.Logic("and", pairs)

    def _table(self, node: ast.TableRef) -> r.Source:
        if node.final:
            raise NotSupported(
                "The FINAL keyword is not supported in HogQL as it causes slow queries", start=node.start, end=node.end
            )
        match node.table:
            case ast.SelectQuery() | ast.SelectSetQuery():
                return self._subquery(node, node.table)
            case ast.ValuesQuery():
                return self._subquery(node, _values_query(node.table))
            case ast.Field():
                return self._named_table(node, node.table)
        raise NotSupported("This cannot be read from.", start=node.start, end=node.end)

    def _add(self, source: Source, node: ast.TableRef) -> None:
        if source.name and self.scope.source(source.name) is not None:
            kind = f'Already have joined a table called "{source.name}". Can\'t redefine.'
            if source.table is None:
                kind = f'Already have joined a subquery with name "{source.name}". '
                kind += "Can't join another one with the same name."
            raise QueryError(kind, start=node.start, end=node.end, hint="Give it another name with AS.")
        self.scope.sources.append(source)

    def _subquery(self, node: ast.TableRef, query: ast.SelectQuery | ast.SelectSetQuery) -> r.QuerySource:
        if node.sample is not None:
            raise NotSupported("SAMPLE is only for tables.", start=node.start, end=node.end)
        resolved = self.query(query)
        alias = self._fresh(node.alias or "subquery")
        self._add(Source(node.alias or "", alias, None, _renamed(_exported(resolved), node.column_aliases, node)), node)
        return r.QuerySource(resolved, alias)

    def _named_table(self, node: ast.TableRef, field: ast.Field) -> r.Source:
        name = ".".join(map(str, field.chain))
        if name == "numbers":
            return self._numbers(node)
        cte = self.cte_names.get(name)
        table = TABLES.get(name.removeprefix("posthog."))
        if cte is None and table is None:
            later = "It is part of the language, but not there yet." if name in LATER else None
            known = "Known tables: " + ", ".join([*TABLES, *self.cte_names]) + "."
            raise QueryError(f"Unknown table `{name}`.", start=field.start, end=field.end, hint=later or known)
        if node.args is not None:
            raise QueryError(f"Table '{name}' does not accept arguments", start=node.start, end=node.end)
        called = node.alias or name.replace(".", "__")
        if cte is not None:
            alias = self._fresh(called)
            self._add(Source(called, alias, None, _renamed(cte.columns, node.column_aliases, node)), node)
            return r.CteSource(cte.sql_name, alias)
        assert table is not None  # noqa: S101
        if node.column_aliases:
            raise NotSupported("Column aliases are only for subqueries.", start=node.start, end=node.end)
        alias = self._source_alias(called)
        self._add(Source(called, alias, table), node)
        return r.TableSource(table, alias, self._sample(node.sample, table, alias))

    def _sample(self, node: ast.SampleExpr | None, table: Table, alias: str) -> r.RExpr | None:
        """The rows whose hash lies in the asked share of all hashes: the same people every time."""
        if node is None:
            return None
        size = self._ratio(node.ratio, node) / (100 if node.percent else 1)
        first = self._ratio(node.offset, node) if node.offset is not None else Fraction(0)
        if not 0 <= size <= 1 or not 0 <= first <= 1 or not table.sample_column:
            raise NotSupported("A sample is a share of a table, from 0 to 1.", start=node.start, end=node.end)
        if size == 1:
            return None
        key = rules.call("cityHash64", r.Column(alias, table.sample_column, _NON_NULL_STRING))
        low, high = int(first * 2**64), min(int((first + size) * 2**64), 2**64 - 1)
        below = r.Compare("<", key, r.Value(high, r.Type("integer", nullable=False)))
        if not low:
            return below
        return r.Logic("and", (r.Compare(">=", key, r.Value(low, r.Type("integer", nullable=False))), below))

    def _ratio(self, ratio: tuple[ast.Expr, ast.Expr | None], node: ast.Node) -> Fraction:
        parts = [self._value(part) for part in ratio if part is not None]
        numbers = [part.value for part in parts if isinstance(part, r.Value) and isinstance(part.value, int | float)]
        if len(numbers) != len(parts) or numbers[1:] == [0] or not all(math.isfinite(number) for number in numbers):
            raise QueryError("A share is a number, or one number by another.", start=node.start, end=node.end)
        return Fraction(numbers[0]) / Fraction(numbers[1] if len(numbers) > 1 else 1)

    def _numbers(self, node: ast.TableRef) -> r.NumbersSource:
        if node.args is None:
            raise QueryError("Table function 'numbers' requires arguments", start=node.start, end=node.end)
        if not node.args:
            raise QueryError("Table function 'numbers' requires at least 1 argument", start=node.start, end=node.end)
        if len(node.args) > 2:
            raise QueryError("Table function 'numbers' requires at most 2 arguments", start=node.start, end=node.end)
        args = tuple(self._value(arg) for arg in node.args)
        for arg, written in zip(args, node.args, strict=True):
            if not isinstance(arg, r.Value) or not isinstance(arg.value, int) or arg.value < 0:
                raise QueryError("numbers() takes whole numbers.", start=written.start, end=written.end)
        alias = self._fresh(node.alias or "numbers")
        columns = {"number": Derived("number", r.Type("integer", nullable=False))}
        self._add(Source(node.alias or "numbers", alias, None, columns), node)
        return r.NumbersSource(args, alias)

    # --- names

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
        return _read_as(value, r.Value(True, r.BOOLEAN)) if isinstance(value, r.Property) else value

    def _scalar(self, query: r.RQuery) -> r.Subquery:
        columns = r.columns_of(query)
        kind = columns[0].expr.type.kind if len(columns) == 1 else "tuple"
        return r.Subquery(query, r.Type(kind, nullable=True))

    def _expression(self, reference: Reference) -> r.RExpr:
        return reference.expression() if isinstance(reference, JsonRef) else reference

    def _field(self, source: Source, chain: tuple[str | int, ...], node: ast.Node) -> Reference:
        found = field_of(source, chain, node)
        if not isinstance(found, ExpressionField):
            return found
        outer, names = self.scope, self.names
        self.scope, self.names = Scope(sources=[source]), None  # its text is ours and speaks of this table only
        try:
            return self._value(parse_expr(found.hogql))
        finally:
            self.scope, self.names = outer, names

    def _reference(self, node: ast.Field) -> Reference:
        chain, scope = node.chain, self.scope
        head = str(chain[0])
        if chain[-1] == "*":
            raise QueryError("Cannot use '*' here.", start=node.start, end=node.end)
        argument = scope.argument(head)
        if argument is not None:
            return self._tuple_steps(argument, chain[1:], node)
        if len(chain) >= 2:
            for length in range(len(chain) - 1, 0, -1):
                source = scope.source(".".join(map(str, chain[:length])).replace(".", "__"))
                if source is not None:
                    return self._field(source, chain[length:], node)
        if head in scope.aliases:
            return self._alias(scope.aliases[head], chain[1:], node)
        owners = scope.owners(head)
        if len(owners) > 1:
            raise ambiguous(head, owners, node)
        if owners:
            return self._field(owners[0], chain, node)
        return self._elsewhere(head, node)

    def _alias(self, item: r.Item, rest: tuple[str | int, ...], node: ast.Field) -> Reference:
        expr = item.expr
        if rest and isinstance(expr, r.Property) and expr.native:
            return replace(expr, path=(*expr.path, *rest))
        if rest and isinstance(expr, r.Column) and expr.type.kind == "json":
            column = expr.name.removesuffix("_raw")
            return JsonRef(expr.source, column, expr.name, column != expr.name, rest)
        if isinstance(expr, r.AliasRef) or (self.scope.inline_aliases and isinstance(expr, r.Column | r.Property)):
            return self._tuple_steps(expr, rest, node)
        return self._tuple_steps(r.AliasRef(item.sql_name, expr.type), rest, node)

    def _tuple_steps(self, value: r.RExpr, rest: tuple[str | int, ...], node: ast.Node) -> r.RExpr:
        for step in rest:
            if isinstance(step, str):
                raise QueryError(
                    f"Unable to resolve field: {step}", start=node.start, end=node.end, hint="This has no fields."
                )
            value = rules.call("tupleElement", value, r.Value(checked_index(step, node, "array.1")))
        return value

    def _elsewhere(self, head: str, node: ast.Field) -> Reference:
        if head in self.macros:
            if len(node.chain) > 1:
                raise NotSupported(f"Cannot access fields on CTE {head} yet", start=node.start, end=node.end)
            self.macro_depth += 1
            if self.macro_depth > MAX_COLUMNS_DEPTH:
                raise QueryError(f"{head} is defined by itself.", start=node.start, end=node.end)
            macros = self.macros
            self.macros = {name: expr for name, expr in macros.items() if name != head}
            try:
                return self._value(macros[head])
            finally:
                self.macros = macros
                self.macro_depth -= 1
        if head in self.cte_names:
            raise QueryError(
                f"Cannot use table CTE {head} as a value. Use it in a FROM clause instead.",
                start=node.start,
                end=node.end,
            )
        if self.scope.source(head) is not None:
            raise QueryError(f"Can't select a table when a column is expected: {head}", start=node.start, end=node.end)
        raise unresolved(head, self.scope, node)

    # --- expressions

    def visit_constant(self, node: ast.Constant) -> r.RExpr:
        return _constant(node.value, node)

    def visit_field(self, node: ast.Field) -> r.RExpr:
        value = self._expression(self._reference(node))
        if self.names is not None and node.end > node.start:
            self.names.append((node.start, node.end, str(node.chain[-1]), value.type.kind))
        return value

    def visit_alias(self, node: ast.Alias) -> r.RExpr:
        if self.scope.arguments:
            raise NotSupported("A name cannot be given inside a lambda.", start=node.start, end=node.end)
        value = self._value(node.expr)
        if node.alias in self.scope.aliases:
            raise QueryError(f"Cannot redefine an alias with the name: {node.alias}", start=node.start, end=node.end)
        if isinstance(value, r.Named):
            self.scope.aliases[node.alias] = r.Item(r.AliasRef(value.name, value.type), value.name, node.alias)
            return value
        name = self._sql_name(node.alias, self.scope.used, alias=True)
        self.scope.aliases[node.alias] = r.Item(r.AliasRef(name, value.type), name, node.alias)
        return r.Named(value, name, value.type)

    def visit_and(self, node: ast.And) -> r.RExpr:
        return r.Logic("and", tuple(self._condition(expr) for expr in node.exprs))

    def visit_or(self, node: ast.Or) -> r.RExpr:
        return r.Logic("or", tuple(self._condition(expr) for expr in node.exprs))

    def visit_not(self, node: ast.Not) -> r.RExpr:
        return rules.call("not", self._condition(node.expr))

    def visit_compare_operation(self, node: ast.CompareOperation) -> r.RExpr:
        if node.op.endswith("cohort"):
            if not isinstance(node.right, ast.Constant):
                raise QueryError(
                    "IN COHORT only works with constant arguments", start=node.right.start, end=node.right.end
                )
            raise NotSupported("Cohorts are not supported yet.", start=node.start, end=node.end)
        return self._compare(node.op, self._value(node.left), self._value(node.right))

    def _compare(self, op: str, left: r.RExpr, right: r.RExpr) -> r.RExpr:
        if isinstance(left, r.Property):
            left = _read_as(left, right)
        elif isinstance(right, r.Property):
            right = _read_as(right, left)
        return r.Compare(op, left, right)

    def visit_is_distinct_from(self, node: ast.IsDistinctFrom) -> r.RExpr:
        left, right = self._value(node.left), self._value(node.right)
        same = r.Function("isNotDistinctFrom", (left, right), type=r.BOOLEAN)
        return same if node.negated else r.Function("not", (same,), type=r.BOOLEAN)

    def visit_between_expr(self, node: ast.BetweenExpr) -> r.RExpr:
        expr, low, high = self._value(node.expr), self._value(node.low), self._value(node.high)
        return r.Between(_read_as(expr, low) if isinstance(expr, r.Property) else expr, low, high, node.negated)

    def visit_arithmetic_operation(self, node: ast.ArithmeticOperation) -> r.RExpr:
        left, right = self._value(node.left), self._value(node.right)
        zero = isinstance(node.left, ast.Constant) and node.left.start == node.start and node.left.value == 0
        if node.op == "-" and zero and isinstance(right, r.Value) and isinstance(right.value, int | float):
            return r.Value(-right.value, right.type)
        value = rules.call(ARITHMETIC_FUNCTIONS[node.op], _as_number(left), _as_number(right))
        kinds = {left.type.kind, right.type.kind}
        kind: r.Kind = "datetime" if "datetime" in kinds and node.op in "+-" and "interval" in kinds else "unknown"
        return replace(value, type=r.Type(kind, value.type.nullable))

    def visit_concat(self, node: ast.Concat) -> r.RExpr:
        return rules.concat(tuple(self._value(expr) for expr in node.exprs))

    def visit_type_cast(self, node: ast.TypeCast) -> r.RExpr:
        if node.or_null:
            raise NotSupported("TRY_CAST is not allowed in clickhouse dialect", start=node.start, end=node.end)
        found = rules.CASTS.get(node.type_name)
        if found is None:
            known = ", ".join(sorted(rules.CASTS))
            raise QueryError(
                f"Unsupported type cast to '{node.type_name}'", start=node.start, end=node.end, hint=f"Types: {known}."
            )
        value = self._value(node.expr)
        target, kind = found
        if target == "toDateTime":
            return rules.RULES["toDateTime"]((value,), self.context.timezone)
        return replace(rules.call(target, value), type=r.Type(kind, value.type.nullable))

    def visit_interval_expr(self, node: ast.IntervalExpr) -> r.RExpr:
        value = rules.call(f"toInterval{node.unit.title()}", _as_number(self._value(node.expr)))
        return replace(value, type=r.Type("interval", value.type.nullable))

    def visit_case_expr(self, node: ast.CaseExpr) -> r.RExpr:
        otherwise = self._value(node.otherwise) if node.otherwise is not None else r.Value(None)
        args: list[r.RExpr] = []
        for when, then in node.whens:
            if node.operand is None:
                args.append(self._condition(when))
            else:
                args.append(self._compare("=", self._value(node.operand), self._value(when)))
            args.append(self._value(then))
        return rules.call("if" if len(node.whens) == 1 else "multiIf", *args, otherwise)

    def visit_ternary_expr(self, node: ast.TernaryExpr) -> r.RExpr:
        return rules.call("if", self._condition(node.condition), self._value(node.then), self._value(node.otherwise))

    def visit_nullish(self, node: ast.Nullish) -> r.RExpr:
        left, right = self._value(node.left), self._value(node.right)
        return r.Function("ifNull", (left, right), type=r.Type(left.type.kind, right.type.nullable))

    def visit_trim_expr(self, node: ast.TrimExpr) -> r.RExpr:
        target = {"both": "trimBoth", "leading": "trimLeft", "trailing": "trimRight"}[node.side]
        return rules.call(target, self._value(node.expr), rules.text(node.chars))

    def visit_array_access(self, node: ast.ArrayAccess) -> r.RExpr:
        reference = self._json_reference(node)
        if reference is not None:
            return reference.expression()
        index = node.property
        if isinstance(index, ast.Constant) and isinstance(index.value, int):
            checked_index(int(index.value), node, "array[1]")
        value, key = self._value(node.array), self._value(node.property)
        if isinstance(value, r.Property) and isinstance(index, ast.Constant) and isinstance(index.value, str | int):
            return replace(value, path=(*value.path, index.value))
        return rules.call("arrayElement", value, key)

    def visit_tuple_access(self, node: ast.TupleAccess) -> r.RExpr:
        reference = self._json_reference(node)
        if reference is not None:
            return reference.expression()
        if isinstance(node.index, int):
            checked_index(node.index, node, "array.1")
        value = self._value(node.expr)
        if isinstance(value, r.Property):
            return replace(value, path=(*value.path, node.index))
        return self._tuple_steps(value, (node.index,), node)

    def _json_reference(self, node: ast.Expr) -> JsonRef | None:
        """`properties['a'].b[1]`: one path, whichever way each step is written."""
        path: list[str | int] = []
        base = node
        while isinstance(base, ast.ArrayAccess | ast.TupleAccess):
            if isinstance(base, ast.TupleAccess):
                path.append(base.index)
                base = base.expr
            elif isinstance(base.property, ast.Constant) and type(base.property.value) in (str, int):
                path.append(base.property.value)  # type: ignore[arg-type]
                base = base.array
            else:
                return None
        if not isinstance(base, ast.Field) or base.chain[-1] == "*":
            return None
        reference = self._reference(base)
        if not isinstance(reference, JsonRef):
            return None
        for step in path:
            if step == 0:
                checked_index(0, node, "array[1]" if isinstance(node, ast.ArrayAccess) else "array.1")
        return replace(reference, path=(*reference.path, *reversed(path)))

    def visit_array_slice(self, node: ast.ArraySlice) -> r.RExpr:
        low = self._value(node.start_expr) if node.start_expr is not None else r.Value(1)
        array = self._value(node.array)
        if node.end_expr is None:
            return rules.call("arraySlice", array, low)
        length = rules.call("plus", rules.call("minus", self._value(node.end_expr), low), r.Value(1))
        return rules.call("arraySlice", array, low, length)

    def visit_array(self, node: ast.Array) -> r.RExpr:
        return replace(rules.call("array", *[self._value(expr) for expr in node.exprs]), type=r.Type("array", False))

    def visit_tuple(self, node: ast.Tuple) -> r.RExpr:
        return replace(rules.call("tuple", *[self._value(expr) for expr in node.exprs]), type=r.Type("tuple", False))

    def visit_dict(self, node: ast.Dict) -> r.RExpr:
        parts = [rules.text("__hx_tag"), rules.text("__hx_obj")]
        for key, value in node.items:
            parts += [self._value(key), self._value(value)]  # type: ignore[list-item]
        return replace(rules.call("tuple", *parts), type=r.Type("tuple", False))

    def visit_hogqlx_tag(self, node: ast.HogQLXTag) -> r.RExpr:
        parts: list[r.RExpr] = [rules.text("__hx_tag"), rules.text(node.kind)]
        for name, value in node.attributes:
            if name == "children" and isinstance(value, ast.Array):
                # children of different kinds do not fit into one array
                children = [self._value(child) for child in value.exprs]
                parts += [rules.text(name), rules.call("tuple", *children)]
            else:
                parts += [rules.text(name), self._value(value)]
        return replace(rules.call("tuple", *parts), type=r.Type("tuple", False))

    def visit_lambda(self, node: ast.Lambda) -> r.RExpr:
        names = {}
        for arg in node.args:
            self.counter += 1
            names[arg] = r.Argument(f"_arg{self.counter}")
        self.scope.arguments.append(names)
        try:
            body = self._value(node.expr)
        finally:
            self.scope.arguments.pop()
        return r.LambdaExpr(tuple(names[arg].name for arg in node.args), body)

    def visit_call(self, node: ast.Call) -> r.RExpr:
        if node.within_group:
            raise NotSupported(
                f"Aggregation '{node.name}' with WITHIN GROUP is not supported in ClickHouse dialect",
                start=node.start,
                end=node.end,
            )
        definition = functions.find(node.name)
        if node.name == "matchesAction":
            known = any(source.name == "events" or source.table is TABLES["events"] for source in self.scope.sources)
            message = "Actions are not there yet." if known else "matchesAction can only be used with the events table"
            raise NotSupported(message, start=node.start, end=node.end)
        if definition is None:
            close = functions.closest(node.name)
            message = f"Unsupported function call '{node.name}(...)'"
            if close:
                message += f". Perhaps you meant '{close}(...)'?"
            raise QueryError(message, start=node.start, end=node.end, hint=f"Use {close}." if close else None)
        if definition.group == "window":
            raise QueryError(f"{node.name} needs OVER (...)", start=node.start, end=node.end)
        return self._function(node, definition)

    def _function(self, node: ast.Call, definition: functions.FunctionDef) -> r.RExpr:
        self._refuse_call(node, definition)
        star = definition.name in ("count", "countIf") and bool(node.args) and _is_star(node.args[0])
        written = node.args[1:] if star else node.args
        _check_arity(node, definition, len(written) + (1 if star and definition.name == "countIf" else 0))
        with self._aggregating(node, definition):
            args = tuple(self._value(arg) for arg in written)
            params = tuple(self._value(param) for param in node.params or ())
            where = self._value(node.filter_expr) if node.filter_expr is not None else None
        for param, expr in zip(params, node.params or (), strict=True):
            if not isinstance(param, r.Value):
                raise QueryError("Parameters must be constants.", start=expr.start, end=expr.end)
        return self._made(node, definition, args, params, where)

    def _made(
        self,
        node: ast.Call,
        definition: functions.FunctionDef,
        args: tuple[r.RExpr, ...],
        params: tuple[r.RExpr, ...],
        where: r.RExpr | None,
    ) -> r.RExpr:
        if definition.name in rules.COMPARISONS:
            return self._compare(rules.COMPARISONS[definition.name], args[0], args[1])
        if definition.name in ("and", "or"):
            return r.Logic("and" if definition.name == "and" else "or", args)
        if definition.name in rules.RULES:
            try:
                return rules.RULES[definition.name](args, self.context.timezone)
            except ValueError as exc:
                raise QueryError(f"{node.name}: {exc}", start=node.start, end=node.end) from None
        target = definition.target
        if target.startswith(_NUMERIC_AGGREGATES) and definition.aggregate and args:
            args = (_as_number(args[0]), *args[1:])
        if target in ("toStartOfWeek", "toLastDayOfWeek") and len(args) == 1:
            args = (*args, r.Word("3" if self.context.week_start_day == 1 else "0"))
        if definition.zoned and len(args) < definition.most:
            more: tuple[r.RExpr, ...] = (r.Word("6"),) if "64" in target and len(args) == 1 else ()
            args = (*args, *more, rules.text(self.context.timezone))
        value = rules.call(target, *args, params=params, distinct=node.distinct)
        return replace(value, where=where)

    def _refuse_call(self, node: ast.Call, definition: functions.FunctionDef) -> None:
        start, end = node.start, node.end
        if node.order_by:
            raise NotSupported(
                "ORDER BY inside a call is not supported.", start=start, end=end, hint="Use arraySort(groupArray(...))."
            )
        if (node.distinct or node.filter_expr is not None) and not definition.aggregate:
            raise QueryError(
                f"'{node.name}' is not an aggregation: DISTINCT and FILTER are for those.", start=start, end=end
            )
        kind = "Aggregation" if definition.aggregate else "Function"
        given = len(node.params or ())
        if node.params is None and definition.least_params:
            raise QueryError(
                f"Aggregation '{node.name}' requires parameters in addition to arguments", start=start, end=end
            )
        if not definition.least_params <= given <= definition.most_params and node.params is not None:
            raise QueryError(
                f"{kind} '{node.name}' expects {definition.most_params} parameter(s), found {given}",
                start=start,
                end=end,
            )

    @contextmanager
    def _aggregating(self, node: ast.Call, definition: functions.FunctionDef) -> Iterator[None]:
        outer = self.scope.inside_aggregate
        if definition.aggregate:
            if outer is not None:
                raise QueryError(
                    f"Aggregation '{node.name}' cannot be nested inside another aggregation '{outer}'.",
                    start=node.start,
                    end=node.end,
                )
            self.scope.inside_aggregate = node.name
        yield
        self.scope.inside_aggregate = outer

    def visit_window_function(self, node: ast.WindowFunction) -> r.RExpr:
        definition = functions.find(node.call.name)
        if definition is None or definition.group not in ("window", "aggregate"):
            return self.visit_call(node.call) if definition is None else self._not_window(node)
        function = self._function(node.call, definition)
        if not isinstance(function, r.Function):
            return self._not_window(node)
        over: r.Window | str
        if isinstance(node.over, str):
            if node.over not in self.scope.windows:
                raise QueryError(f"Unknown window `{node.over}`.", start=node.start, end=node.end)
            over = node.over
        else:
            over = self.visit(node.over)
        if definition.name in ("lag", "lead") and isinstance(over, r.Window):
            # in ClickHouse these look at the frame only; SQL's look at the whole partition
            args = (rules.call("toNullable", function.args[0]), *function.args[1:])
            function = replace(function, args=args)
            over = replace(over, method="ROWS", first=r.Frame("PRECEDING"), last=r.Frame("FOLLOWING"))
        return r.Windowed(function, over, function.type)

    def _not_window(self, node: ast.WindowFunction) -> NoReturn:
        raise QueryError(f"'{node.call.name}' cannot be used with OVER.", start=node.start, end=node.end)

    def visit_window_expr(self, node: ast.WindowExpr) -> r.Window:
        return r.Window(
            tuple(self._value(expr) for expr in node.partition_by),
            tuple(r.Order(self._value(key.expr), key.order == "DESC", key.nulls) for key in node.order_by),
            node.frame_method,
            self._frame(node.frame_start),
            self._frame(node.frame_end),
        )

    def _frame(self, node: ast.WindowFrame | None) -> r.Frame | None:
        if node is None:
            return None
        value = self._optional(node.frame_value)
        if value is not None and not (isinstance(value, r.Value) and isinstance(value.value, int)):
            raise QueryError("A frame is bounded by a whole number.", start=node.start, end=node.end)
        return r.Frame(node.frame_type, value)

    # --- part of the language, but not run

    def visit_expr_call(self, node: ast.ExprCall) -> r.RExpr:
        raise NotSupported(
            "You can only call simple functions in HogQL, not expressions", start=node.start, end=node.end
        )

    def visit_positional_ref(self, node: ast.PositionalRef) -> r.RExpr:
        raise NotSupported(
            "Positional references are not allowed in clickhouse dialect", start=node.start, end=node.end
        )

    def visit_ignore_nulls(self, node: ast.IgnoreNulls) -> r.RExpr:
        value = self._value(node.expr)
        if isinstance(value, r.Function) and isinstance(node.expr, ast.Call) and functions.is_aggregate(node.expr.name):
            return replace(value, ignore_nulls=True)
        if isinstance(value, r.Windowed):
            return replace(value, function=replace(value.function, ignore_nulls=True))
        raise QueryError("IGNORE NULLS is for aggregations and window functions.", start=node.start, end=node.end)

    def visit_named_argument(self, node: ast.NamedArgument) -> r.RExpr:
        raise NotSupported("Named arguments are not supported.", start=node.start, end=node.end)

    def visit_spread_expr(self, node: ast.SpreadExpr) -> r.RExpr:
        raise NotSupported("Spreading columns is not supported.", start=node.start, end=node.end)

    def visit_columns_expr(self, node: ast.ColumnsExpr) -> r.RExpr:
        raise NotSupported("COLUMNS is only for the SELECT list.", start=node.start, end=node.end)


class _NamesArePlaceholders(Rewriter):
    """In `{a + 1}`, `a` is what `{a}` is."""

    def visit_field(self, node: ast.Field) -> ast.Expr:
        return ast.Placeholder(node, start=node.start, end=node.end)


def _constant(value: Any, node: ast.Node) -> r.RExpr:
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
            return r.Value(value, _NON_NULL_STRING)
        case list() | tuple():
            target: r.Kind = "array" if isinstance(value, list) else "tuple"
            return replace(rules.call(target, *[_constant(item, node) for item in value]), type=r.Type(target, False))
    raise QueryError(f"A value of this kind cannot be used: {type(value).__name__}", start=node.start, end=node.end)


def _folded(node: ast.Expr) -> ast.Expr:
    """`10 + 5` as 15."""
    if not isinstance(node, ast.ArithmeticOperation) or node.op not in "+-*":
        return node
    left, right = _folded(node.left), _folded(node.right)
    if not (isinstance(left, ast.Constant) and isinstance(right, ast.Constant)):
        return node
    one, two = left.value, right.value
    if type(one) is not int or type(two) is not int:
        return node
    value = one + two if node.op == "+" else one - two if node.op == "-" else one * two
    return ast.Constant(value, start=node.start, end=node.end)


def _exported(query: r.RQuery) -> dict[str, Derived]:
    """Label -> column; of equal labels the last counts."""
    return {item.label: Derived(item.sql_name, item.expr.type) for item in r.columns_of(query)}


def _renamed(columns: dict[str, Derived], names: tuple[str, ...], node: ast.Node) -> dict[str, Derived]:
    if not names:
        return columns
    if len(names) != len(columns):
        raise QueryError(
            f"Subquery has {len(columns)} column(s) but {len(names)} column name(s) were provided",
            start=node.start,
            end=node.end,
        )
    return dict(zip(names, columns.values(), strict=True))


def _values_query(node: ast.ValuesQuery) -> ast.SelectQuery | ast.SelectSetQuery:
    width = len(node.rows[0])
    for row in node.rows:
        if len(row) != width:
            raise QueryError("The rows of VALUES differ in length.", start=node.start, end=node.end)
    selects = [
        ast.SelectQuery(tuple(ast.Alias(f"col{i}", expr, start=expr.start, end=expr.end) for i, expr in enumerate(row)))
        for row in node.rows
    ]
    if len(selects) == 1:
        return selects[0]
    return ast.SelectSetQuery(selects[0], tuple(("UNION ALL", select) for select in selects[1:]))


def _check_arity(node: ast.Call, definition: functions.FunctionDef, given: int) -> None:
    if definition.least <= given <= definition.most:
        return
    if definition.name in rules.COMPARISONS:
        message = f"Comparison '{definition.name}' requires exactly two arguments"
    else:
        kind = "Aggregation" if definition.aggregate else "Function"
        if definition.least == definition.most:
            wanted, number = "", definition.least
        elif given < definition.least:
            wanted, number = "at least ", definition.least
        else:
            wanted, number = "at most ", definition.most
        plural = "" if number == 1 else "s"
        message = f"{kind} '{node.name}' expects {wanted}{number} argument{plural}, found {given}"
    raise QueryError(message, start=node.start, end=node.end)


def _is_star(node: ast.Expr) -> bool:
    return isinstance(node, ast.Field) and node.chain == ("*",)


def _chain_of(node: ast.Expr) -> tuple[str | int, ...] | None:
    if isinstance(node, ast.Field):
        return node.chain
    if isinstance(node, ast.ArrayAccess) and isinstance(node.property, ast.Constant):
        base, step = _chain_of(node.array), node.property.value
        if base is not None and isinstance(step, str | int):
            return (*base, step)
    return None


def _read_as(value: r.Property, other: r.RExpr) -> r.RExpr:
    """A property beside a number is a number, beside a truth value a truth value."""
    if other.type.kind in ("integer", "float"):
        return _as_number(value)
    if isinstance(other, r.Value) and isinstance(other.value, bool):
        listed = (r.Word("['true', 'false']"), r.Word("[1, 0]"), r.Word("NULL"))
        return r.Function("transform", (value, *listed), type=r.Type("boolean", nullable=True))
    if other.type.kind == "datetime":
        zone = rules.text("UTC")
        return rules.call("parseDateTime64BestEffortOrNull", value, r.Word("6"), zone)
    return value


def _as_number(value: r.RExpr) -> r.RExpr:
    return rules.accurate_cast(value, "Float64", "float") if isinstance(value, r.Property) else value


def _aliases_in(node: Any) -> Iterator[str]:
    """Every name that the user gives to something."""
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, tuple):
            pending.extend(current)
        if not isinstance(current, ast.Node):
            continue
        if isinstance(current, ast.Alias):
            yield current.alias
        elif isinstance(current, ast.CTE):
            yield from (current.name, *current.columns)
        elif isinstance(current, ast.SelectQuery):
            yield from (name for name, _ in current.window_exprs)
        elif isinstance(current, ast.TableRef):
            yield from current.column_aliases
        pending.extend(getattr(current, name) for name in field_names(type(current)))
