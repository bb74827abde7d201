"""AI events larger than a record: their parts are in the blob store, durable, before the log hears of the event."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.kit.blobs.directory import DirectoryBlobs
from libs.kit.contracts.ai_blobs import BlobPart, part_in, reference_in
from libs.kit.errors import Unavailable
from libs.kit.eventlog import NewRecord
from services.capture.ai_blobs import AiBlobs
from services.capture.ai_multipart import MAX_PARTS_BYTES
from tests.support.capturing import Capturing, capturing

UUID = "0190A1B2-0000-7000-8000-000000000001"
EVENT = {"event": "$ai_generation", "distinct_id": "u", "uuid": UUID, "properties": {"$ai_model": "m"}}
HEADERS = {"Authorization": "Bearer phc_t", "Content-Type": "multipart/form-data; boundary=edge"}
RECORD = 4_000
LARGE = b'[{"role":"user","content":"' + b"x" * RECORD + b'"}]'


@asynccontextmanager
async def storing(root: Path, *, most_bytes: int = 2**26, **settings: Any) -> AsyncIterator[tuple[Capturing, Any]]:
    """Capture with records of 4 kB, beside a real store in a directory."""
    store = DirectoryBlobs(root, 10)
    async with capturing(None, AiBlobs(store, most_bytes, bucket="b"), max_record_bytes=RECORD, **settings) as capture:
        yield capture, store
    await store.close()


async def send(capture: Capturing, *blobs: BlobPart, event: dict[str, Any] = EVENT, **headers: str) -> httpx.Response:
    text = b'--edge\r\nContent-Disposition: form-data; name="event"\r\n\r\n' + json.dumps(event).encode() + b"\r\n"
    for part in blobs:
        head = f'--edge\r\nContent-Disposition: form-data; name="event.properties.{part.name}"\r\n'
        head += f"Content-Type: {part.kind}\r\n" + (f"Content-Encoding: {part.coding}\r\n" if part.coding else "")
        text += head.encode() + b"\r\n" + part.body + b"\r\n"
    text += b"--edge--\r\n"
    content = gzip.compress(text) if "Content-Encoding" in headers else text
    return await capture.http.post("/i/v0/ai", content=content, headers={**HEADERS, **headers})


def large(name: str = "$ai_input", body: bytes = LARGE, coding: str = "") -> BlobPart:
    return BlobPart(name, "application/json", coding, body)


async def keys(store: Any) -> list[str]:
    return [found.key async for found in store.list("llma/")]


async def test_the_event_refers_to_its_parts(tmp_path: Path) -> None:
    blobs = [large(), BlobPart("$ai_output", "text/plain", "", b"short"), BlobPart("img", "image/png", "gzip", b"\x1f")]
    async with storing(tmp_path) as (capture, store):
        answer = await send(capture, *blobs)
        assert answer.status_code == 200
        assert [part["length"] for part in answer.json()["accepted_parts"][1:]] == [len(LARGE), 5, 1]
        [sent] = capture.log.events()
        properties = sent["data"]["properties"]
        assert properties.pop("$ai_model") == "m"
        assert list(properties) == ["$ai_input", "$ai_output", "img"]
        for part in blobs:
            where = reference_in(properties[part.name])
            assert where is not None
            assert where.uuid == sent["uuid"] == UUID.lower()
            assert part_in(await store.get(where.key, start=where.start, length=where.length)) == part


async def test_what_fits_into_a_record_stays_in_it(tmp_path: Path) -> None:
    async with storing(tmp_path) as (capture, store):
        assert (await send(capture, large(body=b'{"small":1}'))).status_code == 200
        assert capture.log.events()[0]["data"]["properties"]["$ai_input"] == {"small": 1}
        assert await keys(store) == []


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(large(body=gzip.compress(LARGE), coding="gzip"), id="inflates beyond a record"),
        pytest.param(BlobPart("image", "image/png", "", b"\xff" * (RECORD - 900)), id="base64 grows beyond a record"),
        pytest.param(BlobPart("text", "text/plain", "", b"\x01" * (RECORD // 3)), id="escapes grow beyond a record"),
    ],
)
async def test_parts_that_grow_in_the_event_go_apart_as_they_came(tmp_path: Path, part: BlobPart) -> None:
    async with storing(tmp_path) as (capture, store):
        assert (await send(capture, part)).status_code == 200
        where = reference_in(capture.log.events()[0]["data"]["properties"][part.name])
        assert where is not None
        assert part_in(await store.get(where.key, start=where.start, length=where.length)) == part


async def test_a_body_of_25_mebibytes_is_taken_and_one_byte_more_is_not(tmp_path: Path) -> None:
    async with storing(tmp_path) as (capture, store):
        rest = len(json.dumps(EVENT))
        assert (await send(capture, large(body=b"1" * (MAX_PARTS_BYTES - rest)))).status_code == 200
        assert (await send(capture, large(body=b"1" * (MAX_PARTS_BYTES - rest + 1)))).status_code == 413
        assert len(await keys(store)) == len(capture.log.records) == 1
        assert (await capture.post("/batch", b"1" * (21 * 2**20))).status_code == 413


async def test_the_same_event_again_is_the_same_blob(tmp_path: Path) -> None:
    async with storing(tmp_path) as (capture, store):
        capture.log.failure = Unavailable("away")
        for _ in range(3):
            assert (await send(capture, large())).status_code == 503
        assert len(await keys(store)) == 1
        capture.log.failure = None
        assert (await send(capture, large(), **{"Content-Encoding": "gzip"})).status_code == 200
        assert len(await keys(store)) == len(capture.log.records) == 1


async def test_other_parts_under_the_same_uuid_take_nothing_away(tmp_path: Path) -> None:
    async with storing(tmp_path) as (capture, store):
        await send(capture, large())
        await send(capture, large(body=LARGE.replace(b"x", b"y")))
        first = reference_in(capture.log.events()[0]["data"]["properties"]["$ai_input"])
        assert first is not None
        stored = part_in(await store.get(first.key, start=first.start, length=first.length))
        assert stored is not None
        assert stored.body == LARGE


async def test_the_log_hears_of_it_only_once_the_parts_are_durable(tmp_path: Path) -> None:
    async with storing(tmp_path) as (capture, store):
        produce, seen = capture.log.produce, []

        async def looking(topic: str, records: list[NewRecord]) -> None:
            seen.extend(await keys(store))
            await produce(topic, records)

        capture.log.produce = looking  # type: ignore[assignment,method-assign]
        await send(capture, large())
        assert len(seen) == len(capture.log.records) == 1


async def test_a_store_that_is_away_is_a_503_and_nothing_is_produced(tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(b"")
    async with storing(tmp_path / "a file") as (capture, _):
        answer = await send(capture, large())
        assert (answer.status_code, answer.text) == (503, "transient error, please retry")
        assert "retry-after" in answer.headers
        assert capture.log.records == []
        assert (await send(capture, large(body=b"1"))).status_code == 200  # which needs no store


async def test_what_waits_for_the_store_is_bounded(tmp_path: Path) -> None:
    async with storing(tmp_path, most_bytes=2 * len(LARGE)) as (capture, store):
        answers = await asyncio.gather(*(send(capture, large(f"p{number}")) for number in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 503, 503]
        assert len(await keys(store)) == len(capture.log.records) == 1


async def test_without_a_uuid_of_its_own_it_is_refused(tmp_path: Path) -> None:
    async with storing(tmp_path) as (capture, store):
        answer = await send(capture, large(), event={**EVENT, "uuid": ""})
        assert (answer.status_code, answer.text) == (400, "failed to decode request: Event UUID is required")
        assert (await send(capture, large(), event={**EVENT, "uuid": "x"})).status_code == 400
        assert await keys(store) == []
        assert (await send(capture, large(body=b"1"), event={**EVENT, "uuid": ""})).status_code == 200


async def test_an_event_that_is_dropped_leaves_no_blob(tmp_path: Path) -> None:
    async with storing(tmp_path, drop_events_by_token_distinct_id="phc_t:u") as (capture, store):
        answer = await send(capture, large())
        assert (answer.status_code, answer.json()) == (200, {"accepted_parts": []})
        assert await keys(store) == []
        assert capture.log.records == []


async def test_properties_that_do_not_fit_are_still_too_large(tmp_path: Path) -> None:
    async with storing(tmp_path) as (capture, store):
        for blobs in ([], [large()]):
            answer = await send(capture, *blobs, event={**EVENT, "properties": {"$ai_model": "m" * RECORD}})
            assert answer.status_code == 413
        assert await keys(store) == []
