"""The tree that the parser makes: PostHog's node names (hence its response shapes), frozen, with positions.

`start` and `end` are offsets in characters; they do not take part in comparisons, so that trees can be compared.
"""

from dataclasses import dataclass, field
from typing import Literal

from libs.hogql.tree import TreeNode

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(TreeNode):
    """Anything the parser makes."""

    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Expr(Node):
    """Anything that has a value."""


@dataclass(frozen=True, slots=True)
class Constant(Expr):
    """A literal. Integers of any size are exact."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Field(Expr):
    """`a.b.c`, also `*` and `t.*`. Steps written as numbers are ints; `nullish` says that `?.` was used."""

    chain: tuple[str | int, ...]
    nullish: bool = False


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """`name(params)(DISTINCT args ORDER BY ...) FILTER (WHERE ...)`; without params there is one pair of brackets."""

    name: str
    args: tuple[Expr, ...]
    params: tuple[Expr, ...] | None = None
    distinct: bool = False
    order_by: tuple["OrderExpr", ...] = ()
    filter_expr: Expr | None = None
    within_group: tuple["OrderExpr", ...] = ()


@dataclass(frozen=True, slots=True)
class ExprCall(Expr):
    """A call of something that is not a plain name."""

    expr: Expr
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class WindowFunction(Expr):
    """A call with OVER."""

    call: Call
    over: "WindowExpr | str"


@dataclass(frozen=True, slots=True)
class Alias(Expr):
    """`expr AS alias`; `implicit` without the word AS."""

    alias: str
    expr: Expr
    implicit: bool = False


@dataclass(frozen=True, slots=True)
class And(Expr):
    """All of them, in one node."""

    exprs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or(Expr):
    """Any of them, in one node."""

    exprs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not(Expr):
    """Negation."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class CompareOperation(Expr):
    """`op` is as spelled in `COMPARE_OPS`; IS [NOT] NULL is a comparison with NULL."""

    op: str
    left: Expr
    right: Expr


COMPARE_OPS = (
    "=", "!=", "<", "<=", ">", ">=", "like", "ilike", "not like", "not ilike", "in", "not in", "in cohort",
    "not in cohort", "=~", "!~", "=~*", "!~*",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class IsDistinctFrom(Expr):
    """`left IS [NOT] DISTINCT FROM right`; `<=>` is the negated one."""

    left: Expr
    right: Expr
    negated: bool


@dataclass(frozen=True, slots=True)
class BetweenExpr(Expr):
    """`expr [NOT] BETWEEN low AND high`."""

    expr: Expr
    low: Expr
    high: Expr
    negated: bool


@dataclass(frozen=True, slots=True)
class ArithmeticOperation(Expr):
    """`op` is one of + - * / %."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Concat(Expr):
    """A chain of `||`, or the parts of a template string."""

    exprs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class TypeCast(Expr):
    """`CAST(expr AS type)` and `expr::type`; `type_name` in lower case."""

    expr: Expr
    type_name: str
    or_null: bool = False


@dataclass(frozen=True, slots=True)
class IntervalExpr(Expr):
    """`INTERVAL expr unit`; `unit` in lower case, singular."""

    expr: Expr
    unit: str


@dataclass(frozen=True, slots=True)
class CaseExpr(Expr):
    """CASE; `operand` is what the WHENs are compared with, if any."""

    operand: Expr | None
    whens: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr | None


@dataclass(frozen=True, slots=True)
class TernaryExpr(Expr):
    """`condition ? then : otherwise`."""

    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Nullish(Expr):
    """`left ?? right`."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class TrimExpr(Expr):
    """`TRIM(side chars FROM expr)`; `side` in lower case."""

    side: str
    chars: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class ArrayAccess(Expr):
    """`array[property]`."""

    array: Expr
    property: Expr
    nullish: bool = False


@dataclass(frozen=True, slots=True)
class TupleAccess(Expr):
    """`tuple.index`, or `.name` after something that is not a name."""

    expr: Expr
    index: int | str
    nullish: bool = False


@dataclass(frozen=True, slots=True)
class ArraySlice(Expr):
    """`array[from:to]`."""

    array: Expr
    start_expr: Expr | None
    end_expr: Expr | None


@dataclass(frozen=True, slots=True)
class Array(Expr):
    """`[a, b]`."""

    exprs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Tuple(Expr):
    """`(a, b)`."""

    exprs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Dict(Expr):
    """`{key: value}`; keys are expressions."""

    items: tuple[tuple[Expr, Expr], ...]


@dataclass(frozen=True, slots=True)
class Lambda(Expr):
    """`(a, b) -> expr`."""

    args: tuple[str, ...]
    expr: Expr


@dataclass(frozen=True, slots=True)
class NamedArgument(Expr):
    """`name := expr`."""

    name: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class PositionalRef(Expr):
    """`#1`."""

    index: int


@dataclass(frozen=True, slots=True)
class Placeholder(Expr):
    """`{expr}`, to be replaced by the caller."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class ColumnsExpr(Expr):
    """`* EXCLUDE (...)` and `COLUMNS(...)`. `table` is the name before `.*`."""

    regex: str | None = None
    columns: tuple[Expr, ...] = ()
    all_columns: bool = False
    table: str | None = None
    exclude: tuple[str, ...] = ()
    replace: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class SpreadExpr(Expr):
    """`*COLUMNS(...)` among the arguments of a call."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class IgnoreNulls(Expr):
    """`expr IGNORE NULLS`."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class HogQLXTag(Expr):
    """`<kind attribute='x'>children</kind>`; children are the attribute `children`."""

    kind: str
    attributes: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class OrderExpr(Node):
    """One key of ORDER BY."""

    expr: Expr
    order: Literal["ASC", "DESC"] = "ASC"
    nulls: Literal["FIRST", "LAST"] | None = None
    collate: str | None = None
    with_fill: "WithFill | None" = None


@dataclass(frozen=True, slots=True)
class WithFill(Node):
    """`WITH FILL FROM .. TO .. STEP ..`."""

    from_expr: Expr | None = None
    to_expr: Expr | None = None
    step_expr: Expr | None = None


@dataclass(frozen=True, slots=True)
class WindowFrame(Node):
    """One end of a window's frame: CURRENT ROW, or so many rows PRECEDING or FOLLOWING (None: UNBOUNDED)."""

    frame_type: Literal["CURRENT ROW", "PRECEDING", "FOLLOWING"]
    frame_value: Expr | None = None


@dataclass(frozen=True, slots=True)
class WindowExpr(Node):
    """What stands in the brackets of OVER."""

    partition_by: tuple[Expr, ...] = ()
    order_by: tuple[OrderExpr, ...] = ()
    frame_method: Literal["ROWS", "RANGE"] | None = None
    frame_start: WindowFrame | None = None
    frame_end: WindowFrame | None = None


@dataclass(frozen=True, slots=True)
class SampleExpr(Node):
    """`SAMPLE ratio [OFFSET ratio]`: each a numerator and a denominator."""

    ratio: tuple[Expr, Expr | None]
    offset: tuple[Expr, Expr | None] | None = None
    percent: bool = False


@dataclass(frozen=True, slots=True)
class ValuesQuery(Node):
    """`(VALUES (1, 2), (3, 4))` in FROM."""

    rows: tuple[tuple[Expr, ...], ...]


@dataclass(frozen=True, slots=True)
class JoinConstraint(Node):
    """ON or USING."""

    kind: Literal["ON", "USING"]
    exprs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class TableRef(Node):
    """One table of FROM: a name, a call, a subquery, VALUES, a tag, a placeholder, or joins in brackets."""

    table: "Field | SelectQuery | SelectSetQuery | ValuesQuery | HogQLXTag | Placeholder | JoinChain"
    args: tuple[Expr, ...] | None = None
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()
    final: bool = False
    sample: SampleExpr | None = None


@dataclass(frozen=True, slots=True)
class Join(Node):
    """What follows the first table. `kind` is normalised: `INNER`, `LEFT ANY`, `ASOF INNER`, `CROSS`, ...;
    `pairing` says how rows find each other where no condition does."""

    kind: str
    table: TableRef
    constraint: JoinConstraint | None = None
    pairing: Literal["NATURAL", "POSITIONAL"] | None = None


@dataclass(frozen=True, slots=True)
class PivotColumn(Node):
    """`names IN (values)` of PIVOT and UNPIVOT."""

    names: Expr
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Pivot(Node):
    """`PIVOT (exprs FOR columns GROUP BY group_by)` or UNPIVOT, of all that stands before it in FROM."""

    kind: Literal["PIVOT", "UNPIVOT"]
    exprs: tuple[Expr, ...]
    columns: tuple[PivotColumn, ...]
    group_by: tuple[Expr, ...] = ()
    alias: str | None = None
    column_aliases: tuple[str, ...] = ()
    include_nulls: bool = False


@dataclass(frozen=True, slots=True)
class JoinChain(Node):
    """FROM: the first table and everything joined to it."""

    first: TableRef
    joins: tuple[Join | Pivot, ...] = ()


@dataclass(frozen=True, slots=True)
class CTE(Node):
    """One name of WITH: a query (`subquery`) or a value (`column`)."""

    name: str
    expr: "Expr | SelectQuery | SelectSetQuery"
    cte_type: Literal["subquery", "column"]
    columns: tuple[str, ...] = ()
    materialized: bool | None = None
    using_key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LimitBy(Node):
    """`LIMIT n [OFFSET m] BY exprs`."""

    n: Expr
    offset_value: Expr | None
    exprs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Interpolate(Node):
    """INTERPOLATE after ORDER BY; without columns it means all of them."""

    exprs: tuple[tuple[Expr, Expr | None], ...] = ()


@dataclass(frozen=True, slots=True)
class SelectQuery(Expr):
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


@dataclass(frozen=True, slots=True)
class SelectSetQuery(Expr):
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
