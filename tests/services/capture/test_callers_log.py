"""Both callers of capture and what becomes of a request behind them: the log, and bugs of ours."""

from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from libs.kit.clock import SystemClock
from libs.kit.errors import LogFull, PayloadTooLarge
from libs.kit.eventlog import NewRecord
from services.capture.policies.policies import Policies
from services.capture.settings import CaptureSettings
from tests.support.capture_server import GOOD, Caller, capture_server, event, plain, post
from tests.support.capturing import KeptLog


async def test_requests_of_one_moment_share_a_produce_and_its_fate(caller: Caller) -> None:
    class Counting(KeptLog):
        produces = 0

        async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
            self.produces += 1
            await super().produce(topic, records)

    log = Counting()
    async with capture_server(caller, log=log) as server:
        clients = [await server.connect() for _ in range(20)]
        for client in clients:
            client.writer.write(post(event()))
        assert [plain(await client.said()) for client in clients] == 20 * [GOOD]
        assert log.produces < 20
        log.failure = LogFull("full")
        for client in clients:
            client.writer.write(post(event()))
        said = [await client.said() for client in clients]
        assert {one.status for one in said} == {503}
        assert {one.headers["retry-after"] for one in said} == {"2"}
        for client in clients:
            await client.close()
    assert len(log.records) == 20


async def test_one_record_that_is_too_large_for_the_log_spares_its_neighbours(caller: Caller) -> None:
    class Narrow(KeptLog):
        async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
            if any(len(record.value) > 5_000 for record in records):
                raise PayloadTooLarge("5,000 bytes are enough")
            await super().produce(topic, records)

    async with capture_server(caller, log=Narrow()) as server:
        client = await server.connect()
        await client.send(post(event("a")) + post(event("b", "x" * 6_000)) + post(event("c")))
        assert [(await client.said()).status for _ in range(3)] == [200, 413, 200]
        await client.close()
        assert [e["event"] for e in server.log.events()] == ["a", "c"]


async def test_a_bug_of_ours_is_a_500_and_the_connection_goes_on(caller: Caller) -> None:
    async with capture_server(caller) as server:
        server.log.failure = KeyError("secret")
        client = await server.connect()
        await client.send(post(event()))
        assert plain(await client.said()) == (500, b"internal server error")
        server.log.failure = None
        await client.send(post(event()))
        assert plain(await client.said()) == GOOD
        await client.close()


@pytest.mark.parametrize("step", ["route", "settled"])
async def test_a_bug_before_or_behind_the_log_is_answered_too(caller: Caller, step: str) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("secret")

    async with capture_server(caller) as server:
        working = server.intake._policies
        server.intake._policies = type("Broken", (Policies,), {step: broken})(
            Redis(port=1), SystemClock(), CaptureSettings()
        )
        client = await server.connect()
        await client.send(post(event()))
        assert plain(await client.said()) == (500, b"internal server error")
        server.intake._policies = working
        await client.send(post(event()))
        assert plain(await client.said()) == GOOD
        await client.close()
