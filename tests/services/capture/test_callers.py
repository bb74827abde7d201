"""Both callers of capture, over real sockets: one behaviour, whatever comes over the wire and in whatever pieces."""

import asyncio
import gc
import gzip
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.kit import metrics
from libs.kit.hot_connection import HotCycle
from libs.kit.plain_request import LEFT_OUT
from services import capture
from services.capture import v1_headers
from services.capture.protocol import CaptureReceiver
from tests.support.capture_server import (
    CALLERS,
    GOOD,
    MIB,
    Caller,
    CaptureServer,
    Said,
    SlowLog,
    capture_server,
    chunked,
    event,
    plain,
    post,
)
from tests.support.scale import scaled

# -- what is said


def headers_of(said: Said) -> dict[str, str]:
    return {name: value for name, value in said.headers.items() if name != "date"}


REQUESTS = {
    "plain": post(event()),
    "of a site": post(event(), "Origin: https://a.example", "X-Request-Id: r"),
    "of a site that asks": post(event(), "Origin: https://a.example", "Access-Control-Request-Headers: x-a"),
    "beacon": post(event(), path="/e/?beacon=1"),
    "no slash": post(event(), path="/i/v0/e"),
    "escaped path": post(event(), path="/%65/"),
    "refused": post(b"{", "Origin: https://a.example"),
    "empty": post(b""),
    "old": post(event(), version="1.0"),
    "closing": post(event(), "Connection: close"),
    "elsewhere": post(event(), path="/elsewhere"),
    "another method": b"PUT /e/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    "preflight": b"OPTIONS /e/ HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example\r\n\r\n",
    "gzip": post(gzip.compress(event()), "Content-Encoding: gzip"),
    "upgrade": post(event(), "Connection: Upgrade", "Upgrade: h2c"),
    "twice the same header": post(event(), "X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.2"),
    "header names in any case": post(event(), "ORIGIN: https://a.example", "x-FORWARDED-for: 203.0.113.1"),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_both_callers_say_and_keep_the_same(name: str) -> None:
    found: list[Any] = []
    for caller in CALLERS:
        async with capture_server(caller) as server:
            [said] = await server.exchange(REQUESTS[name])
            events = [{key: value for key, value in e.items() if key != "uuid"} for e in server.log.events()]
            found.append((said.status, headers_of(said), said.body, events))
    assert found[0] == found[1]
    assert found[0][3] or found[0][0] != 200 or name == "preflight"


async def test_answers_carry_a_date_and_a_length(server: CaptureServer) -> None:
    [said] = await server.exchange(post(event()))
    assert said.headers["date"].endswith("GMT")
    assert said.headers["content-length"] == "15"


async def test_requests_follow_each_other_on_a_connection(server: CaptureServer) -> None:
    client = await server.connect()
    for number in range(5):
        await client.send(post(event(f"e{number}")))
        assert plain(await client.said()) == GOOD
    await client.close()
    assert [e["event"] for e in server.log.events()] == [f"e{n}" for n in range(5)]


@pytest.mark.parametrize("request_", [post(event(), version="1.0"), post(event(), "Connection: close")])
async def test_a_connection_that_is_not_kept_ends_behind_the_answer(server: CaptureServer, request_: bytes) -> None:
    client = await server.connect()
    await client.send(request_ + post(event("not read")))
    said = await client.said()
    assert (plain(said), said.headers["connection"]) == (GOOD, "close")
    assert await client.ended() == b""
    assert len(server.log.records) == 1


# -- bodies


async def test_a_body_in_a_thousand_pieces(server: CaptureServer) -> None:
    client = await server.connect()
    raw = post(event(filler="x" * 900))
    size = len(raw) // 1000
    await client.send(*(raw[start : start + size] for start in range(0, len(raw), size)))
    assert plain(await client.said()) == GOOD
    await client.close()


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("trailer", [b"", b"X-Checksum: 1\r\n"])
async def test_chunked_bodies(server: CaptureServer, size: int, trailer: bytes) -> None:
    said = await server.exchange(chunked(event(), size, trailer=trailer) + post(event("b")), 2)
    assert [plain(one) for one in said] == [GOOD, GOOD]
    assert [e["event"] for e in server.log.events()] == ["a", "b"]


async def test_a_sender_that_waits_for_leave_gets_it(server: CaptureServer) -> None:
    client = await server.connect()
    head, body = post(event(), "Expect: 100-continue").split(b"\r\n\r\n")
    await client.send(head + b"\r\n\r\n")
    assert (await client.said()).status == 100
    await client.send(body)
    assert plain(await client.said()) == GOOD
    await client.send(post(event(), "Expect: 100-continue"))  # and one that does not wait
    said = await client.said()
    assert plain(said if said.status != 100 else await client.said()) == GOOD
    await client.close()


async def test_a_sender_that_waits_for_leave_is_refused_before_it_sends(caller: Caller) -> None:
    async with capture_server(caller, max_body_bytes=1000) as server:
        client = await server.connect()
        await client.send(b"POST /e/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
        said = await client.said()
        assert (said.status, said.headers["connection"]) == (413, "close")
        assert await client.ended() == b""


async def test_a_body_announced_too_large_is_refused_and_read_past(caller: Caller) -> None:
    async with capture_server(caller, max_body_bytes=1000) as server:
        client = await server.connect()
        raw = post(bytes(300_000))
        await client.send(raw[:5000])
        said = await client.said()
        assert said.status == 413
        assert said.body.startswith(b"maximum event size exceeded: ")
        await client.send(raw[5000:] + post(event()))
        assert plain(await client.said()) == GOOD
        await client.close()
        await server.settle()


async def test_an_endless_body_is_refused_at_the_cap(caller: Caller) -> None:
    async with capture_server(caller, max_body_bytes=100_000) as server:
        client = await server.connect()
        await client.send(b"POST /e/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        asking = asyncio.create_task(client.said())
        while not asking.done():
            await client.send(b"4000\r\n" + bytes(0x4000) + b"\r\n")
            sent += 0x4000
            await asyncio.sleep(0)
            assert sent < 64 * MIB
        assert (await asking).status == 413
        assert server.intake.memory.held == 0
        await client.close()


async def test_bodies_together_are_bounded_and_given_back(caller: Caller) -> None:
    log = SlowLog()
    async with capture_server(caller, log=log, max_inflight_body_bytes=2 * len(event())) as server:
        waiting = [asyncio.create_task(server.exchange(post(event()))) for _ in range(2)]
        while server.intake.memory.held < 2 * len(event()):
            await asyncio.sleep(0.005)
        [said] = await server.exchange(post(event()))
        assert (said.status, said.headers["retry-after"]) == (503, "2")
        log.durable.set()
        assert [plain((await task)[0]) for task in waiting] == [GOOD, GOOD]
        assert plain((await server.exchange(post(event())))[0]) == GOOD
        await server.settle()


async def test_records_that_wait_for_the_log_are_bounded(caller: Caller) -> None:
    log = SlowLog()
    packed = gzip.compress(orjson.dumps({"api_key": "phc_t", "batch": [orjson.loads(event(filler="x" * 900))] * 50}))
    async with capture_server(caller, log=log, max_unacknowledged_bytes=100_000) as server:
        waiting = asyncio.create_task(server.exchange(post(packed)))
        await log.asked.wait()
        [said] = await server.exchange(post(packed))
        assert (said.status, said.headers["retry-after"]) == (503, "2")
        log.durable.set()
        assert plain((await waiting)[0]) == GOOD
        assert len(log.records) == 50
        assert plain((await server.exchange(post(packed)))[0]) == GOOD


async def test_large_bodies_are_decided_in_a_thread(server: CaptureServer) -> None:
    events = [{"event": f"e{n}", "distinct_id": "u", "properties": {"f": "x" * 1000}} for n in range(2000)]
    body = orjson.dumps({"api_key": "phc_t", "batch": events})
    said = await server.exchange(post(body) + post(gzip.compress(body, 1)), 2)
    assert [plain(one) for one in said] == [GOOD, GOOD]
    assert [e["event"] for e in server.log.events()] == 2 * [f"e{n}" for n in range(2000)]
    assert any(thread.name.startswith("capture") for thread in server.intake._threads._threads)


# -- pipelining


async def test_pipelined_requests_are_answered_in_order(server: CaptureServer) -> None:
    kinds = {
        post(event()): 200,
        post(b"{"): 400,
        post(event(), path="/elsewhere"): 404,
        b"GET /e/ HTTP/1.1\r\nHost: h\r\n\r\n": 400,
        b"PUT /e/ HTTP/1.1\r\nHost: h\r\n\r\n": 405,
        chunked(event(), 9): 200,
    }
    raws = [raw for _ in range(8) for raw in kinds]
    said = await server.exchange(b"".join(raws), len(raws))
    assert [one.status for one in said] == [kinds[raw] for raw in raws]
    assert len(server.log.records) == 16


async def test_an_answer_that_is_ready_waits_for_those_before_it(caller: Caller) -> None:
    log = SlowLog()
    async with capture_server(caller, log=log) as server:
        client = await server.connect()
        refusals = 2000  # more than the stack is deep
        await client.send(post(event()) + refusals * post(b"{", path="/e"))
        await log.asked.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.read(1), 0.05)
        log.durable.set()
        said = [await client.said() for _ in range(1 + refusals)]
        assert [one.status for one in said] == [200] + refusals * [400]
        await client.close()


async def test_a_client_that_does_not_read_its_answers_is_waited_for(server: CaptureServer) -> None:
    """More answers than socket buffers hold: reading its requests stops, and nothing is lost or doubled."""
    count = 3_000
    client = await server.connect()
    raw = post(event(), f"Origin: https://{'a' * 4000}.example")
    sending = asyncio.create_task(client.send(raw * count))
    await asyncio.sleep(0.05)
    said = [(await client.said()).status for _ in range(count)]
    await sending
    assert said == count * [200]
    assert len(server.log.records) == count
    await client.close()


# -- what is no HTTP

SMUGGLED = {
    "two lengths": b"POST /e/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "two equal lengths": b"POST /e/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "a list of lengths": b"POST /e/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n",
    "a signed length": b"POST /e/ HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n",
    "a length of no number": b"POST /e/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\n",
    "length and chunked": b"POST /e/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked and length": b"POST /e/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "chunked, but not last": b"POST /e/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    "a folded header": b"POST /e/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n",
    "a blank before the colon": b"POST /e/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n",
    "a bare line feed in a header": b"POST /e/ HTTP/1.1\r\nHost: h\r\nX: a\nContent-Length : 5\r\n\r\n",
    "a NUL in a header": b"POST /e/ HTTP/1.1\r\nHost: h\r\nX: a\0b\r\nContent-Length: 5\r\n\r\n",
    "no method": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a chunk of no size": b"POST /e/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk longer than it says": b"POST /e/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n",
    "a chunk size beyond all": b"POST /e/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n"
    % (b"f" * 40),
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_ambiguous_requests_are_refused_and_end_the_connection(server: CaptureServer, name: str) -> None:
    client = await server.connect()
    await client.send(SMUGGLED[name] + b"0\r\n\r\n" + post(event()))
    assert (await client.said()).status == 400
    assert await client.ended() == b""
    assert server.log.records == []
    await client.close()
    await server.settle()


@pytest.mark.parametrize("apart", [False, True])
async def test_what_came_before_garbage_is_answered_first(caller: Caller, apart: bool) -> None:
    log = SlowLog()
    async with capture_server(caller, log=log) as server:
        client = await server.connect()
        await client.send(post(event("a")) + post(event("b")))
        if apart:
            await log.asked.wait()
        await client.send(b"\0\0 no request\r\n\r\n" + post(event("c")))
        log.durable.set()
        if caller == "protocol":  # uvicorn's own cuts off whatever it has not answered yet
            assert [(await client.said()).status for _ in range(3)] == [200, 200, 400]
            assert await client.ended() == b""
            assert [e["event"] for e in log.events()] == ["a", "b"]
        else:
            await client.ended()
        await client.close()


@pytest.mark.parametrize("apart", [False, True])
async def test_a_head_that_is_too_large_is_refused(server: CaptureServer, apart: bool) -> None:
    client = await server.connect()
    lines = [b"X-%d: %b\r\n" % (n, b"x" * 1000) for n in range(120)]
    pieces = [b"POST /e/ HTTP/1.1\r\nHost: h\r\n", *lines, b"\r\n"]
    await client.send(*(pieces if apart else [b"".join(pieces)]))
    assert (await client.said()).status == 431
    assert await client.ended() == b""
    await client.close()
    await server.settle()


async def test_a_large_body_behind_a_small_head_is_no_large_head(server: CaptureServer) -> None:
    raw = post(event(filler="x" * 200_000))
    assert [plain(one) for one in await server.exchange(raw + raw[:60] + raw[60:], 2)] == [GOOD, GOOD]


async def test_v1_by_both_callers(caller: Caller) -> None:
    one = {"event": "a", "uuid": str(uuid.uuid4()), "distinct_id": "u", "timestamp": "2026-11-21T11:00:00Z"}
    body = orjson.dumps({"created_at": "2026-11-21T11:59:59Z", "batch": [one]})
    lines = (
        *("Authorization: Bearer phc_t", "Content-Type: application/json", "User-Agent: l/1", "PostHog-Sdk-Info: l/1"),
        *("PostHog-Attempt: 1", "PostHog-Request-Timestamp: 2026-11-21T12:00:00Z"),
        f"PostHog-Request-Id: {uuid.uuid4()}",
    )
    async with capture_server(caller) as server:
        client = await server.connect()
        await client.send(post(body, *lines, path="/i/v1/analytics/events"))
        assert plain(await client.said())[0] == 200
        await client.close()


def test_what_is_left_out_of_a_plain_request_is_read_nowhere() -> None:
    sources = [path.read_text() for path in Path(capture.__file__ or "").parent.rglob("*.py") if path.stem != "answers"]
    named = {name.encode() for text in sources for name in re.findall(r'b"([a-z-]+)"', text)}
    required = {name.lower().encode() for name in v1_headers.REQUIRED}
    assert (named | required) & LEFT_OUT <= {b"content-length", b"connection"}  # a plain request is the proof of them


async def test_both_callers_count_the_same() -> None:
    def counted() -> dict[str, float]:
        families = (metrics.HTTP_REQUESTS, metrics.CAPTURE_EVENTS, metrics.CAPTURE_BODY_BYTES, metrics.HTTP_SECONDS)
        return {
            f"{sample.name}{sorted(sample.labels.items())}": sample.value
            for family in families
            for found in family.collect()
            for sample in found.samples
            if "created" not in sample.name and "seconds_sum" not in sample.name and "seconds_bucket" not in sample.name
        }

    changes = []
    for caller in CALLERS:
        before = Counter(counted())
        async with capture_server(caller) as server:
            await server.exchange(post(event()) + post(b"{") + post(event(), path="/batch"), 3)
        after = Counter(counted())
        after.subtract(before)
        changes.append({name: value for name, value in after.items() if value})
    assert changes[0] == changes[1]
    assert len(changes[0]) > 5


async def test_an_answered_request_leaves_nothing_for_the_collector() -> None:
    async with capture_server("protocol") as server:
        client = await server.connect()
        await client.send(post(event()))
        assert plain(await client.said()) == GOOD
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                await client.send(post(event()))
                assert plain(await client.said()) == GOOD
            alive = Counter(type(one) for one in gc.get_objects() if isinstance(one, HotCycle | CaptureReceiver))
        finally:
            gc.enable()
        await client.close()
    assert all(count <= 3 for count in alive.values()), alive


# -- whatever the pieces

FRAGMENTS = (
    post(event()),
    post(event("b", "x" * 300), "Origin: https://a.example"),
    post(b"{"),
    post(b""),
    post(event(), path="/elsewhere"),
    chunked(event(), 11),
    post(gzip.compress(event())),
    b"GET /e/?data=e30= HTTP/1.1\r\nHost: h\r\n\r\n",
    b"PUT /e/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
)


@pytest.fixture(scope="module")
def both_callers() -> Iterator[tuple[asyncio.Runner, list[CaptureServer]]]:
    """A server of each, on a loop of their own: an example each would spend its time on starting."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start() -> list[CaptureServer]:
            return [await stack.enter_async_context(capture_server(caller)) for caller in CALLERS]

        yield runner, runner.run(start())
        runner.run(stack.aclose())


@given(chosen=st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=6), data=st.data())
@settings(max_examples=scaled(10_000, least=100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_however_requests_are_cut_the_answers_are_the_same(
    both_callers: tuple[asyncio.Runner, list[CaptureServer]], chosen: list[bytes], data: st.DataObject
) -> None:
    runner, servers = both_callers
    raw = b"".join(chosen)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    async def said(server: CaptureServer) -> list[tuple[int, dict[str, str], bytes]]:
        client = await server.connect()
        await client.send(*pieces)
        found = [await client.said() for _ in chosen]
        await client.close()
        return [(one.status, headers_of(one), one.body) for one in found]

    one, other = (runner.run(said(server)) for server in servers)
    assert one == other
