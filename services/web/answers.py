"""Forms that all answers share: times, and pages of a list."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from libs.kit.errors import InvalidRequest

DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000


def iso(moment: datetime | None) -> str | None:
    """ISO 8601, UTC, `Z`; microseconds when there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def page_of(request: Request, items: Sequence[Any], *, site_url: str) -> dict[str, Any]:
    """LimitOffset: count, next, previous, results. The links keep every other parameter."""
    limit = _number(request, "limit", DEFAULT_LIMIT, least=1)
    offset = _number(request, "offset", 0, least=0)
    limit = min(limit, MAX_LIMIT)

    def link(start: int) -> str:
        query = request.url.include_query_params(limit=limit, offset=start).query
        return f"{site_url.rstrip('/')}{request.url.path}?{query}"

    return {
        "count": len(items),
        "next": link(offset + limit) if offset + limit < len(items) else None,
        "previous": link(max(0, offset - limit)) if offset > 0 else None,
        "results": items[offset : offset + limit],
    }


def _number(request: Request, name: str, default: int, *, least: int) -> int:
    sent = request.query_params.get(name)
    if not sent:
        return default
    if not (sent.isascii() and sent.isdigit() and len(sent) < 10) or int(sent) < least:
        raise InvalidRequest("A valid integer is required.", attr=name)
    return int(sent)
