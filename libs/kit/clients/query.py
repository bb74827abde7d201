"""The query service's client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from libs.kit.clients.services import Services
from libs.kit.errors import (
    DeadlineExceeded,
    Forbidden,
    HedgerowError,
    InvalidRequest,
    NotFound,
    Unauthorized,
    Unavailable,
)

_BY_STATUS: Mapping[int, type[HedgerowError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    504: DeadlineExceeded,
}
# What says who calls; nothing else of a request is passed on.
CREDENTIALS = ("authorization", "cookie", "x-csrftoken", "origin", "host")


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of a HogQL query as the API gives them. `types` are ClickHouse's names."""

    columns: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Any]]
    has_more: bool


class QueryClient:
    """Asks on behalf of whoever sent the request at hand: their credentials are passed on, and decided on there."""

    def __init__(self, services: Services):
        self._services = services

    async def hogql(self, project: int | str, query: str, *, credentials: Mapping[str, str]) -> Answer:
        """Run a query. Raises what the service answered, with its code and words, or Unavailable."""
        try:
            answer = await self._services.http("query").post(
                f"/api/projects/{project}/query/",
                json={"query": {"kind": "HogQLQuery", "query": query}},
                headers={name: credentials[name] for name in CREDENTIALS if name in credentials},
            )
        except httpx.TimeoutException as exc:
            raise DeadlineExceeded("The query took too long.") from exc
        except httpx.TransportError as exc:
            raise Unavailable(f"The query service: {type(exc).__name__}") from exc
        if answer.status_code != 200:
            raise refusal(answer)
        body = orjson.loads(answer.content)
        return Answer(body["columns"], [kind for _, kind in body["types"]], body["results"], bool(body.get("hasMore")))


def refusal(answer: httpx.Response) -> HedgerowError:
    """The error of our tree that an error body speaks of."""
    kind = _BY_STATUS.get(answer.status_code, Unavailable)
    try:
        body = orjson.loads(answer.content)
        return kind(str(body["detail"]), code=body.get("code"), attr=body.get("attr"))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return kind(f"The query service answered {answer.status_code}.")
