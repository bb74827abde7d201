"""The transport inside the process gives what a network gives: streams, timeouts, disconnects."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from libs.kit.clients.transport import InProcessTransport


async def echo(request: Request) -> Response:
    body = await request.body()
    said = {"method": request.method, "path": request.url.path, "query": request.url.query, "length": len(body)}
    return JSONResponse({**said, "header": request.headers.get("x-mark")}, status_code=201)


def client(app: object, timeout: float = 5.0) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=InProcessTransport(app), base_url="http://here", timeout=timeout)  # type: ignore[arg-type]


async def test_a_request_arrives_whole() -> None:
    app = Starlette(routes=[Route("/a/{b}", echo, methods=["PUT"])])
    async with client(app) as http:
        answer = await http.put("/a/b%20c?x=1", content=b"y" * 300_000, headers={"X-Mark": "m"})
    assert answer.status_code == 201
    said = {"method": "PUT", "path": "/a/b%20c", "query": "x=1", "length": 300_000, "header": "m"}
    assert answer.json() in (said, {**said, "path": "/a/b c"})


async def test_pieces_come_as_they_are_made() -> None:
    may_end = asyncio.Event()

    async def pieces() -> object:  # type: ignore[misc]
        yield b"first"
        await may_end.wait()
        yield b"last"

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(pieces())  # type: ignore[arg-type]

    got = []
    async with client(Starlette(routes=[Route("/", endpoint)])) as http, http.stream("GET", "/") as answer:
        async for piece in answer.aiter_raw():
            got.append(piece)
            may_end.set()
    assert got == [b"first", b"last"]


async def test_a_slow_app_is_a_timeout_and_is_told() -> None:
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with client(app, timeout=0.05) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/")
    assert ended.is_set()


async def test_whoever_leaves_early_disconnects_the_app() -> None:
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        finally:
            left.set()

    async with client(app) as http, http.stream("GET", "/") as answer:
        async for _ in answer.aiter_raw():
            break
    assert left.is_set()


async def test_an_app_that_breaks_is_no_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async with client(app) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/")


async def test_an_answer_cut_short_is_an_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async with client(app) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/")
