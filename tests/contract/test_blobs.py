"""What a blob store is, held against a directory and against a real S3 protocol server (moto)."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from libs.kit.blobs import Blobs
from libs.kit.blobs.open import open_blobs
from libs.kit.blobs.s3 import S3Blobs
from libs.kit.errors import InvalidRequest, NotFound, Unavailable
from libs.kit.settings import KitSettings
from tests.support.ports import free_port
from tests.support.scale import scaled


def kit(**changes: object) -> KitSettings:
    needed = {"secret_key": "x" * 32, "postgres_dsn": "postgresql://a@b/c", "state_redis_url": "redis://a"}
    return KitSettings(**(needed | changes))  # type: ignore[arg-type]


def s3_settings(endpoint: str, bucket: str, **changes: object) -> KitSettings:
    keys = {"s3_access_key_id": "key", "s3_secret_access_key": SecretStr("secret")}
    return kit(blobs="s3", s3_endpoint=endpoint, s3_bucket=bucket, **keys, **changes)


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def s3(s3_endpoint: str) -> Blobs:
    """One for all tests (a boto3 client takes long to make); pages of 10."""
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1", **keys).create_bucket(Bucket="hedgerow")
    return S3Blobs(s3_settings(s3_endpoint, "hedgerow"), page_size=10)


@pytest.fixture(params=["embedded", pytest.param("networked", marks=pytest.mark.networked)])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    if request.param == "embedded":
        store = open_blobs(kit(blobs_directory=tmp_path / "blobs"))
        yield store
        await store.close()
        return
    store = request.getfixturevalue("s3")
    for key in await keys(store, ""):
        await store.delete(key)
    yield store


async def keys(blobs: Blobs, prefix: str) -> list[str]:
    return [blob.key async for blob in blobs.list(prefix)]


async def test_gives_back_what_was_put_and_then_what_replaced_it(blobs: Blobs) -> None:
    for body in (b"", b"\0\xff" * 1000, os.urandom(3_000_000), b"short"):
        await blobs.put("a/b.c=d/e_f-g", body)
        assert await blobs.get("a/b.c=d/e_f-g") == body
        found = await blobs.stat("a/b.c=d/e_f-g")
        assert found
        assert (found.key, found.size) == ("a/b.c=d/e_f-g", len(body))
        assert abs(datetime.now(UTC) - found.modified) < timedelta(minutes=1)


async def test_ranges_are_cut_off_at_the_end(blobs: Blobs) -> None:
    await blobs.put("k", b"0123456789")
    await blobs.put("empty", b"")
    for start, length in [(0, 3), (3, 4), (8, 10), (9, None), (0, None), (10, None), (10, 1), (50, 5), (4, 0)]:
        end = None if length is None else start + length
        assert await blobs.get("k", start=start, length=length) == b"0123456789"[start:end], (start, length)
    assert await blobs.get("empty", start=0, length=5) == b""
    for start, length in [(-1, None), (0, -1)]:
        with pytest.raises(InvalidRequest):
            await blobs.get("k", start=start, length=length)


async def test_what_is_not_there(blobs: Blobs) -> None:
    await blobs.put("a/b", b"")
    for key in ("none", "a", "a/b/c", "a/c"):
        assert await blobs.stat(key) is None
        for wanted in ({}, {"start": 1}, {"length": 0}):
            with pytest.raises(NotFound):
                await blobs.get(key, **wanted)
        await blobs.delete(key)
    assert await keys(blobs, "") == ["a/b"]


async def test_delete_leaves_the_rest(blobs: Blobs) -> None:
    for key in ("a", "a/b", "a/c"):
        await blobs.put(key, key.encode())
    await blobs.delete("a/b")
    assert await keys(blobs, "") == ["a", "a/c"]
    await blobs.delete("a/c")
    await blobs.delete("a")
    assert await keys(blobs, "") == []
    await blobs.put("a/b", b"again")
    assert await blobs.get("a/b") == b"again"


async def test_lists_in_key_order_and_by_any_prefix(blobs: Blobs) -> None:
    every = ["a", "a-b", "a.b", "a/b", "a/b/c", "a/b0", "a0", "b/a", "b/a-1/x", "b/a/1", "b/a0"]
    for key in reversed(every):
        await blobs.put(key, key.encode())
    for prefix in ("", "a", "a/", "a/b", "b/a", "b/a-", "b/a/", "c", "b/a/1", "b/a/12"):
        assert await keys(blobs, prefix) == [key for key in sorted(every) if key.startswith(prefix)], prefix
    assert [blob.size async for blob in blobs.list("a/b/")] == [5]


async def test_lists_more_than_a_page(blobs: Blobs) -> None:
    names = [f"p/{number:04}" for number in range(25)]
    await asyncio.gather(*(blobs.put(name, b"x") for name in names))
    assert await keys(blobs, "p/") == names


NO_KEYS = (
    *("", "/", "a/", "/a", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\\b", "a b", "é", "a\0b", "a\n"),
    *("~", "a~/b", ".new~/x", "x" * 201, "a/" * 500 + "b", "C:", "%2e%2e"),
)


async def test_refuses_what_is_no_key(blobs: Blobs) -> None:
    for key in NO_KEYS:
        for call in (blobs.put(key, b""), blobs.get(key), blobs.stat(key), blobs.delete(key)):
            with pytest.raises(InvalidRequest):
                await call


async def test_a_reader_never_sees_a_mix(blobs: Blobs) -> None:
    bodies = [bytes([number]) * 200_000 for number in range(4)]
    await blobs.put("k", bodies[0])
    done = asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            assert await blobs.get("k") in bodies

    readers = [asyncio.create_task(read()) for _ in range(2)]
    for turn in range(12):
        await blobs.put("k", bodies[turn % 4])
    done.set()
    await asyncio.gather(*readers)


async def test_puts_and_deletes_side_by_side_lose_nothing(blobs: Blobs) -> None:
    """On a directory a delete clears away empty directories, into which another put is about to rename."""

    async def work(number: int) -> None:
        for _ in range(4):
            await blobs.put(f"d/e/{number}", b"x")
            assert await blobs.get(f"d/e/{number}") == b"x"
            await blobs.delete(f"d/e/{number}")

    await asyncio.gather(*(work(number) for number in range(4)))
    assert await keys(blobs, "") == []


async def test_check_passes(blobs: Blobs) -> None:
    await blobs.check()


segments = st.from_regex(r"[A-Za-z0-9._=-]{1,4}", fullmatch=True).filter(lambda part: part not in (".", ".."))
some_keys = st.lists(segments, min_size=1, max_size=3).map("/".join)


@settings(
    max_examples=scaled(500, least=10),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wanted=st.dictionaries(some_keys, st.binary(max_size=20), max_size=8), prefix=st.one_of(st.just(""), some_keys))
async def test_is_a_sorted_dictionary(blobs: Blobs, wanted: dict[str, bytes], prefix: str) -> None:
    for key in await keys(blobs, ""):
        await blobs.delete(key)
    for key, body in wanted.items():
        await blobs.put(key, body)
    assert {key: await blobs.get(key) for key in wanted} == wanted
    assert await keys(blobs, prefix) == sorted(key for key in wanted if key.startswith(prefix))


async def test_a_half_written_blob_is_not_there_and_is_cleared_away(tmp_path: Path) -> None:
    blobs = open_blobs(kit(blobs_directory=tmp_path))
    await blobs.put("k", b"old")
    for name, age in (("left-by-a-kill", 7200), ("being-written", 1)):
        (tmp_path / ".new~" / name).write_bytes(b"half")
        os.utime(tmp_path / ".new~" / name, (time.time() - age,) * 2)
    assert await keys(blobs, "") == ["k"]
    await blobs.check()
    assert [path.name for path in (tmp_path / ".new~").iterdir()] == ["being-written"]
    await blobs.close()


async def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    blobs = open_blobs(kit(blobs_directory=tmp_path / "file" / "blobs"))
    with pytest.raises(Unavailable):
        await blobs.check()
    with pytest.raises(Unavailable):
        await blobs.put("k", b"")
    await blobs.close()


def test_a_directory_must_be_named() -> None:
    with pytest.raises(ValueError, match="HEDGEROW_BLOBS_DIRECTORY"):
        open_blobs(kit())


@pytest.mark.networked
async def test_no_bucket_and_no_server_are_unavailable(s3_endpoint: str) -> None:
    for endpoint in (s3_endpoint, f"http://127.0.0.1:{free_port()}"):
        blobs = open_blobs(s3_settings(endpoint, "none-such"))
        with pytest.raises(Unavailable):
            await blobs.check()
        with pytest.raises(Unavailable):
            await blobs.put("k", b"")
        await blobs.close()


async def test_a_store_that_does_not_answer_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    blobs = open_blobs(s3_settings(endpoint, "b", blobs_timeout_seconds=0.3))
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await blobs.get("k")
    assert time.monotonic() - started < 30  # of the minutes that boto3 would take
    await blobs.close()
    server.close()
