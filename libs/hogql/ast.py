"""The tree that the parser makes: PostHog's node names (hence its response shapes), frozen, with positions.

`start` and `end` are offsets in characters; they do not take part in comparisons, so that trees can be compared.

The nodes are made in C: a frozen dataclass sets each field through `object.__setattr__`, and that was a third of the
time it took to parse a query. The garbage collector does not follow them (`gc=False`): a frozen node holds only what
was there before it, so there are no cycles to find.
"""

from typing import Literal

import msgspec

from libs.hogql.tree import TreeNode, field_names

Scalar = str | int | float | bool | None


class Node(TreeNode, msgspec.Struct, frozen=True, eq=False, kw_only=True, gc=False):
    """Anything the parser makes. `msgspec.structs.replace` makes a changed copy."""

    start: int = 0
    end: int = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node) or type(self) is not type(other):
            return NotImplemented
        return self is other or _compared(self) == _compared(other)

    def __ne__(self, other: object) -> bool:  # a Struct's own would ask for identity
        return not self == other

    def __hash__(self) -> int:
        return hash(_compared(self))


def _compared(node: Node) -> tuple[object, ...]:
    return tuple([getattr(node, name) for name in field_names(type(node))])


class Expr(Node, frozen=True):
    """Anything that has a value."""


class Constant(Expr, frozen=True):
    """A literal. Integers of any size are exact."""

    value: Scalar


class Field(Expr, frozen=True):
    """`a.b.c`, also `*` and `t.*`. Steps written as numbers are ints; `nullish` says that `?.` was used."""

    chain: tuple[str | int, ...]
    nullish: bool = False


class Call(Expr, frozen=True):
    """`name(params)(DISTINCT args ORDER BY ...) FILTER (WHERE ...)`; without params there is one pair of brackets."""

    name: str
    args: tuple[Expr, ...]
    params: tuple[Expr, ...] | None = None
    distinct: bool = False
    order_by: tuple["OrderExpr", ...] = ()
    filter_expr: Expr | None = None
    within_group: tuple["OrderExpr", ...] = ()


class ExprCall(Expr, frozen=True):
    """A call of something that is not a plain name."""

    expr: Expr
    args: tuple[Expr, ...]


class WindowFunction(Expr, frozen=True):
    """A call with OVER."""

    call: Call
    over: "WindowExpr | str"


class Alias(Expr, frozen=True):
    """`expr AS alias`; `implicit` without the word AS."""

    alias: str
    expr: Expr
    implicit: bool = False


class And(Expr, frozen=True):
    """All of them, in one node."""

    exprs: tuple[Expr, ...]


class Or(Expr, frozen=True):
    """Any of them, in one node."""

    exprs: tuple[Expr, ...]


class Not(Expr, frozen=True):
    """Negation."""

    expr: Expr


class CompareOperation(Expr, frozen=True):
    """`op` is as spelled in `COMPARE_OPS`; IS [NOT] NULL is a comparison with NULL."""

    op: str
    left: Expr
    right: Expr


COMPARE_OPS = (
    "=", "!=", "<", "<=", ">", ">=", "like", "ilike", "not like", "not ilike", "in", "not in", "in cohort",
    "not in cohort", "=~", "!~", "=~*", "!~*",
)  # fmt: skip


class IsDistinctFrom(Expr, frozen=True):
    """`left IS [NOT] DISTINCT FROM right`; `<=>` is the negated one."""

    left: Expr
    right: Expr
    negated: bool


class BetweenExpr(Expr, frozen=True):
    """`expr [NOT] BETWEEN low AND high`."""

    expr: Expr
    low: Expr
    high: Expr
    negated: bool


class ArithmeticOperation(Expr, frozen=True):
    """`op` is one of + - * / %."""

    op: str
    left: Expr
    right: Expr


class Concat(Expr, frozen=True):
    """A chain of `||`, or the parts of a template string."""

    exprs: tuple[Expr, ...]


class TypeCast(Expr, frozen=True):
    """`CAST(expr AS type)` and `expr::type`; `type_name` in lower case."""

    expr: Expr
    type_name: str
    or_null: bool = False


class IntervalExpr(Expr, frozen=True):
    """`INTERVAL expr unit`; `unit` in lower case, singular."""

    expr: Expr
    unit: str


class CaseExpr(Expr, frozen=True):
    """CASE; `operand` is what the WHENs are compared with, if any."""

    operand: Expr | None
    whens: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr | None


class TernaryExpr(Expr, frozen=True):
    """`condition ? then : otherwise`."""

    condition: Expr
    then: Expr
    otherwise: Expr


class Nullish(Expr, frozen=True):
    """`left ?? right`."""

    left: Expr
    right: Expr


class TrimExpr(Expr, frozen=True):
    """`TRIM(side chars FROM expr)`; `side` in lower case."""

    side: str
    chars: str
    expr: Expr


class ArrayAccess(Expr, frozen=True):
    """`array[property]`."""

    array: Expr
    property: Expr
    nullish: bool = False


class TupleAccess(Expr, frozen=True):
    """`tuple.index`, or `.name` after something that is not a name."""

    expr: Expr
    index: int | str
    nullish: bool = False


class ArraySlice(Expr, frozen=True):
    """`array[from:to]`."""

    array: Expr
    start_expr: Expr | None
    end_expr: Expr | None


class Array(Expr, frozen=True):
    """`[a, b]`."""

    exprs: tuple[Expr, ...]


class Tuple(Expr, frozen=True):
    """`(a, b)`."""

    exprs: tuple[Expr, ...]


class Dict(Expr, frozen=True):
    """`{key: value}`; keys are expressions."""

    items: tuple[tuple[Expr, Expr], ...]


class Lambda(Expr, frozen=True):
    """`(a, b) -> expr`."""

    args: tuple[str, ...]
    expr: Expr


class NamedArgument(Expr, frozen=True):
    """`name := expr`."""

    name: str
    expr: Expr


class PositionalRef(Expr, frozen=True):
    """`#1`."""

    index: int


class Placeholder(Expr, frozen=True):
    """`{expr}`, to be replaced by the caller."""

    expr: Expr


class ColumnsExpr(Expr, frozen=True):
    """`* EXCLUDE (...)` and `COLUMNS(...)`. `table` is the name before `.*`."""

    regex: str | None = None
    columns: tuple[Expr, ...] = ()
    all_columns: bool = False
    table: str | None = None
    exclude: tuple[str, ...] = ()
    replace: tuple[tuple[str, Expr], ...] = ()


class SpreadExpr(Expr, frozen=True):
    """`*COLUMNS(...)` among the arguments of a call."""

    expr: Expr


class IgnoreNulls(Expr, frozen=True):
    """`expr IGNORE NULLS`."""

    expr: Expr


class HogQLXTag(Expr, frozen=True):
    """`<kind attribute='x'>children</kind>`; children are the attribute `children`."""

    kind: str
    attributes: tuple[tuple[str, Expr], ...]


class OrderExpr(Node, frozen=True):
    """One key of ORDER BY."""

    expr: Expr
    order: Literal["ASC", "DESC"] = "ASC"
    nulls: Literal["FIRST", "LAST"] | None = None
    collate: str | None = None
    with_fill: "WithFill | None" = None


class WithFill(Node, frozen=True):
    """`WITH FILL FROM .. TO .. STEP ..`."""

    from_expr: Expr | None = None
    to_expr: Expr | None = None
    step_expr: Expr | None = None


class WindowFrame(Node, frozen=True):
    """One end of a window's frame: CURRENT ROW, or so many rows PRECEDING or FOLLOWING (None: UNBOUNDED)."""

    frame_type: Literal["CURRENT ROW", "PRECEDING", "FOLLOWING"]
    frame_value: Expr | None = None


class WindowExpr(Node, frozen=True):
    """What stands in the brackets of OVER."""

    partition_by: tuple[Expr, ...] = ()
    order_by: tuple[OrderExpr, ...] = ()
    frame_method: Literal["ROWS", "RANGE"] | None = None
    frame_start: WindowFrame | None = None
    frame_end: WindowFrame | None = None


class SampleExpr(Node, frozen=True):
    """`SAMPLE ratio [OFFSET ratio]`: each a numerator and a denominator."""

    ratio: tuple[Expr, Expr | None]
    offset: tuple[Expr, Expr | None] | None = None
    percent: bool = False


class ValuesQuery(Node, frozen=True):
    """`(VALUES (1, 2), (3, 4))` in FROM."""

    rows: tuple[tuple[Expr, ...], ...]


class JoinConstraint(Node, frozen=True):
    """ON or USING."""

    kind: Literal["ON", "USING"]
    exprs: tuple[Expr, ...]


class TableRef(Node, frozen=True):
    """One table of FROM: a name, a call, a subquery, VALUES, a tag, a placeholder, or joins in brackets."""

    table: "Field | SelectQuery | SelectSetQuery | ValuesQuery | HogQLXTag | Placeholder | JoinChain"
    args: tuple[Expr, ...] | None = None
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()
    final: bool = False
    sample: SampleExpr | None = None


class Join(Node, frozen=True):
    """What follows the first table. `kind` is normalised: `INNER`, `LEFT ANY`, `ASOF INNER`, `CROSS`, ...;
    `pairing` says how rows find each other where no condition does."""

    kind: str
    table: TableRef
    constraint: JoinConstraint | None = None
    pairing: Literal["NATURAL", "POSITIONAL"] | None = None


class PivotColumn(Node, frozen=True):
    """`names IN (values)` of PIVOT and UNPIVOT."""

    names: Expr
    values: tuple[Expr, ...]


class Pivot(Node, frozen=True):
    """`PIVOT (exprs FOR columns GROUP BY group_by)` or UNPIVOT, of all that stands before it in FROM."""

    kind: Literal["PIVOT", "UNPIVOT"]
    exprs: tuple[Expr, ...]
    columns: tuple[PivotColumn, ...]
    group_by: tuple[Expr, ...] = ()
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()
    include_nulls: bool = False


class JoinChain(Node, frozen=True):
    """FROM: the first table and everything joined to it."""

    first: TableRef
    joins: tuple[Join | Pivot, ...] = ()


class CTE(Node, frozen=True):
    """One name of WITH: a query (`subquery`) or a value (`column`)."""

    name: str
    expr: "Expr | SelectQuery | SelectSetQuery"
    cte_type: Literal["subquery", "column"]
    columns: tuple[str, ...] = ()
    materialized: bool | None = None
    using_key: tuple[str, ...] = ()


class LimitBy(Node, frozen=True):
    """`LIMIT n [OFFSET m] BY exprs`."""

    n: Expr
    offset_value: Expr | None
    exprs: tuple[Expr, ...]


class Interpolate(Node, frozen=True):
    """INTERPOLATE after ORDER BY; without columns it means all of them."""

    exprs: tuple[tuple[Expr, Expr | None], ...] = ()


class SelectQuery(Expr, frozen=True):
    """One SELECT."""

    select: tuple[Expr, ...]
    ctes: tuple[CTE, ...] = ()
    recursive: bool = False
    distinct: bool = False
    select_from: JoinChain | None = None
    array_join_op: Literal["ARRAY JOIN", "LEFT ARRAY JOIN", "INNER ARRAY JOIN"] | None = None
    array_join_list: tuple[Expr, ...] = ()
    prewhere: Expr | None = None
    where: Expr | None = None
    group_by: tuple[Expr, ...] = ()
    group_by_mode: Literal["all", "rollup", "cube", "grouping_sets", "totals"] | None = None
    grouping_sets: tuple[tuple[Expr, ...], ...] = ()
    having: Expr | None = None
    qualify: Expr | None = None
    window_exprs: tuple[tuple[str, WindowExpr], ...] = ()
    order_by: tuple[OrderExpr, ...] = ()
    interpolate: Interpolate | None = None
    limit_by: LimitBy | None = None
    limit: Expr | None = None
    offset: Expr | None = None
    limit_with_ties: bool = False
    limit_percent: bool = False


class SelectSetQuery(Expr, frozen=True):
    """A flat list: the operators bind as ClickHouse binds them (INTERSECT first)."""

    initial_select_query: "SelectQuery | SelectSetQuery | Placeholder"
    subsequent_select_queries: tuple[tuple[str, "SelectQuery | SelectSetQuery | Placeholder"], ...]
    ctes: tuple[CTE, ...] = ()
    recursive: bool = False
    order_by: tuple[OrderExpr, ...] = ()
    limit: Expr | None = None
    offset: Expr | None = None
    limit_with_ties: bool = False
    limit_percent: bool = False


Query = SelectQuery | SelectSetQuery | Placeholder
