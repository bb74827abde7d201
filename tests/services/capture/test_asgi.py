"""The ASGI caller: caps while reading, memory, the log's failures, senders that stall or leave."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest

from libs.kit import metrics
from libs.kit.errors import LogFull, OutcomeUnknown, PayloadTooLarge, Unavailable
from tests.support.capturing import Capturing, capturing

MIB = 1024 * 1024
ONE = b'{"api_key":"phc_t","event":"a","distinct_id":"u"}'
TRANSIENT = (503, "transient error, please retry")
Receive = Callable[[], Awaitable[dict[str, Any]]]


@pytest.fixture
async def capture() -> AsyncIterator[Capturing]:
    async with capturing() as running:
        yield running


async def call(capture: Capturing, receive: Receive, headers: dict[bytes, bytes] | None = None) -> list[dict[str, Any]]:
    """What the endpoint sends for a POST whose body comes from `receive`."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/e/",
        "query_string": b"",
        "headers": list((headers or {}).items()),
        "client": None,
    }
    await capture.endpoint(scope, receive, send)
    return sent


def pieces(body: bytes, size: int) -> Receive:
    """A body in pieces of `size`; more may follow forever when it ends in a piece of the same size."""
    starts = iter(range(0, len(body), size))

    async def receive() -> dict[str, Any]:
        start = next(starts)
        return {"type": "http.request", "body": body[start : start + size], "more_body": start + size < len(body)}

    return receive


async def test_a_body_in_pieces(capture: Capturing) -> None:
    sent = await call(capture, pieces(ONE, 7))
    assert sent[0]["status"] == 200
    assert capture.log.events()[0]["ip"] == "127.0.0.1"


async def test_an_endless_body_is_cut_off(capture: Capturing) -> None:
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": bytes(MIB), "more_body": True}

    sent = await call(capture, receive)
    assert sent[0]["status"] == 413
    assert sent[1]["body"].startswith(b"maximum event size exceeded: ")
    assert asked == 21
    assert capture.intake.memory.held == 0  # everything was given back


async def test_a_body_announced_too_large_is_not_read(capture: Capturing) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("read")

    sent = await call(capture, receive, {b"content-length": b"31457280"})
    assert sent[0]["status"] == 413


async def test_a_sender_that_leaves_gets_no_answer(capture: Capturing) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert await call(capture, receive) == []


async def test_a_sender_that_stalls() -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async with capturing(body_idle_timeout_seconds=0.01) as capture:
        sent = await call(capture, receive)
    assert (sent[0]["status"], sent[1]["body"]) == (408, b"client stopped sending data")


@pytest.mark.parametrize("failure", [LogFull("full"), Unavailable("down"), OutcomeUnknown("lost")])
async def test_what_the_log_did_not_take_is_a_503(capture: Capturing, failure: Exception) -> None:
    capture.log.failure = failure
    answer = await capture.post("/e/?beacon=1", ONE)
    assert (answer.status_code, answer.text) == TRANSIENT
    assert answer.headers["retry-after"] == "2"
    capture.log.failure = None
    assert (await capture.post("/e/", ONE)).status_code == 200


async def test_a_record_the_log_itself_finds_too_large(capture: Capturing) -> None:
    capture.log.failure = PayloadTooLarge("message of 2 MB")
    answer = await capture.post("/e/", ONE)
    assert (answer.status_code, answer.text) == (413, "maximum event size exceeded: message of 2 MB")


async def test_a_bug_of_ours_is_a_500_and_says_nothing(capture: Capturing) -> None:
    capture.log.failure = KeyError("secret")
    answer = await capture.post("/e/", ONE)
    assert (answer.status_code, answer.text) == (500, "internal server error")


async def test_the_answer_waits_for_the_log(capture: Capturing) -> None:
    durable = asyncio.Event()
    produce = capture.log.produce

    async def slow(topic: str, records: Any) -> None:
        await durable.wait()
        await produce(topic, records)

    capture.log.produce = slow  # type: ignore[method-assign]
    asking = asyncio.create_task(capture.post("/e/", ONE))
    done, _ = await asyncio.wait({asking}, timeout=0.05)
    assert not done
    durable.set()
    assert (await asking).status_code == 200


async def test_bodies_of_all_requests_together_are_bounded() -> None:
    async with capturing(max_inflight_body_bytes=2 * len(ONE)) as capture:
        durable = asyncio.Event()
        produce = capture.log.produce

        async def slow(topic: str, records: Any) -> None:
            await durable.wait()
            await produce(topic, records)

        capture.log.produce = slow  # type: ignore[method-assign]
        asking = [asyncio.create_task(capture.post("/e/", ONE)) for _ in range(2)]
        await asyncio.wait(asking, timeout=0.05)
        answer = await capture.post("/e/", ONE)
        assert (answer.status_code, answer.text) == TRANSIENT
        durable.set()
        assert [(await task).status_code for task in asking] == [200, 200]
        assert (await capture.post("/e/", ONE)).status_code == 200


@pytest.mark.parametrize("packed", [False, True])
async def test_a_large_body_is_decided_in_a_thread_with_the_same_result(capture: Capturing, packed: bool) -> None:
    events = [{"event": f"e{n}", "distinct_id": "u", "properties": {"filler": "x" * 1000}} for n in range(3000)]
    body = orjson.dumps({"api_key": "phc_t", "batch": events})
    answer = await capture.post("/batch/", gzip.compress(body, 1) if packed else body)
    assert answer.status_code == 200
    assert [event["event"] for event in capture.log.events()] == [f"e{n}" for n in range(3000)]
    assert any(thread.name.startswith("capture") for thread in capture.intake._threads._threads)


def bomb(unfolded: int, block: bytes) -> bytes:
    """gzip of `block`, repeated until it is `unfolded` bytes."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(block) for _ in range(unfolded // len(block))), packer.flush()])


BOMBS = {
    "blanks": (b" " * MIB, "inflated payload is larger"),
    "many small events": (b'{"event":""},' * 65536, "request holds too many events"),
}


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_refused_in_flat_memory(name: str) -> None:
    block, reason = BOMBS[name]
    async with capturing(max_inflated_bytes=16 * MIB) as capture:
        size = 100 * MIB if name == "blanks" else 30 * MIB
        packed = bomb(size, block)
        if name != "blanks":
            packed = gzip.compress(b"[" + block * 18, 9)
        tracemalloc.start()
        answer = await capture.post("/e/", packed)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert answer.status_code == 413
    assert answer.text.startswith(f"maximum event size exceeded: {reason}")
    assert peak < 16 * MIB * 1.125 + 36 * MIB  # the cap, a bytearray's spare room, one piece and the counted events


async def test_refusals_are_counted_by_reason(capture: Capturing) -> None:
    def counted(result: str, reason: str) -> float:
        return metrics.CAPTURE_EVENTS.labels(result, reason)._value.get()

    before = counted("refused", "no_distinct_id"), counted("accepted", ""), counted("dropped", "performance_event")
    good = {"event": "a", "distinct_id": "u"}
    await capture.post("/batch/", {"api_key": "phc_t", "batch": [good, {"event": "a"}]})
    await capture.post("/batch/", {"api_key": "phc_t", "batch": [good, {"event": "$performance_event"}]})
    capture.intake.accounting.flush()
    after = counted("refused", "no_distinct_id"), counted("accepted", ""), counted("dropped", "performance_event")
    assert after == (before[0] + 2, before[1] + 1, before[2] + 1)
