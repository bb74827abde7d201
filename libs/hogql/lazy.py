"""Tables that are made when they are read, and the joins that fields lead to.

A lazy table becomes a subquery that hands out what is read of it and no more: each column, and each path of a JSON
document by a name of its own. Joins that fields led to come right after the table that has the field; or before it is
joined, in a subquery with it, where its own condition needs them or they would let rows through that match nothing.
"""

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Any

from libs.hogql import ast
from libs.hogql import resolved as r
from libs.hogql.bounds import Bound, bounds_of
from libs.hogql.properties import AllPlain
from libs.hogql.reads import Reads
from libs.hogql.resolver import Context, Resolver
from libs.hogql.resolver.names import parsed
from libs.hogql.schema.fields import ColumnField, LazyTable

Finish = Callable[[r.RQuery], r.RQuery]

_MOST_KEPT = 1_000
_KEPT: dict[Hashable, r.Select] = {}


class Lazy(r.Rewriter):
    """See the module. `finish` are the passes that a subquery of ours has yet to go through."""

    def __init__(self, context: Context, avoid: frozenset[str], finish: Finish):
        # what may not be seen was refused when the table was named
        self.context = replace(context, values=None, timezone="UTC", property_types={}, denied=frozenset(), hidden={})
        self.avoid = avoid
        self.finish = finish

    def visit_select(self, node: r.Select) -> r.Select:
        node = self.children(node)
        for joined in node.sources:
            if joined.apart and joined.after:
                node = self._apart(node, joined)
        flat = [one for joined in node.sources for one in (replace(joined, after=()), *joined.after)]
        node = replace(node, sources=tuple(flat))
        for joined in node.sources:
            if isinstance(joined.source, r.LazySource):
                node = self._made(node, joined.source, joined.bounded_by)
        return node

    def _apart(self, node: r.Select, joined: r.Joined) -> r.Select:
        """The SELECT with `joined` and what comes after it in a subquery."""
        alias = joined.source.alias
        inside = (r.Joined(joined.source), *joined.after)
        hole = replace(joined, source=r.QuerySource(r.Select(()), alias), after=(), apart=False)
        node = replace(node, sources=tuple(hole if one is joined else one for one in node.sources))
        reads = Reads([one.source.alias for one in inside], alias, renaming=True)
        node = reads.children(node)
        items = tuple(reads.items.values()) or (r.Item(r.Value(1, r.Type("integer", False)), "_r0", "_r0"),)
        query = r.QuerySource(self.visit_select(r.Select(items, inside)), alias)
        return _with_source(node, alias, query)

    def _made(self, node: r.Select, source: r.LazySource, near: r.RExpr | None) -> r.Select:
        bounds = bounds_of(node.where, partial(_bounded, source, near)) if source.table.bounds else []
        reads = Reads([source.alias], source.alias)
        node = reads.children(node)
        if source.sample is not None:
            sampled = reads.visit(source.sample)
            node = replace(node, where=_and(sampled, node.where))
        query = self._query(source.table, list(reads.items.values()), bounds)
        return _with_source(node, source.alias, r.QuerySource(query, source.alias))

    def _query(self, table: LazyTable, reads: list[r.Item], bounds: list[Bound]) -> r.Select:
        """The subquery for what is read. The same one again and again, as a rule, so it is kept."""
        if bounds:
            return self._resolved(table, reads, bounds)
        wanted = tuple((replace(item.expr, source=""), item.sql_name) for item in reads)  # type: ignore[call-arg]
        key = (table, wanted, self.context.database, self.avoid)
        found = _KEPT.get(key)
        if found is None:
            if len(_KEPT) >= _MOST_KEPT:
                _KEPT.clear()
            found = _KEPT[key] = self._resolved(table, reads, bounds)
        return found

    def _resolved(self, table: LazyTable, reads: list[r.Item], bounds: list[Bound]) -> r.Select:
        wanted = reads or [r.Item(r.Column(table.name, (*table.keys, "team_id")[0]), "_r0", "_r0")]
        tree = ast.SelectQuery(
            (*(_item(table, item.expr) for item in wanted), *(parsed(table.bounds[one.field]) for one in bounds)),
            select_from=ast.JoinChain(ast.TableRef(ast.Field((table.stored,)))),
            where=parsed(table.where) if table.where else None,
            group_by=tuple(ast.Field((key,)) for key in table.keys),
            having=parsed(table.having) if table.having else None,
        )
        resolver = Resolver(self.context)
        resolver.user_aliases = set(self.avoid)
        query = resolver.query(tree)
        assert isinstance(query, r.Select)  # noqa: S101 - a SELECT is what was asked for
        # named only now: a name in the tree would hide the column of the same name from WHERE and HAVING
        items = [
            replace(made, expr=_plain(made.expr, item.expr), sql_name=item.sql_name, label=item.label)
            for made, item in zip(query.items, wanted, strict=False)
        ]
        where = query.where
        for bound, made in zip(bounds, query.items[len(wanted) :], strict=True):
            where = _and(bound.condition(made.expr, table.margin_days), where)
        finished = self.finish(replace(query, items=tuple(items), where=where))
        assert isinstance(finished, r.Select)  # noqa: S101
        return finished


def _bounded(source: r.LazySource, near: r.RExpr | None, column: r.Column) -> str | None:
    """The field of the source, of those that have bounds, that a column is or is near to."""
    if near is not None and column == near:
        return next(iter(source.table.bounds))
    return column.name if column.source == source.alias and column.name in source.table.bounds else None


def _plain(made: r.RExpr, read: r.RExpr) -> r.RExpr:
    """What is read of a property that cannot be an object or array."""
    if not (isinstance(read, r.Property) and read.plain):
        return made
    found: r.RExpr = AllPlain().visit(made)
    return found


def _item(table: LazyTable, read: r.RExpr) -> ast.Expr:
    """HogQL over the stored rows for what is read of the table."""
    if isinstance(read, r.Property):
        return _latest(table, ast.Field((read.column, *read.path)), nullable=True)
    assert isinstance(read, r.Column)  # noqa: S101 - nothing else is known of a lazy table
    if read.name in table.made:
        return parsed(table.made[read.name])
    value = ast.Field((read.name,))
    if read.name in table.keys or not table.keys:
        return value
    known = [field for field in table.fields.values() if isinstance(field, ColumnField) and field.column == read.name]
    return _latest(table, value, nullable=any(field.nullable for field in known))


def _latest(table: LazyTable, value: ast.Expr, *, nullable: bool) -> ast.Expr:
    if not table.keys:
        return value
    if not table.version:
        return ast.Call("any", (value,))
    version = ast.Field((table.version,))
    if not nullable:
        return ast.Call("argMax", (value, version))
    # argMax leaves out rows where the value is NULL, and the latest may be one
    packed = ast.Call("argMax", (ast.Call("tuple", (value,)), version))
    return ast.Call("tupleElement", (packed, ast.Constant(1)))


def _and(one: Any, other: r.RExpr | None) -> r.RExpr:
    return one if other is None else r.Logic("and", (one, other))


def _with_source(node: r.Select, alias: str, source: r.Source) -> r.Select:
    return replace(
        node,
        sources=tuple(replace(one, source=source) if one.source.alias == alias else one for one in node.sources),
    )
