"""The query API: HTTP in, HTTP out."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import JSONResponse, Response

from libs.hogql.errors import HogQLError, TeamGuardError
from libs.kit import metrics
from libs.kit.access import Team
from libs.kit.access.access import Access
from libs.kit.errors import HedgerowError, InvalidRequest
from libs.kit.http import error_body
from services.query import editor
from services.query.body import json_object
from services.query.preparing import Preparing
from services.query.schemas import HogQLQuery, QueryRequest
from services.query.service import QueryService

router = APIRouter()

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

SUPPORTED = "HogQLQuery, HogQLMetadata, HogQLAutocomplete, DatabaseSchemaQuery"
# A wrapper says how to show the answer of its `source`.
WRAPPERS = frozenset(("DataTableNode", "DataVisualizationNode", "InsightVizNode"))


def get_service(request: Request) -> QueryService:
    """The service of this app."""
    service: QueryService = request.app.state.queries
    return service


def get_access(request: Request) -> Access:
    """Who may call."""
    access: Access = request.app.state.access
    return access


@router.post("/api/projects/{project}/query")
@router.post("/api/environments/{project}/query")
async def run_query(
    request: Request,
    project: str,
    service: Annotated[QueryService, Depends(get_service)],
    access: Annotated[Access, Depends(get_access)],
) -> Response:
    """Run a query and wait for its answer. Asynchronous modes are answered at once too: an answer is never stale."""
    authorised = await access.authorise(request, project, scope="query:read")
    body = _checked(QueryRequest, json_object(await request.body()), ())
    about = await editor_answer(service.preparing, authorised.team, body.query)
    if about is not None:
        return Response(encoded(about), media_type="application/json")
    query = hogql_query(body.query)
    answer = await _unless_disconnected(request, service.run(authorised.team, query))
    return Response(encoded(answer.model_dump()), media_type="application/json")


def encoded(body: dict[str, Any]) -> bytes:
    """The answer as JSON; integers of any size stay exact."""
    try:
        return orjson.dumps(body)
    except TypeError:  # a UInt128 or wider: orjson stops at 64 bits
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


async def editor_answer(preparing: Preparing, team: Team, query: dict[str, Any]) -> dict[str, Any] | None:
    """The answer to a kind that only looks at the text of a query; None for any other kind."""
    match query.get("kind"):
        case "HogQLMetadata":
            return await editor.metadata(preparing, team, _checked(editor.HogQLMetadata, query, ("query",)))
        case "HogQLAutocomplete":
            return await editor.autocomplete(preparing, team, _checked(editor.HogQLAutocomplete, query, ("query",)))
        case "DatabaseSchemaQuery":
            return await editor.schema(preparing, team, _checked(editor.DatabaseSchemaQuery, query, ("query",)))
    return None


def hogql_query(query: dict[str, Any]) -> HogQLQuery:
    """The query inside its wrappers. Raises InvalidRequest, naming a kind that is not run."""
    for _ in range(3):
        if query.get("kind") not in WRAPPERS or not isinstance(query.get("source"), dict):
            break
        query = query["source"]
    kind = query.get("kind")
    if kind is None:
        raise InvalidRequest("This field is required.", code="required", attr="query__kind")
    if kind != "HogQLQuery":
        raise InvalidRequest(
            f"Query kind {str(kind)[:100]!r} is not supported. Supported: {SUPPORTED}.", attr="query__kind"
        )
    return _checked(HogQLQuery, query, ("query",))


def _checked(model: type[M], value: dict[str, Any], where: tuple[str, ...]) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        missing = first["type"] == "missing"
        raise InvalidRequest(
            "This field is required." if missing else str(first["msg"]),
            code="required" if missing else None,
            attr="__".join(str(part) for part in (*where, *first["loc"])) or None,
        ) from exc


async def _unless_disconnected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result, unless the client goes away first: then nobody will read it, and the query stops."""
    running = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((running, gone), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise ClientGone
        return await running
    finally:
        for task in (running, gone):
            task.cancel()
        await asyncio.gather(running, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class ClientGone(HedgerowError):
    """The client did not wait. Nobody reads this answer."""

    status, default_code = 499, "client_closed_request"


async def answer_hogql_error(request: Request, exc: Exception) -> Response:
    """A query that means nothing is a 400 that says where; only a failed guard is a fault of ours."""
    assert isinstance(exc, HogQLError)  # noqa: S101 - FastAPI calls it for these only
    metrics.QUERY_ERRORS.labels(exc.code).inc()
    if isinstance(exc, TeamGuardError):
        return JSONResponse(error_body(HedgerowError()), status_code=500)
    place = f" (line {exc.line}, column {exc.column})" if exc.line is not None else ""
    error = InvalidRequest(exc.message + place, code=exc.code)
    extra = {"start": exc.start, "end": exc.end, "line": exc.line, "column": exc.column, "hint": exc.hint}
    return JSONResponse({**error_body(error), "extra": extra}, status_code=error.status)
