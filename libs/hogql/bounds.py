"""Conditions of a WHERE on times, for another SELECT that needs no other rows.

Sessions are stored by the time in their ids, which is never far from the times of their events. So a query that asks
for a week of sessions, or of events with their sessions, need not put together those of all years.
"""

from collections.abc import Callable
from dataclasses import dataclass

from libs.hogql import resolved as r
from libs.hogql import rules

_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
_KNOWN_BEFORE = frozenset(
    "now64 today yesterday toDateTime toDateTime64 parseDateTime64BestEffort toDate minus plus toTimeZone "
    "toStartOfDay toStartOfHour toStartOfWeek toStartOfMonth toStartOfYear toIntervalSecond toIntervalMinute "
    "toIntervalHour toIntervalDay toIntervalWeek toIntervalMonth toIntervalQuarter toIntervalYear assumeNotNull".split()
)


@dataclass(frozen=True, slots=True)
class Bound:
    """`field op value` holds for every row that the query can return."""

    field: str
    op: str
    value: r.RExpr

    def condition(self, time: r.RExpr, margin_days: int) -> r.RExpr:
        """The same of a time at most `margin_days` away."""
        days = rules.call("toIntervalDay", r.Value(margin_days, r.Type("integer", nullable=False)))
        low = r.Compare(">=", time, rules.call("minus", self.value, days), bare=True)
        high = r.Compare("<=", time, rules.call("plus", self.value, days), bare=True)
        if self.op == "=":
            return r.Logic("and", (low, high))
        return low if self.op in (">", ">=") else high


def bounds_of(where: r.RExpr | None, field_of: Callable[[r.Column], str | None]) -> list[Bound]:
    """The bounds that a WHERE sets. `field_of`: the field that a column is a bound of, if it is one of any."""
    found: list[Bound] = []
    for part in parts_of(where):
        if isinstance(part, r.Between) and not part.negated:
            found += _bound(part.expr, ">=", part.low, field_of)
            found += _bound(part.expr, "<=", part.high, field_of)
        elif isinstance(part, r.Compare) and part.op in _TURNED:
            found += _bound(part.left, part.op, part.right, field_of)
            found += _bound(part.right, _TURNED[part.op], part.left, field_of)
    return found


def parts_of(where: r.RExpr | None) -> list[r.RExpr]:
    """The conditions that all hold where it does."""
    if isinstance(where, r.Logic) and where.op == "and":
        return [part for expr in where.exprs for part in parts_of(expr)]
    return [] if where is None else [where]


def _bound(time: r.RExpr, op: str, value: r.RExpr, field_of: Callable[[r.Column], str | None]) -> list[Bound]:
    if not isinstance(time, r.Column) or not _is_known_before(value):
        return []
    field = field_of(time)
    return [] if field is None else [Bound(field, op, value)]


def _is_known_before(value: r.RExpr) -> bool:
    """Whether it is a time that no row changes."""
    if isinstance(value, r.Function):
        return value.name in _KNOWN_BEFORE and all(
            isinstance(arg, r.Value | r.Word) or (isinstance(arg, r.Function) and _is_known_before(arg))
            for arg in value.args
        )
    return False
