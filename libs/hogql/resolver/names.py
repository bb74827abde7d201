"""Names: fields of tables, aliases, lambda arguments, placeholders, columns of WITH."""

import difflib
from dataclasses import replace
from functools import lru_cache

from libs.hogql import ast, rules
from libs.hogql import resolved as r
from libs.hogql.catalog import type_name
from libs.hogql.errors import NotSupported, QueryError, TableAccessDenied, TooComplex
from libs.hogql.filters import NAMES, TIMES
from libs.hogql.parser import parse_expr
from libs.hogql.resolver.state import Notice, Resolving
from libs.hogql.resolver.values import chain_of, constant, typed
from libs.hogql.schema.fields import AnyTable, ExpressionField, LazyTable
from libs.hogql.scope import JsonRef, Leading, Reference, Scope, Source, ambiguous, checked_index, field_of, unresolved
from libs.hogql.tree import Rewriter

MAX_COLUMNS_DEPTH = 30
MAX_LED_TO = 100  # joins that fields lead to; each is a subquery of its own


@lru_cache(maxsize=1024)
def parsed(text: str) -> ast.Expr:
    """An expression of ours, read once."""
    return parse_expr(text)


class Names(Resolving):
    """See the module."""

    def _expression(self, reference: Reference, node: ast.Node | None = None) -> r.RExpr:
        if not isinstance(reference, JsonRef):
            return reference
        self._check_hidden(reference, node)
        value = reference.expression()
        known = self.context.property_types.get(reference.described, {})
        if len(reference.path) != 1 or not isinstance(value, r.Property):
            return value
        definition = known.get(str(reference.path[0]))
        if definition is not None and node is not None:
            whose = reference.described.partition("_")[0].title()
            shown = {"Numeric": "Float"}.get(definition, definition)
            self._notice(node, f"{whose} property '{reference.path[0]}' is of type '{shown}'.")
        return typed(value, definition, self.context.timezone)

    def _check_hidden(self, reference: JsonRef, node: ast.Node | None) -> None:
        """Refuse what the query's author may not see: a property, or a document that has one."""
        of = self.context.hidden
        names = of.get(reference.described) if reference.described else frozenset().union(*of.values())
        if not names or (reference.path and reference.path[0] not in names):
            return
        if not reference.path:
            message = f"You don't have access to all of `{reference.column}`. Name the properties that you need."
        else:
            message = f"You don't have access to the property `{reference.path[0]}`."
        raise TableAccessDenied(message, start=node.start if node else None, end=node.end if node else None)

    def _field(self, source: Source, chain: tuple[str | int, ...], node: ast.Node) -> Reference:
        found = field_of(source, chain, node)
        if isinstance(found, ExpressionField):
            return self._within(source, found.hogql)
        if not isinstance(found, Leading):
            return found
        if not found.rest:
            name = chain[-1]
            raise QueryError(f"Can't select a table when a column is expected: {name}", start=node.start, end=node.end)
        return self._field(self._led_to(source, found, node), found.rest, node)

    def _within(self, source: Source, hogql: str) -> r.RExpr:
        """The value of a text of ours, which speaks of this source only."""
        outer, notices = self.scope, self.notices
        self.scope, self.notices = Scope(sources=[source]), None
        try:
            return self._value(parsed(hogql))
        finally:
            self.scope, self.notices = outer, notices

    def _led_to(self, source: Source, leading: Leading, node: ast.Node) -> Source:
        """The table that a field leads to, joined once."""
        if leading.name in source.joins:
            return source.joins[leading.name][0]
        self.led += 1
        if self.led > MAX_LED_TO:
            raise TooComplex("The query joins too many tables.", start=node.start, end=node.end)
        field = leading.field
        table = self.context.database.joined(field.table)
        other = Source("", self._fresh(f"{source.alias}__{leading.name}"), table)
        conditions: list[r.RExpr] = []
        for left, right in field.pairs:
            value = self._expression(self._field(other, (right,), node))
            conditions.append(r.Compare("=", self._within(source, left), value, bare=True))
        if field.condition:
            conditions.append(self._within(other, field.condition))
        on = conditions[0] if len(conditions) == 1 else r.Logic("and", tuple(conditions))
        bound = self._within(source, field.bounded_by) if field.bounded_by else None
        joined = r.Joined(self._read(table, other.alias, node), field.kind, on, bounded_by=bound)
        source.joins[leading.name] = other, joined
        return other

    def _read(self, table: AnyTable, alias: str, node: ast.Node, sample: r.RExpr | None = None) -> r.Source:
        if self.context.database.stored_name(table) in self.context.denied:
            raise TableAccessDenied(f"You don't have access to table `{table.name}`.", start=node.start, end=node.end)
        if isinstance(table, LazyTable):
            return r.LazySource(table, alias, sample)
        return r.TableSource(table, alias, sample)

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

    def visit_field(self, node: ast.Field) -> r.RExpr:
        value = self._expression(self._reference(node), node)
        self._notice(node, f"Field '{node.chain[-1]}' is of type '{type_name(value.type.kind)}'")
        return value

    def _notice(self, node: ast.Node, message: str, fix: str | None = None) -> None:
        """A remark about what the user wrote; what we put there ourselves has no place in the text."""
        if self.notices is not None and node.end > node.start:
            self.notices.append(Notice(node.start, node.end, message, fix))

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

    def visit_placeholder(self, node: ast.Placeholder) -> r.RExpr:
        values = self.context.values or {}
        if not isinstance(node.expr, ast.Field):
            return self._placeholder_expression(node.expr)
        name = ".".join(map(str, node.expr.chain))
        if name in values:
            return constant(values[name], node)
        if name.partition(".")[0] == "filters":
            return self._filters(name, node)
        if name.startswith("variables."):
            raise self._missing_variable(name.partition(".")[2], node)
        raise QueryError(f"Unresolved placeholder: {{{name}}}", start=node.start, end=node.end)

    def _filters(self, name: str, node: ast.Placeholder) -> r.RExpr:
        if name not in NAMES:
            known = ", ".join(f"{{{one}}}" for one in NAMES)
            message = f"Unsupported filters placeholder `{{{name}}}`. Supported filters placeholders are: {known}"
            raise QueryError(message, start=node.start, end=node.end)
        if name != "filters":
            moment = self.context.filters.moment(name)
            if moment is None:
                raise QueryError(
                    f"The `{{{name}}}` placeholder must be used directly in a comparison (e.g. `timestamp > "
                    f"{{{name}}}`), not nested inside a function call, when the date range is not set.",
                    start=node.start,
                    end=node.end,
                )
            return rules.instant(moment.isoformat(), self.context.timezone)
        for source in self.scope.sources:
            table = source.table.name if source.table is not None else ""
            if table in TIMES:
                prefix = (source.name,) if len(self.scope.sources) > 1 and source.name else ()
                return self._condition(self.context.filters.condition(table, prefix))
        raise QueryError(
            "Cannot use 'filters' placeholder in a SELECT clause that does not select from the events, sessions, logs, "
            "traces or groups table.",
            start=node.start,
            end=node.end,
        )

    def _is_unset_date(self, node: ast.Expr) -> bool:
        """Whether this is `{filters.dateRange.from}` of a request that does not say it."""
        if not isinstance(node, ast.Placeholder) or not isinstance(node.expr, ast.Field):
            return False
        name = ".".join(map(str, node.expr.chain))
        return name in NAMES[1:] and self.context.filters.moment(name) is None

    def _missing_variable(self, name: str, node: ast.Node) -> QueryError:
        sent = [key.partition(".")[2] for key in self.context.values or {} if key.startswith("variables.")]
        close = difflib.get_close_matches(name[:60], sent, n=3, cutoff=0.6)
        more = f" Did you mean: {', '.join(close)}?" if close else ""
        return QueryError(f"Variable {name} is missing from query{more}", start=node.start, end=node.end)

    def _placeholder_expression(self, expr: ast.Expr) -> r.RExpr:
        """`{a + 1}`: its names are those of values, and of nothing in the query."""
        outer, self.scope = self.scope, Scope()
        try:
            return self._value(_NamesArePlaceholders().visit(expr))
        finally:
            self.scope = outer

    def _label(self, node: ast.Expr) -> str:
        if isinstance(node, ast.Field):
            return str(node.chain[-1])
        if isinstance(node, ast.ArrayAccess) and isinstance(node.property, ast.Constant):
            chain = chain_of(node)
            if chain is not None and isinstance(chain[-1], str):
                return chain[-1]
        if isinstance(node, ast.TupleAccess) and isinstance(node.index, str):
            return node.index
        return self.texts.visit(node).replace("%", "")[:500]


class _NamesArePlaceholders(Rewriter):
    """In `{a + 1}`, `a` is what `{a}` is."""

    def visit_field(self, node: ast.Field) -> ast.Expr:
        return ast.Placeholder(node, start=node.start, end=node.end)
