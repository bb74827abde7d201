"""`{filters}`: what the request says beside the query, put into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from libs.hogql import ast
from libs.hogql.dates import NotADate, date_of
from libs.hogql.errors import InvalidPropertyFilter
from libs.hogql.property_filters import TRUE, Reading, property_condition

# The tables that a filter can speak of, and the time of each.
TIMES = {
    "events": "timestamp",
    "ai_events": "timestamp",
    "logs": "timestamp",
    "groups": "created_at",
    "sessions": "$start_timestamp",
}
NAMES = ("filters", "filters.dateRange.from", "filters.dateRange.to")


_NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Filters:
    """The request's filters, with dates as moments. `test_accounts` are the team's own, when they were asked for."""

    now: datetime = _NEVER
    zone: str = "UTC"
    properties: tuple[Any, ...] = ()
    test_accounts: tuple[Any, ...] = ()
    date_from: datetime | None = None
    date_to: datetime | None = None

    def condition(self, table: str, prefix: tuple[str, ...]) -> ast.Expr:
        """What `{filters}` stands for, over one of the tables of TIMES."""
        reading = Reading(table, self.now, self.zone, prefix)
        parts = [property_condition(list(given), reading) for given in (self.properties, self.test_accounts) if given]
        time = ast.Field((*prefix, TIMES[table]))
        if self.date_to is not None:
            parts.append(ast.CompareOperation("<", time, ast.Constant(self.date_to.isoformat())))
        if self.date_from is not None:
            parts.append(ast.CompareOperation(">=", time, ast.Constant(self.date_from.isoformat())))
        kept = [part for part in parts if part is not TRUE]
        return ast.And(tuple(kept)) if len(kept) > 1 else kept[0] if kept else TRUE

    def moment(self, name: str) -> datetime | None:
        """What `{filters.dateRange.from}` stands for, if it was said."""
        return self.date_from if name.endswith(".from") else self.date_to


def filters_of(sent: Mapping[str, Any], team: list[Any], now: datetime, zone: str) -> Filters:
    """The filters as they were sent. `team` are its test-account filters. Raises InvalidPropertyFilter."""
    dates = sent.get("dateRange") or {}
    properties = sent.get("properties") or []
    if not isinstance(dates, Mapping) or not isinstance(properties, list | Mapping):
        raise InvalidPropertyFilter("`filters` has `properties`, a list, and `dateRange`, an object.")
    return Filters(
        now,
        zone,
        tuple(properties) if isinstance(properties, list) else (properties,),
        tuple(team) if sent.get("filterTestAccounts") else (),
        _moment(dates.get("date_from"), now, zone),
        _moment(dates.get("date_to"), now, zone),
    )


def _moment(text: Any, now: datetime, zone: str) -> datetime | None:
    if text is None or text in ("", "all"):
        return None
    try:
        return date_of(str(text), now, zone)
    except NotADate as exc:
        raise InvalidPropertyFilter(f"Not a date: {str(text)[:50]}") from exc
