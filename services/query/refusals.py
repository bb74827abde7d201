"""What ClickHouse refused, in the words of the person who wrote the query."""

import re

from libs.kit.errors import HedgerowError, InvalidRequest, QueryRefused

_MEMORY = frozenset((241,))
_TOO_MUCH = frozenset((158, 307, 396))  # rows or bytes to read; rows or bytes of the result
_CANCELLED = frozenset((394,))
_TAIL = re.compile(
    r"(: )?(In scope|While (processing|executing)|while executing|in scope|There are no tables|Required columns|"
    r"Stack trace|\(version|\(in query).*",
    re.DOTALL,
)
_CAST = re.compile(r"_CAST\((.*?), '[A-Za-z0-9()]+'\)")


def explained(error: QueryRefused) -> HedgerowError:
    """The error to answer with: 400, with what can be done about it."""
    if error.clickhouse_code in _MEMORY:
        return InvalidRequest(
            "Query exceeded the memory limit. Try a shorter time range, fewer columns or fewer groups.",
            code="memory_limit_exceeded",
        )
    if error.clickhouse_code in _TOO_MUCH:
        return InvalidRequest(
            "Query reads or returns too much. Try a shorter time range or a lower LIMIT.", code="too_many_bytes"
        )
    if error.clickhouse_code in _CANCELLED:
        return InvalidRequest("Query was cancelled.", code="query_was_cancelled")
    text = _CAST.sub(r"\1", _TAIL.sub("", error.detail)).strip().rstrip(".:, ")
    return InvalidRequest(f"ClickHouse refused the query: {text[:1000]}.")
