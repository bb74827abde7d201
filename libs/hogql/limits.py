"""How many rows a query may return: 100 unless it says otherwise, 50,000 at most."""

from dataclasses import dataclass, replace

from libs.hogql import resolved as r

DEFAULT_LIMIT = 100
MAX_LIMIT = 50_000

_NUMBER = r.Type("integer", nullable=False)


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows the statement returns. `more_by_one`: it asks for one row more than `limit`, to see whether there are
    more; `offset` and `limit` are None where the query does not say them in a number."""

    limit: int | None
    offset: int
    more_by_one: bool


def limited(statement: r.Statement, default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT) -> tuple[r.Statement, Page]:
    """The statement with limits on the query itself, or on every branch of a set query."""
    query = statement.query
    if isinstance(query, r.SetQuery):
        return r.Statement(statement.ctes, _branches(query, default, most)), Page(default, 0, False)
    if query.percent:
        return statement, Page(None, _number(query.offset) or 0, False)
    asked = _number(query.limit)
    limit = default if asked is None else min(asked, most)
    extra = 0 if query.with_ties else 1
    limited_query = replace(query, limit=r.Value(limit + extra, _NUMBER))
    page = Page(limit, _number(query.offset) or 0, extra == 1)
    return r.Statement(statement.ctes, limited_query), page


def _branches(query: r.RQuery, default: int, most: int) -> r.RQuery:
    if isinstance(query, r.SetQuery):
        rest = tuple((operator, _branches(branch, default, most)) for operator, branch in query.rest)
        return r.SetQuery(_branches(query.first, default, most), rest)
    if query.percent:
        return query
    asked = _number(query.limit)
    return replace(query, limit=r.Value(default if asked is None else min(asked, most), _NUMBER))


def _number(value: r.RExpr | None) -> int | None:
    return int(value.value) if isinstance(value, r.Value) and isinstance(value.value, int | float) else None
