"""Any request whatsoever, through the whole app: an answer of the contract, once, soon; and nothing is left behind."""

import asyncio
import gc
import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog

from services.capture.handle import dialect_of, route_of
from tests.support.capturing import Capturing, capturing
from tests.support.hostile_requests import HostileRequest, hostile_requests
from tests.support.scale import SEED, scaled

STATUSES = {200, 204, 400, 401, 404, 405, 413, 415}
REQUESTS = scaled(750_000, least=2_000)  # with those of test_fuzz_sockets.py, a million
SECONDS = 30
ROUND = 1_000


@pytest.fixture
def quiet() -> Iterator[None]:
    """No line for each refusal."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.configure(**before)


async def answered(capture: Capturing, request: HostileRequest) -> tuple[int, bytes, dict[bytes, bytes]] | None:
    """What is said, or None to a sender that left. Fails for an answer that is none, or two."""
    sent: list[Any] = []
    pieces = iter(request.pieces)
    left = len(request.pieces)

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        if left < 0 or (request.leaves and left == 0):
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": next(pieces), "more_body": left > 0}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": request.query,
        "headers": request.headers,
        "client": ("203.0.113.9", 4000),
        "server": ("capture", 80),
    }
    async with asyncio.timeout(SECONDS):
        await capture.app(scope, receive, send)
        await asyncio.sleep(0)  # cancelled timers are only swept up by a loop that gets its turn
    if request.leaves and not sent:
        return None
    start, *rest = sent
    assert start["type"] == "http.response.start"
    assert [message["type"] for message in rest] == ["http.response.body"]
    return start["status"], rest[0]["body"], dict(start["headers"])


def check(request: HostileRequest, status: int, body: bytes, headers: dict[bytes, bytes]) -> None:
    assert status in STATUSES, request
    if route_of(request.path) is None or status in (204, 405):
        return
    assert int(headers[b"content-length"]) == len(body)
    if body and dialect_of(request.path).is_json:
        assert set(json.loads(body)) in ({"results"}, {"error", "error_description", "error_uri"}), request


def check_records(capture: Capturing) -> None:
    """What was accepted is readable by whoever comes next."""
    for record in capture.log.records:
        fields = msgspec.json.decode(record.value, type=dict[str, msgspec.Raw])
        assert {"uuid", "distinct_id", "ip", "data", "now", "token", "event", "timestamp"} <= set(fields)
        record.value.decode()
        assert record.key
        assert record.key.startswith(dict(record.headers)["token"] + b":")
    capture.log.records.clear()
    capture.log.topics.clear()


def test_a_seed_gives_the_same_requests_again() -> None:
    assert list(hostile_requests(3, 20)) == list(hostile_requests(3, 20))


async def test_any_request_is_answered_and_nothing_leaks(quiet: None) -> None:
    taken, objects = 0, []
    said: dict[int, int] = {}
    # so little room for bodies that one which is not given back soon makes a 503
    async with capturing(max_inflight_body_bytes=64 * 1024) as capture:
        for number in range(max(2, REQUESTS // ROUND)):
            for request in hostile_requests((SEED or 0) * 1_000_000 + number, ROUND):
                answer = await answered(capture, request)
                if answer is not None:
                    check(request, *answer)
                    said[answer[0]] = said.get(answer[0], 0) + 1
            taken += len(capture.log.records)
            check_records(capture)
            if number in (1, max(2, REQUESTS // ROUND) - 1):
                gc.collect()
                objects.append(len(gc.get_objects()))
        assert len(asyncio.all_tasks()) == 1
    assert taken > REQUESTS // 10, "too few were right: only the front door was tried"
    assert {200, 204, 400, 401, 404, 405, 413, 415} <= set(said), said
    assert objects[-1] - objects[0] < 5_000, "objects were left behind"
