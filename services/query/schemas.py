"""The shapes of the query API."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Refresh = Literal[
    "blocking", "async", "lazy_async", "force_blocking", "force_async", "force_cache", "async_except_on_cache_miss"
]


class QueryRequest(BaseModel):
    """What is sent. Fields we do not know are ignored. `query` is checked by its kind."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    query: dict[str, Any]
    refresh: Refresh | bool | None = None
    run_async: bool | None = Field(None, alias="async")
    client_query_id: str | None = Field(None, max_length=200)
    name: str | None = None


class HogQLQuery(BaseModel):
    """`kind: HogQLQuery`. `values` fill `{name}` in the text."""

    model_config = ConfigDict(extra="ignore")

    kind: Literal["HogQLQuery"]
    query: str
    values: dict[str, Any] | None = None
    filters: dict[str, Any] | None = None
    variables: dict[str, Any] | None = None
    modifiers: dict[str, Any] | None = None


class Timing(BaseModel):
    """How long a step took, in seconds."""

    k: str
    t: float


class QueryResponse(BaseModel):
    """PostHog's envelope, as far as `HogQLQuery` fills it."""

    results: list[list[Any]]
    columns: list[str]
    types: list[tuple[str, str]]
    query: str
    hogql: str
    clickhouse: str
    limit: int | None
    offset: int
    hasMore: bool  # noqa: N815 - the wire's word
    timings: list[Timing]
    modifiers: dict[str, Any]
    error: str | None = None
    is_cached: bool = False
    cache_key: str
    last_refresh: str
    cache_target_age: str | None = None
    next_allowed_client_refresh: str
    timezone: str
    query_status: None = None
    query_metadata: dict[str, Any]
