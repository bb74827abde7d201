"""Bad input against a running Hedgerow: the SDK's error, no 500, memory flat."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from tests.support.instance import Instance, running

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="module")]
MIB = 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hedgerow(tmp_path_factory: Any) -> AsyncIterator[Instance]:
    directory: Path = tmp_path_factory.mktemp("bad")
    async with running(directory / "data") as instance:
        yield instance


def bomb(unfolded: int) -> bytes:
    """A gzip body of a few hundred kilobytes that unfolds to `unfolded` bytes."""
    packer = zlib.compressobj(9, wbits=31)
    block = b" " * MIB
    return b"".join([*(packer.compress(block) for _ in range(unfolded // MIB)), packer.flush()])


CASES: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "broken json": (b"{", {}, 400, "failed to parse request:"),
    "no body": (b"", {}, 400, "request missing data payload"),
    "no token": (b'{"event":"a","distinct_id":"u"}', {}, 401, "event submitted without an api_key"),
    "personal key": (
        b'{"api_key":"phx_a","event":"a","distinct_id":"u"}',
        {},
        401,
        "API key is not valid: personal_api_key",
    ),
    "no distinct_id": (b'{"api_key":"phc_t","event":"a"}', {}, 400, "event submitted without a distinct_id"),
    "broken gzip": (b"\x1f\x8b\x08garbage", {}, 400, "failed to decode request: invalid GZIP data"),
    "cut gzip": (gzip.compress(b'{"a":1}')[:-9], {}, 400, "failed to decode request: invalid GZIP data"),
    "not utf-8": (b'{"event":"\xff"}', {}, 400, "failed to decode request: invalid UTF8 in request payload"),
    "deep nesting": (b"[" * 100_000, {}, 400, "failed to parse request:"),
}


@pytest.mark.parametrize("name", CASES)
async def test_the_error_is_the_sdks(hedgerow: Instance, name: str) -> None:
    body, headers, status, text = CASES[name]
    async with httpx.AsyncClient(base_url=hedgerow.url) as client:
        answer = await client.post("/e/", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.text.startswith(text)


async def test_large_bodies_and_bombs_leave_memory_flat(hedgerow: Instance) -> None:
    process = hedgerow.part("http")
    assert process is not None
    large, packed = b"x" * (30 * MIB), bomb(400 * MIB)
    assert len(packed) < 2 * MIB
    async with httpx.AsyncClient(base_url=hedgerow.url, timeout=60) as client:
        before = process.memory_info().rss
        peak = before
        for _ in range(6):
            answers = await asyncio.gather(
                client.post("/batch/", content=large), client.post("/e/", content=packed), return_exceptions=True
            )
            for answer in answers:
                # a server that has said 413 may close before it has read all: that is an answer too
                if isinstance(answer, httpx.Response):
                    assert answer.status_code == 413
                else:
                    assert isinstance(answer, httpx.TransportError)
            peak = max(peak, process.memory_info().rss)
        assert isinstance(answers[1], httpx.Response)
        assert (await client.get("/_health")).status_code == 200
    assert peak - before < 250 * MIB


async def test_the_api_never_answers_500(hedgerow: Instance) -> None:
    headers = {"Authorization": f"Bearer {hedgerow.info['personal_api_key']}"}
    path = f"/api/projects/{hedgerow.info['project_id']}/query/"
    bodies: list[bytes] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"\\ud800"',
        b'{"query":null}',
        b'{"query":{"kind":"HogQLQuery"}}',
        b'{"query":{"kind":"HogQLQuery","query":5}}',
        b'{"query":{"kind":"Nonsense","query":"select 1"}}',
        orjson.dumps({"query": {"kind": "HogQLQuery", "query": "select " + "(" * 5000}}),
        orjson.dumps({"query": {"kind": "HogQLQuery", "query": "select \x00"}}),
        orjson.dumps({"query": {"kind": "HogQLQuery", "query": "select * from system.users"}}),
    ]
    async with httpx.AsyncClient(base_url=hedgerow.url, headers=headers, timeout=60) as client:
        for body in bodies:
            answer = await client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 400, (body[:80], answer.status_code, answer.text)
            assert set(answer.json()) >= {"type", "code", "detail", "attr"}
