"""The resolved tree: every name is a column of a known source, every function is on the list, every value is a value.

The resolver makes it, the passes after it rewrite it, the printer writes it down. Names in it (`alias`, `sql_name`) are
chosen by the resolver; what the user called a column is only in `Item.label`.
"""

from dataclasses import dataclass
from typing import Literal

from libs.hogql.schema.fields import LazyTable, Table
from libs.hogql.tree import Rewriter, TreeNode, walk, with_children

__all__ = ["Rewriter", "walk", "with_children"]

Kind = Literal[
    "integer", "float", "string", "boolean", "datetime", "date", "uuid", "json", "array", "tuple", "interval", "unknown"
]


@dataclass(frozen=True, slots=True)
class Type:
    """What is known of a value. Unknown counts as nullable."""

    kind: Kind = "unknown"
    nullable: bool = True


UNKNOWN = Type()
BOOLEAN = Type("boolean", nullable=False)


@dataclass(frozen=True, slots=True)
class RNode(TreeNode):
    """Anything in the resolved tree."""


@dataclass(frozen=True, slots=True)
class RExpr(RNode):
    """Anything with a value. Every one has a `type`, last, so that it may be left out."""

    @property
    def type(self) -> Type:
        """What is known of the value."""
        return UNKNOWN


@dataclass(frozen=True, slots=True)
class Value(RExpr):
    """A constant; always bound, never written into the SQL. Times are (text, zone) of kind datetime."""

    value: str | int | float | bool | None
    type: Type = UNKNOWN


@dataclass(frozen=True, slots=True)
class Column(RExpr):
    """A column of a source."""

    source: str
    name: str
    type: Type = UNKNOWN


@dataclass(frozen=True, slots=True)
class Property(RExpr):
    """A value inside a JSON document. `native` columns are of ClickHouse's JSON type, with the text in `raw`; others
    are text. A `typed` first step is stored as Nullable(String), whatever was sent; `plain`: nothing nested."""

    source: str
    column: str
    path: tuple[str | int, ...]
    native: bool
    raw: str = ""
    typed: bool = False
    plain: bool = False
    type: Type = Type("string", nullable=True)


@dataclass(frozen=True, slots=True)
class SubColumn(RExpr):
    """A path of a JSON column, read alone; `whole` reads what is below the path as an object."""

    source: str
    column: str
    path: tuple[str, ...]
    whole: bool = False
    type: Type = UNKNOWN


@dataclass(frozen=True, slots=True)
class AliasRef(RExpr):
    """A select item of the same query, by its SQL name."""

    name: str
    type: Type = UNKNOWN


@dataclass(frozen=True, slots=True)
class Argument(RExpr):
    """An argument of the lambda around it."""

    name: str
    type: Type = UNKNOWN


@dataclass(frozen=True, slots=True)
class Function(RExpr):
    """A ClickHouse function from the list; `where` is its FILTER."""

    name: str
    args: tuple[RNode, ...]
    params: tuple[RExpr, ...] = ()
    distinct: bool = False
    where: RExpr | None = None
    type: Type = UNKNOWN
    ignore_nulls: bool = False


@dataclass(frozen=True, slots=True)
class Named(RExpr):
    """An expression inside another that the rest of the SELECT refers to by `name` (AliasRef)."""

    expr: RExpr
    name: str
    type: Type = UNKNOWN


@dataclass(frozen=True, slots=True)
class Word(RExpr):
    """A word of ours inside a call, such as the name of a type: never from the user."""

    text: str
    type: Type = UNKNOWN


@dataclass(frozen=True, slots=True)
class Compare(RExpr):
    """A comparison; `op` as in ast.COMPARE_OPS."""

    op: str
    left: RExpr
    right: RExpr
    bare: bool = False
    type: Type = BOOLEAN


@dataclass(frozen=True, slots=True)
class Between(RExpr):
    """`expr [NOT] BETWEEN low AND high`."""

    expr: RExpr
    low: RExpr
    high: RExpr
    negated: bool
    type: Type = BOOLEAN


@dataclass(frozen=True, slots=True)
class Logic(RExpr):
    """and(...) or or(...)."""

    op: Literal["and", "or"]
    exprs: tuple[RExpr, ...]
    type: Type = BOOLEAN


@dataclass(frozen=True, slots=True)
class LambdaExpr(RExpr):
    """A lambda; its arguments have generated names."""

    args: tuple[str, ...]
    expr: RExpr
    type: Type = UNKNOWN


@dataclass(frozen=True, slots=True)
class Windowed(RExpr):
    """A function over a window, given in place or by name."""

    function: Function
    over: "Window | str"
    type: Type = UNKNOWN


@dataclass(frozen=True, slots=True)
class Subquery(RExpr):
    """A query as a value, or as the right side of IN."""

    query: "RQuery"
    type: Type = UNKNOWN


@dataclass(frozen=True, slots=True)
class Guard(RExpr):
    """Rows of this team only. Made by guard.py alone."""

    source: str
    column: str
    team_id: int
    type: Type = BOOLEAN


@dataclass(frozen=True, slots=True)
class Fill(RNode):
    """WITH FILL: rows that are not there, from, to and every so much."""

    first: RExpr | None
    last: RExpr | None
    step: RExpr | None


@dataclass(frozen=True, slots=True)
class Order(RNode):
    """A key of ORDER BY."""

    expr: RExpr
    descending: bool
    nulls: Literal["FIRST", "LAST"] | None = None
    fill: Fill | None = None


@dataclass(frozen=True, slots=True)
class Frame(RNode):
    """One end of a window's frame."""

    kind: Literal["CURRENT ROW", "PRECEDING", "FOLLOWING"]
    value: RExpr | None = None


@dataclass(frozen=True, slots=True)
class Window(RNode):
    """A window."""

    partition_by: tuple[RExpr, ...] = ()
    order_by: tuple[Order, ...] = ()
    method: Literal["ROWS", "RANGE"] | None = None
    first: Frame | None = None
    last: Frame | None = None


@dataclass(frozen=True, slots=True)
class TableSource(RNode):
    """A physical table. `sample` picks a share of its rows, until guard.py puts it into a WHERE."""

    table: Table
    alias: str
    sample: RExpr | None = None


@dataclass(frozen=True, slots=True)
class LazySource(RNode):
    """A table that is made when it is read; lazy.py puts a subquery in its place."""

    table: LazyTable
    alias: str
    sample: RExpr | None = None


@dataclass(frozen=True, slots=True)
class QuerySource(RNode):
    """A subquery."""

    query: "RQuery"
    alias: str


@dataclass(frozen=True, slots=True)
class CteSource(RNode):
    """A query of WITH."""

    name: str
    alias: str


@dataclass(frozen=True, slots=True)
class NumbersSource(RNode):
    """numbers(n) or numbers(start, n)."""

    args: tuple[RExpr, ...]
    alias: str


Source = TableSource | LazySource | QuerySource | CteSource | NumbersSource


@dataclass(frozen=True, slots=True)
class Joined(RNode):
    """A source and how it is joined to those before it; the first has no kind. `after` are the joins that its fields
    lead to; `apart`: they come before this join, in a subquery with the source.
    `bounded_by`: a time near those of the source."""

    source: Source
    kind: str = ""
    on: RExpr | None = None
    after: tuple["Joined", ...] = ()
    apart: bool = False
    bounded_by: RExpr | None = None


@dataclass(frozen=True, slots=True)
class Item(RNode):
    """A select item: `label` is what the result calls it, `sql_name` what the SQL does."""

    expr: RExpr
    sql_name: str
    label: str


@dataclass(frozen=True, slots=True)
class LimitBy(RNode):
    """LIMIT n OFFSET m BY."""

    n: RExpr
    offset: RExpr | None
    exprs: tuple[RExpr, ...]


@dataclass(frozen=True, slots=True)
class Select(RNode):
    """One SELECT."""

    items: tuple[Item, ...]
    sources: tuple[Joined, ...] = ()
    distinct: bool = False
    array_join: str | None = None
    arrays: tuple[Item, ...] = ()
    prewhere: RExpr | None = None
    where: RExpr | None = None
    group_by: tuple[RExpr, ...] = ()
    group_mode: str | None = None
    grouping_sets: tuple[tuple[RExpr, ...], ...] = ()
    having: RExpr | None = None
    windows: tuple[tuple[str, Window], ...] = ()
    order_by: tuple[Order, ...] = ()
    limit_by: LimitBy | None = None
    limit: RExpr | None = None
    offset: RExpr | None = None
    with_ties: bool = False
    percent: bool = False
    interpolate: tuple[tuple[str, RExpr | None], ...] | None = None


@dataclass(frozen=True, slots=True)
class SetQuery(RNode):
    """Selects joined by set operators, flat."""

    first: "RQuery"
    rest: tuple[tuple[str, "RQuery"], ...]


RQuery = Select | SetQuery


@dataclass(frozen=True, slots=True)
class Statement(RNode):
    """The whole: queries of WITH in order of need, then the query."""

    ctes: tuple[tuple[str, RQuery], ...]
    query: RQuery


def columns_of(query: RQuery) -> tuple[Item, ...]:
    """What a query returns: the items of its first SELECT."""
    while isinstance(query, SetQuery):
        query = query.first
    return query.items
