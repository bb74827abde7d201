"""Rows of `system.*` as the lines of JSON that a query carries with it."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from libs.kit.errors import InvalidRequest

MAX_ROWS = 10_000
MAX_BYTES = 32 * 1024**2


def lines_of(table: str, rows: Iterable[Mapping[str, Any]], team_id: int) -> str:
    """One line a row, with the team in it: the query's own guard looks at these rows too. Raises InvalidRequest when
    there are more than a query may carry."""
    lines = [json.dumps({key: _value(row[key]) for key in row.keys()} | {"team_id": team_id}) for row in rows]  # noqa: SIM118 - a Record iterates over values
    text = "\n".join(lines)
    if len(lines) > MAX_ROWS or len(text) > MAX_BYTES:
        raise InvalidRequest(
            f"{table} has more rows than a query can read at once ({MAX_ROWS:,} rows, {MAX_BYTES // 1024**2} MiB).",
            code="too_many_rows",
        )
    return text


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, bool):
        return int(value)
    return value if value is None or isinstance(value, int | float | str) else str(value)
