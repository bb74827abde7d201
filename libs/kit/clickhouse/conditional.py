"""An insert that ClickHouse does only if certain rows are there, as it finds when it has begun.

An INSERT has no condition; `INSERT ... SELECT ... FROM input()` reads the same rows from the request's body, and has
one. What is asked in it is asked within the insert's own query, which `system.processes` shows by then. So who changes
these rows first, and then ends the inserts that are shown and waits for their end, knows that none follows: an insert
has either found the rows changed, or was shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.kit.clickhouse.failures import NO_SUCH_ROWS


@dataclass(frozen=True, slots=True)
class OnlyIf:
    """There are exactly `count` rows. rows: a table and a WHERE, with `{name:Type}` for the values in `params`."""

    rows: str
    params: Mapping[str, Any]
    count: int


def into(table: str, columns: Mapping[str, str], input_format: str, only_if: OnlyIf | None) -> str:
    """What follows INSERT INTO. columns: name to type, of what the body holds."""
    target = f"{table} ({', '.join(columns)})" if columns else table
    if only_if is None:
        return f"{target} FORMAT {input_format}"
    structure = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    # nothing of this is text of a user's
    found = f"SELECT throwIf(count() != {only_if.count:d}, '{NO_SUCH_ROWS}') FROM {only_if.rows}"  # noqa: S608
    source = f"input({_literal(structure)})"
    return f"{target} SELECT * FROM {source} WHERE ({found}) = 0 FORMAT {input_format}"  # noqa: S608


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
