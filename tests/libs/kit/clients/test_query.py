"""The query client passes on who asks, and answers with the errors of our tree."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from libs.kit.clients import QueryClient, Services
from libs.kit.errors import InvalidRequest, Unauthorized, Unavailable


async def answer(request: Request) -> Response:
    query = (await request.json())["query"]["query"]
    if "authorization" not in request.headers:
        return JSONResponse({"type": "authentication_error", "code": "not_authenticated", "detail": "Who?"}, 401)
    if query == "broken":
        return JSONResponse(
            {"type": "validation_error", "code": "hogql_syntax_error", "detail": "No.", "attr": "q"}, 400
        )
    if query == "down":
        return PlainTextResponse("bad gateway", 502)
    return JSONResponse({"columns": ["a"], "types": [["a", "UInt8"]], "results": [[1]], "hasMore": True})


@pytest.fixture
def client() -> QueryClient:
    services = Services({}, timeout_seconds=5)
    services.run_here({"query": Starlette(routes=[Route("/api/projects/7/query/", answer, methods=["POST"])])})
    return QueryClient(services)


ME = {"authorization": "Bearer phx_1", "content-length": "999", "x-other": "stays here"}


async def test_rows(client: QueryClient) -> None:
    got = await client.hogql(7, "select 1", credentials=ME)
    assert (got.columns, got.types, got.rows, got.has_more) == (["a"], ["UInt8"], [[1]], True)


async def test_a_refusal_keeps_its_words(client: QueryClient) -> None:
    with pytest.raises(InvalidRequest, match="No") as refused:
        await client.hogql(7, "broken", credentials=ME)
    assert (refused.value.code, refused.value.attr) == ("hogql_syntax_error", "q")


async def test_no_credentials_are_no_caller(client: QueryClient) -> None:
    with pytest.raises(Unauthorized):
        await client.hogql(7, "select 1", credentials={})


async def test_another_failure_is_unavailable(client: QueryClient) -> None:
    with pytest.raises(Unavailable):
        await client.hogql(7, "down", credentials=ME)


async def test_a_service_that_is_nowhere() -> None:
    with pytest.raises(Unavailable, match="HEDGEROW_QUERY_URL"):
        await QueryClient(Services({}, timeout_seconds=5)).hogql(7, "select 1", credentials=ME)


async def test_a_service_that_does_not_answer() -> None:
    services = Services({"query": "http://127.0.0.1:9"}, timeout_seconds=5)
    with pytest.raises(Unavailable):
        await QueryClient(services).hogql(7, "select 1", credentials=ME)
    await services.close()
