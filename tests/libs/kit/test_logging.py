"""What libraries repeat is said once in a while, with how often it was not; what we say ourselves always is."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from libs.kit.logging import MAX_REMEMBERED, Repeats, configure_logging, get_logger
from libs.kit.metrics import LOG_LINES_LEFT_OUT
from tests.support.ports import free_port


class Written:
    """The lines of a process whose clock stands still unless it is told."""

    def __init__(self, stream: io.StringIO):
        self._stream = stream
        self.now = 0.0

    def lines(self) -> list[dict[str, Any]]:
        """Written since this was last asked."""
        found = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        self._stream.seek(0)
        self._stream.truncate()
        return found


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("info", service="test", version="0")
    found = Written(stream)
    [handler] = root.handlers
    [repeats] = handler.filters
    assert isinstance(repeats, Repeats)
    monkeypatch.setattr(repeats, "_now", lambda: found.now)
    yield found
    root.handlers[:] = handlers
    root.setLevel(level)


def left_out(library: str) -> float:
    return LOG_LINES_LEFT_OUT.labels(library)._value.get()


def test_a_library_that_repeats_itself(written: Written) -> None:
    before = left_out("alib")
    lib = logging.getLogger("alib.conn")
    for number in range(300):
        written.now = number * 0.09
        lib.error("no route to %s", f"broker {number}")
    first, second, third = written.lines()
    assert (first["event"], first["level"], first["logger"]) == ("no route to broker 0", "error", "alib.conn")
    assert "left_out" not in first
    assert (second["event"], second["left_out"]) == ("no route to broker 112", 111)
    assert third["left_out"] == 111
    assert left_out("alib") - before == 297


def test_what_differs_is_said(written: Written) -> None:
    lib, other = logging.getLogger("alib"), logging.getLogger("blib")
    for _ in range(3):
        lib.error("away")
        lib.warning("away")
        lib.error("away again")
        other.error("away")
        for kind in (ValueError, KeyError):
            try:
                raise kind("x")
            except kind:
                lib.exception("failed")
    assert [(line["logger"], line["level"], line["event"]) for line in written.lines()] == [
        ("alib", "error", "away"),
        ("alib", "warning", "away"),
        ("alib", "error", "away again"),
        ("blib", "error", "away"),
        ("alib", "error", "failed"),
        ("alib", "error", "failed"),
    ]


def test_our_own_lines_all_pass(written: Written) -> None:
    for number in range(5):
        get_logger("services.x").warning("row_refused", offset=number)
    assert [line["offset"] for line in written.lines()] == [0, 1, 2, 3, 4]


def test_what_is_remembered_is_bounded() -> None:
    repeats = Repeats(10, lambda: 0)

    def passes(text: str) -> bool:
        return repeats.filter(logging.LogRecord("a", logging.ERROR, "f", 1, text, (), None))

    assert passes("first")
    for number in range(MAX_REMEMBERED):
        assert passes(str(number))
    assert len(repeats._said) == MAX_REMEMBERED
    assert passes("first")  # forgotten
    assert not passes(str(MAX_REMEMBERED - 1))


async def test_aiokafka_without_a_broker(written: Written) -> None:
    broker = f"127.0.0.1:{free_port()}"
    for _ in range(5):
        producer = AIOKafkaProducer(bootstrap_servers=broker, request_timeout_ms=500)
        with pytest.raises(KafkaConnectionError):
            async with asyncio.timeout(20):
                await producer.start()
        await producer.stop()
    lines = [line for line in written.lines() if line["logger"].startswith("aiokafka")]
    assert any(broker in line["event"] for line in lines)
    assert len(lines) == len({(line["logger"], line["level"], line["event"].partition(":")[0]) for line in lines})
    assert left_out("aiokafka") >= 4
