"""Whether any row that a SELECT may read has something below a path: asked once, before a row is read.

Hardly any path of a JSON column is a value in one row and an object in another, but the parts of an object are paths of
their own, and to look for them in every row costs more than to read the value. ClickHouse answers a scalar subquery
while it plans, folds what follows from it, and does not read what is left out. It keeps, by part, which granules have
no such row (the query condition cache), so that the same question costs next to nothing a second time.

The question is about no fewer rows than the SELECT returns, and the answer "none" is never older than what it reads:
a table's snapshot is taken before the scalars below it are answered, and they share it.
"""

from dataclasses import replace

from libs.hogql import resolved as r
from libs.hogql import rules
from libs.hogql.bounds import bounds_of, parts_of

# `now()` is another moment in the question, and its day may be another one too.
_MARGIN_DAYS = 2
_ONE = r.Word("1")


def question(below: r.SubColumn, select: r.Select, where: r.RExpr | None) -> r.Subquery | None:
    """A subquery that is 1 if there is such a row, else NULL; nothing for what is not a table of the SELECT.

    `below` is the path as an object; `where` has to hold for every row that counts.
    """
    source = next((joined.source for joined in select.sources if joined.source.alias == below.source), None)
    if not isinstance(source, r.TableSource):
        return None
    # no other source has a space in its name, and no alias that the user gave
    own = replace(source, alias=f"{source.alias} anywhere", sample=None)
    some = r.Function("notEmpty", (r.Function("JSONAllPaths", (replace(below, source=own.alias),)),))
    rows = _conditions(where, source.alias, own.alias)
    found = r.Select((r.Item(_ONE, "_any", "_any"),), (r.Joined(own),), where=r.Logic("and", (*rows, some)), limit=_ONE)
    return r.Subquery(found)


def _conditions(where: r.RExpr | None, alias: str, own: str) -> list[r.RExpr]:
    """What `where` says of plain columns of a table in constants, about the table of the question."""
    found: list[r.RExpr] = []
    for part in parts_of(where):
        if isinstance(part, r.Compare) and part.op in ("=", "in") and _is_constant(part.right):
            column = part.left
            if isinstance(column, r.Column) and column.source == alias:
                found.append(replace(part, left=replace(column, source=own)))
    for bound in bounds_of(where, lambda column: column.name if _is_time_of(column, alias) else None):
        days = replace(bound, value=_Days().visit(bound.value))
        found.append(days.condition(r.Column(own, bound.field), _MARGIN_DAYS))
    return found


class _Days(r.Rewriter):
    """Takes the day for the moment: the same question all day long."""

    def visit_function(self, node: r.Function) -> r.RExpr:
        return rules.call("toStartOfDay", node) if node.name == "now64" else self.children(node)


def _is_time_of(column: r.Column, alias: str) -> bool:
    return column.source == alias and column.type.kind == "datetime"


def _is_constant(node: r.RExpr) -> bool:
    if isinstance(node, r.Function) and node.name == "tuple":
        return all(isinstance(arg, r.Value) for arg in node.args)
    return isinstance(node, r.Value)
