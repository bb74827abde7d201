"""Both callers of capture and clients that are slow, leave, or still send while the server stops."""

import asyncio
import resource
from collections import Counter
from collections.abc import Sequence

from libs.kit.eventlog import NewRecord
from tests.support.capture_server import GOOD, Caller, CaptureServer, SlowLog, capture_server, event, plain, post
from tests.support.capturing import KeptLog
from tests.support.scale import scaled


async def test_a_body_that_stops_coming(caller: Caller) -> None:
    async with capture_server(caller, body_idle_timeout_seconds=0.1) as server:
        client = await server.connect()
        await client.send(post(event())[:-5])
        said = await client.said()
        assert plain(said) == (408, b"client stopped sending data")
        assert server.intake.memory.held == 0
        await client.close()


async def test_a_body_that_comes_slowly_but_comes(caller: Caller) -> None:
    async with capture_server(caller, body_idle_timeout_seconds=0.4) as server:
        client = await server.connect()
        raw = post(event())
        for start in range(0, len(raw), len(raw) // 8):
            await client.send(raw[start : start + len(raw) // 8])
            await asyncio.sleep(0.1)
        assert plain(await client.said()) == GOOD
        await client.close()


async def test_a_head_that_does_not_end(caller: Caller) -> None:
    async with capture_server(caller, hot={"head_seconds": 0.1}) as server:
        client = await server.connect()
        await client.send(b"POST /e/ HTTP/1.1\r\nHost: h\r\nX-")
        assert await client.ended() == b""


async def test_an_idle_connection_ends(caller: Caller) -> None:
    async with capture_server(caller, hot={"keep_alive_seconds": 0.1}) as server:
        silent, used = await server.connect(), await server.connect()
        await used.send(post(event()))
        assert plain(await used.said()) == GOOD
        assert await used.ended() == b""
        assert await silent.ended() == b""
        await server.settle()


async def test_many_idle_connections_cost_nobody_anything(caller: Caller) -> None:
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    idle = min(scaled(10_000, least=300), (most - 400) // 2)  # both ends are in this process
    async with capture_server(caller) as server:
        clients = [await server.connect() for _ in range(idle)]
        while server.connections < idle:
            await asyncio.sleep(0.01)
        for client in clients[:: max(1, idle // 50)]:
            await client.send(post(event()))
            assert plain(await client.said()) == GOOD
        for client in clients:
            client.writer.transport.abort()
        await server.settle()
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(server: CaptureServer) -> None:
    for cut in (3, 40, 90):
        client = await server.connect()
        await client.send(post(event())[:cut])
        while not server.connections:
            await asyncio.sleep(0.005)
        client.writer.transport.abort()
        await server.settle()
    assert server.log.records == []


async def test_a_client_that_leaves_before_the_answer_leaves_its_event(caller: Caller) -> None:
    log = SlowLog()
    async with capture_server(caller, log=log) as server:
        client = await server.connect()
        await client.send(post(event()) + post(event("b")))
        await log.asked.wait()
        client.writer.transport.abort()
        await asyncio.sleep(0.02)
        log.durable.set()
        await server.settle()
        while not log.records:
            await asyncio.sleep(0.005)
    names = [e["event"] for e in log.events()]
    assert names in (["a"], ["a", "b"])  # uvicorn never looks at the second


async def test_a_half_closed_client_still_gets_its_answers() -> None:
    """Only by the protocol class: uvicorn's own takes the end of what a client sends for the end of the client."""
    log = SlowLog()
    async with capture_server("protocol", log=log) as server:
        client = await server.connect()
        await client.send(post(event()) + post(event("b")))
        client.writer.write_eof()
        await log.asked.wait()
        log.durable.set()
        assert [plain(await client.said()) for _ in range(2)] == [GOOD, GOOD]
        assert await client.ended() == b""
        cut = await server.connect()
        await cut.send(post(event("c"))[:-1])
        cut.writer.write_eof()
        assert await cut.ended() == b""
        await server.settle()
    assert [e["event"] for e in log.events()] == ["a", "b"]


# -- stopping


async def test_stopping_under_load_loses_and_doubles_no_answer(caller: Caller) -> None:
    class Pausing(KeptLog):
        async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
            await asyncio.sleep(0.002)
            await super().produce(topic, records)

    answered: Counter[str] = Counter()
    log = Pausing()

    async def post_on_and_on(server: CaptureServer, number: int) -> None:
        client = await server.connect()
        for turn in range(100_000):
            names = [f"{number}-{turn}-{part}" for part in range(1 + number % 3)]
            try:
                await client.send(b"".join(post(event(name)) for name in names))
                for name in names:
                    assert plain(await client.said()) == GOOD
                    answered[name] += 1
                    assert len(answered) < 50_000
            except (asyncio.IncompleteReadError, OSError):
                return

    async with capture_server(caller, log=log) as server:
        posting = [asyncio.create_task(post_on_and_on(server, number)) for number in range(20)]
        while len(answered) < scaled(5_000, least=200):
            await asyncio.sleep(0.01)
    await asyncio.gather(*posting)
    kept = Counter(e["event"] for e in log.events())
    assert max(kept.values()) == max(answered.values()) == 1
    assert kept == answered  # nothing taken without an answer, nothing answered without being taken
