"""Every physical table shows rows of one team only. `guarded` sees to it, and `verify` refuses what it may have missed.

The guard stands in the WHERE of the SELECT that reads the table, where it also uses the table's sorting key. A table on
the side of a join that may be filled with NULLs is read through a guarded subquery instead: a WHERE would drop rows
that did not match, and an ON would not hold for every kind of join.
"""

from dataclasses import replace

from libs.hogql import resolved as r
from libs.hogql.errors import TeamGuardError
from libs.hogql.reads import Reads
from libs.hogql.schema.fields import Table


class Guarding(r.Rewriter):
    """Adds the guards."""

    def __init__(self, team_id: int):
        self.team_id = team_id

    def visit_select(self, node: r.Select) -> r.Select:
        node = self.children(node)
        left_may_be_null = any(joined.kind.startswith(("RIGHT", "FULL")) for joined in node.sources)
        conditions: list[r.RExpr] = []
        apart: list[r.TableSource] = []
        for joined in node.sources:
            source = joined.source
            if not isinstance(source, r.TableSource):
                continue
            if left_may_be_null or joined.kind not in ("", "INNER", "CROSS"):
                apart.append(source)
            else:
                conditions += self._conditions(source)
        if conditions:
            where = r.Logic("and", (*conditions, *((node.where,) if node.where is not None else ())))
            node = replace(node, where=where)
        for source in apart:
            node = _read_apart(node, source, self._conditions(source))
        return replace(node, sources=tuple(_without_sample(joined) for joined in node.sources))

    def _conditions(self, source: r.TableSource) -> list[r.RExpr]:
        guard = r.Guard(source.alias, source.table.team_column, self.team_id)
        return [guard, *([source.sample] if source.sample is not None else [])]


def _without_sample(joined: r.Joined) -> r.Joined:
    source = joined.source
    if not isinstance(source, r.TableSource) or source.sample is None:
        return joined
    return replace(joined, source=replace(source, sample=None))


def _read_apart(node: r.Select, source: r.TableSource, conditions: list[r.RExpr]) -> r.Select:
    """The SELECT, with `source` in a subquery of its own that holds the conditions."""
    outside = Reads([source.alias], source.alias)
    node = outside.children(node)
    team = source.table.team_column
    items = tuple(outside.items.values()) or (r.Item(r.Column(source.alias, team), team, team),)
    inner = r.Select(items, (r.Joined(replace(source, sample=None)),), where=r.Logic("and", tuple(conditions)))
    apart = r.QuerySource(inner, source.alias)
    return replace(
        node,
        sources=tuple(
            replace(joined, source=apart) if joined.source.alias == source.alias else joined for joined in node.sources
        ),
    )


def guarded(statement: r.Statement, team_id: int) -> r.Statement:
    """The statement, restricted to one team."""
    result: r.Statement = Guarding(team_id).visit(statement)
    return result


def verify(statement: r.Statement, team_id: int) -> None:
    """Raise TeamGuardError unless each physical table is read under a guard for this team that nothing can undo."""
    nodes = r.walk(statement)
    selects = [node for node in nodes if isinstance(node, r.Select)]
    for select in selects:
        _verify_select(select, team_id)
    for node in nodes:
        _verify_only_known(node)
    _verify_names(nodes)
    seen = sum(isinstance(node, r.TableSource) for node in nodes)
    if seen != sum(isinstance(joined.source, r.TableSource) for select in selects for joined in select.sources):
        raise TeamGuardError("A table is read outside of a SELECT.")


def _verify_names(nodes: list[r.RNode]) -> None:
    sources = {node.alias for node in nodes if isinstance(node, r.TableSource)}
    for node in nodes:
        if isinstance(node, r.Named) and (node.name in sources or "." in node.name):
            raise TeamGuardError("A name inside an expression could be taken for a column of a table.")


def _verify_select(node: r.Select, team_id: int) -> None:
    names = [joined.source.alias for joined in node.sources]
    if len(set(names)) != len(names):
        raise TeamGuardError("Two sources go by one name.")
    aliases = {item.sql_name for item in (*node.items, *node.arrays)}
    conditions = node.where.exprs if isinstance(node.where, r.Logic) and node.where.op == "and" else ()
    for joined in node.sources:
        source = joined.source
        if not isinstance(source, r.TableSource):
            continue
        if type(source.table) is not Table or not source.table.team_column:
            raise TeamGuardError("A table without a team column.")
        if r.Guard(source.alias, source.table.team_column, team_id) not in conditions:
            raise TeamGuardError(f"{source.table.name} would be read without its guard.")
        if joined.kind not in ("", "INNER", "CROSS") or any(j.kind.startswith(("RIGHT", "FULL")) for j in node.sources):
            raise TeamGuardError(f"{source.table.name} stands where a join may undo its guard.")
        if source.alias in aliases or any("." in alias for alias in aliases):
            raise TeamGuardError("A select alias could be taken for a column of a table.")


def _verify_only_known(node: r.RNode) -> None:
    if isinstance(node, r.LazySource) or (isinstance(node, r.Joined) and node.after):
        raise TeamGuardError("A table is left that was to be made of others.")
    if isinstance(node, r.LambdaExpr) and not all(name.startswith("_arg") for name in node.args):
        raise TeamGuardError("A lambda argument could be taken for a table.")
