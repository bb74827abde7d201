"""SELECTs and set queries, clause by clause."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from libs.hogql import ast
from libs.hogql import resolved as r
from libs.hogql.errors import NotSupported, QueryError
from libs.hogql.resolver.sources import Sources
from libs.hogql.resolver.state import Cte
from libs.hogql.resolver.values import exported, folded, renamed
from libs.hogql.scope import PLAIN_NAME, Scope, Source
from libs.hogql.tree import field_names


class Resolver(Sources):
    """The whole of it: `statement` is the way in."""

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

    def query(self, node: ast.Query) -> r.RQuery:
        """A query in a scope of its own. Names of WITH are seen by it and by what is in it."""
        outer_scope, outer_ctes, outer_macros = self.scope, self.cte_names, self.macros
        self.scope, self.cte_names, self.macros = Scope(), dict(self.cte_names), dict(self.macros)
        try:
            resolved: r.RQuery = self.visit(node)
            return resolved
        finally:
            self.scope, self.cte_names, self.macros = outer_scope, outer_ctes, outer_macros

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
            if operator not in ("UNION ALL", "UNION DISTINCT", "INTERSECT", "INTERSECT DISTINCT", "EXCEPT"):
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
        alias, columns = self._fresh("u"), exported(query)
        items = []
        for number, label in enumerate(labels):
            found = columns.get(label)
            value = r.Column(alias, found.sql_name, found.type) if found else r.Value(None)
            items.append(r.Item(value, f"_n{number}", label))
        return r.Select(tuple(items), (r.Joined(r.QuerySource(query, alias)),))

    def _limited_set(self, node: ast.SelectSetQuery, whole: r.RQuery) -> r.Select:
        columns = exported(whole)
        source = Source("", self._fresh("u"), None, columns)
        self.scope.sources.append(source)
        items = []
        for item in r.columns_of(whole):
            kind = item.expr.type
            column = r.Item(r.Column(source.alias, item.sql_name, kind), item.sql_name, item.label)
            self.scope.aliases.setdefault(item.label, column)
            items.append(column)
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
        found = r.Select(
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
        return self._joining(found)

    def _joining(self, node: r.Select) -> r.Select:
        """The SELECT with the joins that its fields led to."""
        after = {source.alias: source.after() for source in self.scope.sources if source.joins}
        if not after:
            return node
        return replace(
            node,
            sources=tuple(replace(joined, after=after.get(joined.source.alias, ())) for joined in node.sources),
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
            name = self._fresh(f"{cte.name}_cte" if cte.name in self.taken else cte.name)
            self.ctes.append((name, query))
            self.cte_names[cte.name] = Cte(name, renamed(exported(query), cte.columns, cte))
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
        value = self._value(folded(node))
        number = value.value if isinstance(value, r.Value) else None
        if isinstance(number, bool) or not isinstance(number, int | float) or number < 0 or number > 2**63:
            raise QueryError("A limit must be a number, zero or more.", start=node.start, end=node.end)
        if not percent:
            return value
        if number > 100:
            raise QueryError("Limit percent must be between 0 and 100", start=node.start, end=node.end)
        # ClickHouse takes a share of the rows as a number below one
        return r.Value(number / 100, r.Type("float", nullable=False)) if number < 100 else None


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
