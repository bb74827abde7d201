"""`/i/v0/ai` through the app: parts become one event, and what is no such thing is refused."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.ai_multipart import MAX_PARTS, parts_of
from services.capture.answers import Refused
from tests.support.capturing import Capturing, capturing
from tests.support.scale import scaled

EVENT = {"event": "$ai_generation", "distinct_id": "u", "properties": {"$ai_model": "m", "x": 1}}
Parts = list[tuple[str, str, bytes]]


@pytest.fixture
async def capture() -> AsyncIterator[Capturing]:
    async with capturing() as running:
        yield running


def form(parts: Parts, boundary: str = "edge", extra: str = "") -> bytes:
    text = b""
    for name, kind, content in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n'
        text += head.encode() + (f"Content-Type: {kind}\r\n".encode() if kind else b"") + extra.encode() + b"\r\n"
        text += content + b"\r\n"
    return text + f"--{boundary}--\r\n".encode()


def event_part(**changed: Any) -> tuple[str, str, bytes]:
    return "event", "application/json", json.dumps({**EVENT, **changed}).encode()


async def send(capture: Capturing, content: bytes, **changed: str) -> httpx.Response:
    headers = {"Authorization": "Bearer phc_t", "Content-Type": "multipart/form-data; boundary=edge"}
    return await capture.http.post("/i/v0/ai", content=content, headers={**headers, **changed})


async def test_parts_become_properties(capture: Capturing) -> None:
    parts: Parts = [
        event_part(properties={"$ai_model": "m", "n": 1.0}, timestamp="2026-11-21T11:00:00Z"),
        ("event.properties.$ai_input", "application/json", b'[{"role":"user","content":"\xc3\xa9"}]'),
        ("event.properties.$ai_output", "text/plain; charset=utf-8", b"two\r\nlines"),
        ("event.properties.image", "image/png", b"\x89PNG\xff"),
        ("ignored", "", b"x"),
    ]
    answer = await send(capture, form(parts))
    assert answer.status_code == 200
    assert answer.json()["accepted_parts"][2] == {
        "name": "event.properties.$ai_output",
        "length": 10,
        "content-type": "text/plain; charset=utf-8",
        "content-encoding": None,
    }
    [sent] = capture.log.events()
    assert (sent["token"], sent["distinct_id"], sent["timestamp"]) == ("phc_t", "u", "2026-11-21T11:00:00.000Z")
    assert sent["data"]["properties"] == {
        "$ai_model": "m",
        "n": 1.0,
        "$ai_input": [{"role": "user", "content": "é"}],
        "$ai_output": "two\r\nlines",
        "image": "data:image/png;base64,iVBOR/8=",
    }
    assert b'"n":1.0' in capture.log.records[0].value


async def test_properties_apart_and_gzip(capture: Capturing) -> None:
    bare = ("event", "", b'{"event":"$ai_span","distinct_id":"u"}')
    content = form([bare, ("event.properties", "application/json", b'{"$ai_model":"m"}')])
    answer = await send(capture, gzip.compress(content), **{"Content-Encoding": "gzip"})
    assert answer.status_code == 200
    assert capture.log.events()[0]["data"]["properties"] == {"$ai_model": "m"}


async def test_the_batch_of_ai_events_is_v0(capture: Capturing) -> None:
    answer = await capture.post("/i/v0/ai/batch/", {"api_key": "phc_t", "batch": [EVENT]})
    assert (answer.status_code, answer.text) == (200, '{"status":"Ok"}')
    assert (await capture.http.get("/i/v0/ai/batch/")).status_code == 405
    assert (await capture.http.get("/i/v0/ai")).status_code == 405


async def test_a_tokens_flaws(capture: Capturing) -> None:
    answer = await send(capture, form([event_part()]), Authorization="Token phc_t")
    assert (answer.status_code, answer.text) == (401, "event submitted without an api_key")
    answer = await send(capture, form([event_part()]), Authorization="Bearer phx_t")
    assert (answer.status_code, answer.text) == (401, "API key is not valid: personal_api_key")


APART = ("event.properties", "", b"{}")
REFUSED: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "request missing data payload"),
    "no parts": (b"hello", 400, "failed to decode request: Multipart parsing failed: the closing boundary is missing"),
    "only an end": (form([]), 400, "failed to decode request: First part must be 'event'"),
    "another first": (form([APART, event_part()]), 400, "failed to decode request: First part must be 'event'"),
    "twice": (form([event_part(), event_part()]), 400, "failed to decode request: a part comes twice"),
    "two sets": (
        form([event_part(), APART]),
        400,
        "failed to decode request: Event cannot have both embedded properties and a separate 'event.properties' part",
    ),
    "another event": (
        form([event_part(event="a")]),
        400,
        "failed to decode request: Event name must start with '$ai_'",
    ),
    "no id": (form([event_part(distinct_id="")]), 400, "failed to decode request: distinct_id cannot be empty"),
    "no model": (
        form([event_part(properties={})]),
        400,
        "failed to decode request: Event properties must contain '$ai_model'",
    ),
    "no JSON": (form([("event", "", b"{")]), 400, "failed to decode request: Event part must be valid JSON"),
    "no object": (form([("event", "", b"[]")]), 400, "failed to decode request: Event part must be valid JSON"),
    "not UTF-8": (form([("event", "", b'"\xff"')]), 400, "failed to decode request: Event part must be valid UTF-8"),
    "a large event": (
        form([event_part(x="y" * 40_000)]),
        413,
        "maximum event size exceeded: Event part size (40098 bytes) exceeds maximum allowed size (32768 bytes)",
    ),
    "many parts": (
        form([event_part()] * (MAX_PARTS + 1)),
        400,
        f"failed to decode request: Multipart parsing failed: more than {MAX_PARTS} parts",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refusals(capture: Capturing, name: str) -> None:
    content, status, text = REFUSED[name]
    answer = await send(capture, content)
    assert (answer.status_code, answer.text) == (status, text)
    assert capture.log.records == []


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 71]
)
async def test_other_content_types(capture: Capturing, kind: str) -> None:
    assert (await send(capture, form([event_part()]), **{"Content-Type": kind})).status_code == 400


NAMES = st.text(
    st.characters(min_codepoint=0x20, exclude_characters='"\\', exclude_categories=("Cs", "Cc")), min_size=1
)


@settings(max_examples=scaled(10_000, least=100), deadline=None)
@given(st.lists(st.tuples(NAMES, st.sampled_from(["", "text/plain"]), st.binary(max_size=40)), max_size=4))
def test_parts_come_back_as_they_were(parts: Parts) -> None:
    for _, _, content in parts:
        if b"\r\n--edge" in b"\r\n" + content:
            return
    read = parts_of(form(parts), b"edge")
    assert [(part.name, part.kind, part.body) for part in read] == parts


@settings(max_examples=scaled(10_000, least=100), deadline=None)
@given(st.binary(max_size=60) | st.text('-\r\n:e dgform=;"', max_size=80).map(str.encode))
def test_any_bytes(body: bytes) -> None:
    content = b"--edge\r\nContent-Disposition: form-data; name=a\r\n" + body + b"\r\n--edge--"
    with suppress(Refused):
        assert parts_of(content, b"edge")
