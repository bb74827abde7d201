"""FROM: tables, subqueries, joins, samples."""

import math
from fractions import Fraction

from libs.hogql import ast, rules
from libs.hogql import resolved as r
from libs.hogql.errors import NotSupported, QueryError
from libs.hogql.resolver.expressions import Expressions
from libs.hogql.resolver.values import NON_NULL_STRING, exported, renamed
from libs.hogql.schema.fields import AnyTable
from libs.hogql.scope import Derived, Source


class Sources(Expressions):
    """See the module."""

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
            # what the condition itself leads to has to be there before it, and a join to nothing must stay one
            apart = bool(self.scope.sources[-1].joins) or join.kind not in ("INNER", "CROSS")
            joined.append(r.Joined(source, join.kind, on, apart=apart))
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
        self._add(Source(node.alias or "", alias, None, renamed(exported(resolved), node.column_aliases, node)), node)
        return r.QuerySource(resolved, alias)

    def _named_table(self, node: ast.TableRef, field: ast.Field) -> r.Source:
        name = ".".join(map(str, field.chain))
        if name == "numbers":
            return self._numbers(node)
        cte = self.cte_names.get(name)
        table = self.context.database.table(name)
        if cte is None and table is None:
            known = "Known tables: " + ", ".join([*self.context.database.listed, *self.cte_names]) + "."
            raise QueryError(f"Unknown table `{name}`.", start=field.start, end=field.end, hint=known)
        if node.args is not None:
            raise QueryError(f"Table '{name}' does not accept arguments", start=node.start, end=node.end)
        called = node.alias or name.replace(".", "__")
        if cte is not None:
            alias = self._fresh(called)
            self._add(Source(called, alias, None, renamed(cte.columns, node.column_aliases, node)), node)
            return r.CteSource(cte.sql_name, alias)
        assert table is not None  # noqa: S101
        if node.column_aliases:
            raise NotSupported("Column aliases are only for subqueries.", start=node.start, end=node.end)
        alias = self._source_alias(called)
        self._add(Source(called, alias, table), node)
        return self._read(table, alias, node, self._sample(node.sample, table, alias))

    def _sample(self, node: ast.SampleExpr | None, table: AnyTable, alias: str) -> r.RExpr | None:
        """The rows whose hash lies in the asked share of all hashes: the same people every time."""
        if node is None:
            return None
        size = self._ratio(node.ratio, node) / (100 if node.percent else 1)
        first = self._ratio(node.offset, node) if node.offset is not None else Fraction(0)
        if not 0 <= size <= 1 or not 0 <= first <= 1 or not table.sample_column:
            raise NotSupported("A sample is a share of a table, from 0 to 1.", start=node.start, end=node.end)
        if size == 1:
            return None
        key = rules.call("cityHash64", r.Column(alias, table.sample_column, NON_NULL_STRING))
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
