"""The writer's decisions: which rows are copies, and how the others are cut into inserts. Plain functions."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeVar

from libs.kit.schema.event_row import MAX_PARTITIONS
from services.cdp.writer.copies import Identity, SeenWindow
from services.cdp.writer.rows import Row

T = TypeVar("T")


@dataclass(slots=True)
class Decision:
    """Rows to insert, and rows that are copies of these or of stored ones. Both in the order they came."""

    fresh: list[Row] = field(default_factory=list)
    copies: list[Row] = field(default_factory=list)


def in_doubt(rows: Iterable[Row], seen: SeenWindow) -> list[Row]:
    """The rows that must be looked up, the first of each identity."""
    asked: dict[Identity, Row] = {}
    for row in rows:
        if not seen.certainly_new(row.key, row.arrived_ms):
            asked.setdefault(row.identity, row)
    return list(asked.values())


def decide(rows: Iterable[Row], stored: AbstractSet[Identity]) -> Decision:
    """The first row of an identity that is not stored is fresh; every other one is a copy."""
    decision = Decision()
    taken = set(stored)
    for row in rows:
        if row.identity in taken:
            decision.copies.append(row)
        else:
            taken.add(row.identity)
            decision.fresh.append(row)
    return decision


def orphans(copies: Iterable[Row], refused: Iterable[Row]) -> list[Row]:
    """Copies whose first one ClickHouse refused: they are no copies of anything, and get their own turn."""
    gone = {row.identity for row in refused}
    return [row for row in copies if row.identity in gone]


def inserts(rows: Sequence[Row], max_months: int = MAX_PARTITIONS) -> Iterator[list[Row]]:
    """Rows in pieces that touch at most so many partitions of the table: ClickHouse refuses an insert with more."""
    piece: list[Row] = []
    months: set[str] = set()
    for row in sorted(rows, key=lambda row: row.month):
        if row.month not in months and len(months) == max_months:
            yield piece
            piece, months = [], set()
        piece.append(row)
        months.add(row.month)
    if piece:
        yield piece


def linger(took: float, least: float, most: float) -> float:
    """Seconds for which a small batch may grow, after one that took so long. An insert costs the CPU of a thousand rows
    whatever is in it: under load half as many of them are worth a wait that is as long as their work."""
    return max(least, min(took, most))


def halves(rows: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """To find the row at fault."""
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]
