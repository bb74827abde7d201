"""The same requests over real sockets, through uvicorn and the protocol class: framed in every way, also wrongly.

Nothing may be answered with 500, nobody may wait for ever, and afterwards nothing is held.
"""

import asyncio
import gc
import logging
import random
from asyncio import IncompleteReadError
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote_from_bytes

import pytest
import structlog

from tests.support.capture_server import CaptureServer, Client, capture_server
from tests.support.hostile_requests import HostileRequest, hostile_requests
from tests.support.scale import SEED, scaled

STATUSES = {200, 204, 400, 401, 404, 405, 413, 415}
REQUESTS = scaled(250_000, least=2_000)  # with those of test_fuzz.py, a million
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
CLIENTS = 8
ROUND = 1_000
SECONDS = 30


@pytest.fixture
def quiet() -> Iterator[None]:
    """No line for each refusal."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("uvicorn.error").disabled = True
    yield
    logging.getLogger("uvicorn.error").disabled = False
    structlog.configure(**before)


def on_the_wire(request: HostileRequest, *, chunked: bool) -> list[bytes]:
    """The pieces in which it is written. A length it names itself is kept, and may be wrong."""
    query = quote_from_bytes(request.query, safe=PRINTABLE).encode()  # or nothing but the head's parser is met
    target = request.path.encode() + (b"?" + query if query else b"")
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), target), b"Host: h"]
    lines += [b"%b: %b" % header for header in request.headers]
    if chunked:
        lines.append(b"Transfer-Encoding: chunked")
        body = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in request.pieces if piece] + [b"0\r\n\r\n"]
    else:
        body = list(request.pieces)
        if not names_length(request):
            lines.append(b"Content-Length: %d" % sum(len(piece) for piece in body))
    return [b"\r\n".join([*lines, b"", b""]), *body]


def names_length(request: HostileRequest) -> bool:
    return any(name == b"content-length" for name, _ in request.headers)


class Fuzzer:
    """One client after another, each as long as its connection lasts."""

    def __init__(self, server: CaptureServer, seed: int):
        self.server = server
        self.seed = seed
        self.chance = random.Random(seed)
        self.said: Counter[int] = Counter()
        self.client: Client | None = None

    async def send_all(self, count: int) -> None:
        for request in hostile_requests(self.seed, count):
            async with asyncio.timeout(SECONDS):
                await self._send(request)
        await self._close()

    async def _send(self, request: HostileRequest) -> None:
        client = self.client = self.client or await self.server.connect()
        chunked = self.chance.random() < 0.3
        pieces = on_the_wire(request, chunked=chunked)
        if self.chance.random() < 0.5:
            pieces = [b"".join(pieces)]
        if request.leaves:
            await client.send(b"".join(pieces)[: -self.chance.randrange(1, 60)])
            await self._close()
        elif names_length(request) or b"\0" in pieces[0]:
            await self._send_broken(client, pieces)
        else:
            await client.send(*pieces)
            await self._heard(client, request)

    async def _send_broken(self, client: Client, pieces: list[bytes]) -> None:
        """A wrong length: less or more than one request. Whatever is answered is none of our bugs."""
        with suppress(OSError):
            await client.send(*pieces)
            client.writer.write_eof()
        answers = await client.ended()
        for line in answers.split(b"\r\n"):
            if line.startswith(b"HTTP/1.1 "):
                self._count(int(line[9:12]), answers)
        await self._close()

    async def _heard(self, client: Client, request: HostileRequest) -> None:
        if request.method == "HEAD":
            head = await client.reader.readuntil(b"\r\n\r\n")
            self._count(int(head[9:12]), request)
            await self._close()
            return
        try:
            said = await client.said()
        except (IncompleteReadError, OSError) as exc:
            raise AssertionError(f"no answer to {request}") from exc
        self._count(said.status, request)
        if said.headers.get("connection") == "close":
            await self._close()

    def _count(self, status: int, about: object) -> None:
        assert status in STATUSES, (status, about)
        self.said[status] += 1

    async def _close(self) -> None:
        if self.client is not None:
            await self.client.close()
            self.client = None


async def test_any_request_over_a_socket_is_answered_and_nothing_is_left(quiet: None) -> None:
    said: Counter[int] = Counter()
    taken, objects = 0, []
    rounds = max(2, REQUESTS // ROUND)
    # so little room for bodies that one which is not given back soon makes a 503
    async with capture_server("protocol", max_inflight_body_bytes=256 * 1024) as server:
        tasks = len(asyncio.all_tasks())
        for number in range(rounds):
            first = (SEED or 0) * 1_000_000 + number * CLIENTS
            fuzzers = [Fuzzer(server, first + each) for each in range(CLIENTS)]
            await asyncio.gather(*(fuzzer.send_all(ROUND // CLIENTS) for fuzzer in fuzzers))
            for fuzzer in fuzzers:
                said.update(fuzzer.said)
            async with asyncio.timeout(SECONDS):
                await server.settle()
            taken += len(server.log.records)
            server.log.records.clear()
            server.log.topics.clear()
            if number in (1, rounds - 1):
                gc.collect()
                objects.append(len(gc.get_objects()))
        assert len(asyncio.all_tasks()) == tasks
        assert server.intake._commit.waiting_bytes == 0
    assert taken > REQUESTS // 10, "too few were right: only the front door was tried"
    assert {200, 400, 401, 404, 405, 415} <= set(said), said
    assert objects[-1] - objects[0] < 5_000, "objects were left behind"
