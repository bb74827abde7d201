"""Answers that never come, engines that die, owners that do not know they are none any more."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil
import pytest

from hedgerow.embedded import engines as embedded
from hedgerow.embedded import process
from hedgerow.embedded.instance import Instance
from libs.kit.clickhouse import ClickHouse
from libs.kit.clickhouse.conditional import OnlyIf, into
from libs.kit.clickhouse.failures import NO_SUCH_ROWS
from libs.kit.clickhouse.values import parameter
from libs.kit.contracts import topics
from libs.kit.errors import Fenced, OutcomeUnknown
from libs.kit.postgres import Connection, Postgres
from libs.kit.runtime import Runtime
from libs.kit.schema.event_block import COLUMNS
from services.cdp.ingestion import worker as ingestion
from services.cdp.ingestion.persons import Link, Person, person_uuid
from services.cdp.ingestion.plan import Writes
from services.cdp.ingestion.repository import Move, PersonStore, Source
from services.cdp.raw_json import nothing
from services.cdp.writer import decide
from services.cdp.writer import worker as writer
from services.cdp.writer.copies import SeenWindow
from services.cdp.writer.rows import Row, row
from services.cdp.writer.store import EventStore, query_id, still_owner
from tests.support import engines as support
from tests.support.captured import captured_new
from tests.support.cdp_process import Forks
from tests.support.pipeline import (
    QUICK_INGESTION,
    QUICK_WRITER,
    Workers,
    drained,
    events,
    lag,
    prepare,
    rest_of,
    stored,
    until,
)

What = Literal["done", "half", "nothing"]


class SilentClickHouse:
    """The real one, but for inserts whose answer is lost: after all, half or none of their rows were stored."""

    def __init__(self, real: ClickHouse, outcomes: Iterable[What]):
        self._real = real
        self._outcomes = list(outcomes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def insert(self, table: str, body: bytes, **more: Any) -> None:
        if table != "events":  # another loop writes these
            await self._real.insert(table, body, **more)
            return
        outcome = self._outcomes.pop(0) if self._outcomes else None
        if outcome != "nothing":
            before = await self._real.query("SELECT ifNull(max(inserted_at), now64(6) - 1) FROM events")
            await self._real.insert(table, body, **more)
        if outcome == "half":
            since = f"inserted_at > toDateTime64('{before.rows[0][0]}', 6, 'UTC')"
            await self._real.execute(
                f"ALTER TABLE events DELETE WHERE {since} AND _offset % 2 SETTINGS mutations_sync = 1"
            )
        if outcome:
            raise OutcomeUnknown("no answer")


class HeldClickHouse(SilentClickHouse):
    """Begins its first insert of events only once `go` is set; `came` says that there is one."""

    def __init__(self, real: ClickHouse, outcomes: Iterable[What]):
        super().__init__(real, outcomes)
        self.go = asyncio.Event()
        self.came = asyncio.Event()

    async def insert(self, table: str, body: bytes, **more: Any) -> None:
        if table == "events":
            self.came.set()
            await self.go.wait()
        await super().insert(table, body, **more)


class SilentPostgres:
    """The real one, but for commits whose answer is lost: done or not."""

    def __init__(self, real: Postgres, outcomes: Iterable[What]):
        self._real = real
        self._outcomes = list(outcomes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        outcome = self._outcomes.pop(0) if self._outcomes else None
        async with self._real.transaction() as connection:
            yield connection
            if outcome == "nothing":
                raise OutcomeUnknown("no answer")
        if outcome:
            raise OutcomeUnknown("no answer")


@pytest.mark.parametrize("outcomes", [[], ["half"], ["nothing"]], ids=lambda outcomes: "".join(outcomes))
async def test_batch_that_was_prepared_beside_an_insert_knows_its_rows(
    runtime: Runtime, outcomes: list[What], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies of rows that are neither stored nor in the same batch, whatever becomes of the insert that holds these."""
    await prepare(runtime)
    held = HeldClickHouse(runtime.clickhouse, outcomes)
    looked_through = 0

    def in_doubt(rows: Iterable[Row], seen: SeenWindow) -> list[Row]:
        nonlocal looked_through
        looked_through += 1
        if looked_through == 2:
            held.go.set()
        return decide.in_doubt(rows, seen)

    monkeypatch.setattr(writer, "in_doubt", in_doubt)
    small = QUICK_WRITER.model_copy(update={"batch_records": 10})
    await runtime.log.produce(topics.EVENTS.name, events(10) * 4)
    async with Workers(replace(runtime, clickhouse=held), writer_settings=small):  # type: ignore[arg-type]
        await drained(runtime)  # would never be, if the second batch waited for the first one's insert
    assert await stored(runtime) == (10, 10)


async def test_inserts_of_unknown_outcome(runtime: Runtime) -> None:
    await prepare(runtime)
    silent = SilentClickHouse(runtime.clickhouse, ["half", "done", "nothing", "half", "half"])
    async with Workers(replace(runtime, clickhouse=silent)):  # type: ignore[arg-type]
        batch = events(100)
        await runtime.log.produce(topics.EVENTS.name, batch + batch[:30])
        await drained(runtime)
    assert await stored(runtime) == (100, 100)


async def test_commits_of_unknown_outcome(runtime: Runtime) -> None:
    await prepare(runtime)
    silent = SilentPostgres(runtime.postgres, ["done", "nothing", "nothing", "done"])
    async with Workers(replace(runtime, postgres=silent)):  # type: ignore[arg-type]
        for round_ in range(3):
            await runtime.log.produce(topics.EVENTS.name, [captured_new(properties={"$set": {"n": round_}})])
            await drained(runtime)
    assert await stored(runtime) == (3, 3)
    [person] = await runtime.postgres.fetch("SELECT version, properties ->> 'n' AS n FROM posthog_person")
    assert (person["version"], person["n"]) == (2, "2"), "each batch was written once"


@pytest.mark.parametrize("point", ["ingestion.after_commit", "ingestion.after_produce"])
async def test_persons_are_written_once_and_rows_emitted_again(runtime: Runtime, point: str) -> None:
    await prepare(runtime)
    batch = [captured_new(properties={"$set": {"n": index, f"k{index}": 1}}) for index in range(10)]
    await runtime.log.produce(topics.EVENTS.name, batch)
    async with Forks(runtime.settings.model_copy(update={"log_lease_seconds": 1.1})) as forks:
        await forks.start("ingestion", crash_at=point)
        assert (await forks.ended())[1] == -signal.SIGKILL
    async with Workers(runtime):
        await drained(runtime)
    assert await stored(runtime) == (10, 10)
    [person] = await runtime.postgres.fetch("SELECT version, properties::text AS properties FROM posthog_person")
    properties = json.loads(person["properties"])
    assert (person["version"], properties["n"], len(properties)) == (0, 9, 12)
    result = await runtime.clickhouse.query(
        "SELECT JSONExtractInt(properties_raw, '$set', 'n') AS n, JSONExtractInt(person_properties_raw, 'n') "
        "FROM events ORDER BY n"
    )
    assert [list(map(int, each)) for each in result.rows] == [[index, index] for index in range(10)]


async def test_second_owner_of_a_position_is_fenced(runtime: Runtime) -> None:
    await prepare(runtime)
    store, source = PersonStore(runtime.postgres), Source("log", "topic", "group")
    assert await store.positions(source, {0: 5, 1: 0}) == {0: 5, 1: 0}

    def person(name: str) -> Person:
        return Person(1, person_uuid(1, name), datetime.now(UTC), nothing())

    async def commit(name: str) -> str:
        try:
            await store.commit(
                source,
                {0: Move(5, 9), 1: Move(0, 2)},
                Writes([person(name)], [Link((1, name), person_uuid(1, name))]),
            )
        except Fenced:
            return "fenced"
        return "done"

    assert sorted(await asyncio.gather(commit("a"), commit("b"))) == ["done", "fenced"]
    rows = await runtime.postgres.fetch("SELECT count(*) AS n FROM posthog_person")
    assert rows[0]["n"] == 1, "the loser wrote nothing"
    assert await store.positions(source, {0: 0, 1: 0}) == {0: 9, 1: 2}


async def test_what_an_old_owner_still_sends_is_refused(runtime: Runtime) -> None:
    """The old owner has sent half of its insert and stands still; it wakes up when the new one has written."""
    await prepare(runtime)
    stop = asyncio.Event()
    first = asyncio.create_task(ingestion.run(runtime, QUICK_INGESTION, stop))
    await runtime.log.produce(topics.EVENTS.name, events(40))
    await until(lambda: _emitted(runtime, 40))
    rows = await _rows_in_log(runtime)
    assert len(rows) == 40
    condition = await _taken_over(runtime, rows)
    sent, written = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        for one in rows[:20]:
            yield one.line
        sent.set()
        await written.wait()
        for one in rows[20:]:
            yield one.line

    zombie = asyncio.create_task(_raw_insert(runtime, rows, condition, body()))
    await sent.wait()
    owner = asyncio.create_task(writer.run(runtime, QUICK_WRITER, stop))
    await drained(runtime)
    assert not zombie.done()
    written.set()
    assert NO_SUCH_ROWS in (await zombie).text
    stop.set()
    await asyncio.gather(owner, first)
    assert await stored(runtime) == (40, 40)


async def test_rows_that_somebody_else_stored_meanwhile_are_known(runtime: Runtime) -> None:
    """A writer that took over and is gone again, as the log sees it, for it never was the owner there."""
    await prepare(runtime)
    stop = asyncio.Event()
    first = asyncio.create_task(ingestion.run(runtime, QUICK_INGESTION, stop))
    batch = events(60)
    await runtime.log.produce(topics.EVENTS.name, batch)
    await until(lambda: _emitted(runtime, 60))
    held = HeldClickHouse(runtime.clickhouse, [])
    small = QUICK_WRITER.model_copy(update={"batch_records": 10})
    owner = asyncio.create_task(writer.run(replace(runtime, clickhouse=held), small, stop))  # type: ignore[arg-type]
    await held.came.wait()
    rows = await _rows_in_log(runtime)
    store = EventStore(runtime.clickhouse, "none", refill_seconds=60)
    partitions = {one.record.partition for one in rows}
    numbers = dict.fromkeys(partitions, await store.take_over(rows[0].log_id, partitions))
    await store.insert(rows[0].log_id, rows, numbers)
    held.go.set()
    await drained(runtime)
    assert await stored(runtime) == (60, 60)
    await runtime.log.produce(topics.EVENTS.name, batch)
    await drained(runtime)
    assert await stored(runtime) == (60, 60)
    stop.set()
    await asyncio.gather(owner, first)


async def test_two_writers_side_by_side(runtime: Runtime) -> None:
    await prepare(runtime)
    async with Workers(runtime), Workers(runtime):
        for _ in range(5):
            batch = events(40)
            await runtime.log.produce(topics.EVENTS.name, batch + batch)
            await asyncio.sleep(0.2)
        await drained(runtime)
    assert await stored(runtime) == (200, 200)


async def test_owner_that_was_stopped_for_longer_than_its_lease(runtime: Runtime) -> None:
    await prepare(runtime)
    short = runtime.settings.model_copy(update={"log_lease_seconds": 1.1})
    sent = 0
    async with Forks(short) as forks:
        for _ in range(3):
            pid = await forks.start()
            batch = events(60)
            await runtime.log.produce(topics.EVENTS.name, batch)
            sent += len(batch)
            await until(partial(_some, runtime, sent - 60))
            psutil.Process(pid).suspend()
            async with Workers(runtime):
                await runtime.log.produce(topics.EVENTS.name, batch[:10])
                psutil.Process(pid).resume()
                await drained(runtime)
            psutil.Process(pid).terminate()
            await forks.ended()
    assert await stored(runtime) == (sent, sent)


async def test_owner_that_stood_still_between_its_question_and_its_insert(runtime: Runtime) -> None:
    """It has asked the log whether it is the owner; its successor stores the rows; it wakes up and sends them."""
    await prepare(runtime)
    stop = asyncio.Event()
    async with Forks(runtime.settings.model_copy(update={"log_lease_seconds": 1.1})) as forks:
        pid = await forks.start("writer", crash_at="writer.before_insert:1:STOP")
        first = asyncio.create_task(ingestion.run(runtime, QUICK_INGESTION, stop))
        await runtime.log.produce(topics.EVENTS.name, events(60))
        await until(partial(_stands_still, pid))
        async with Workers(runtime):
            await drained(runtime)
        assert await stored(runtime) == (60, 60)
        psutil.Process(pid).resume()
        await runtime.log.produce(topics.EVENTS.name, events(20))
        await drained(runtime)  # by the one that woke up, which is alone now
        assert await stored(runtime) == (80, 80)
        psutil.Process(pid).terminate()
        assert await forks.ended() == (pid, 0)
        stop.set()
        await first


def test_clickhouse_killed_while_it_writes(tmp_path: Path) -> None:
    with support.running(tmp_path / "own") as opened:
        asyncio.run(_write_through_kills(opened))


async def _write_through_kills(opened: Instance) -> None:
    async with support.fresh_runtime(opened) as runtime:
        await prepare(runtime)
        sent = 0
        async with Workers(runtime):
            for round_ in range(3):
                batch = events(150)
                await runtime.log.produce(topics.EVENTS.name, batch)
                sent += len(batch)
                await asyncio.sleep(0.05 + round_ * 0.1)
                await asyncio.to_thread(_kill_and_restart_clickhouse, opened)
            await drained(runtime)
        assert await stored(runtime) == (sent, sent)


def _kill_and_restart_clickhouse(opened: Instance) -> None:
    [engine] = [one for one in embedded.all_of(opened) if one.name == "clickhouse"]
    for child in psutil.Process().children():
        words = child.cmdline()
        if "hedgerow.embedded.clickhouse" in words and str(opened.directory / "clickhouse") in words:
            child.kill()
            child.wait()
    started = process.start(engine.command(), (opened.directory / "logs" / "again.log").open("ab"), keep=(opened.lock,))
    process.wait_until(engine.ready, started, seconds=60)


async def _emitted(runtime: Runtime, number: int) -> bool:
    return await lag(runtime, topics.STORED_EVENTS.name, topics.WRITER_GROUP) >= number


async def _some(runtime: Runtime, more_than: int) -> bool:
    return (await stored(runtime))[0] > more_than


async def _stands_still(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


async def _taken_over(runtime: Runtime, rows: list[Row]) -> OnlyIf:
    """The condition of inserts of who took over the partitions of these rows just now."""
    log_id = await runtime.log.log_id(topics.STORED_EVENTS.name)
    partitions = {one.record.partition for one in rows}
    number = await EventStore(runtime.clickhouse, None, refill_seconds=60).take_over(log_id, partitions)
    return still_owner(log_id, dict.fromkeys(partitions, number))


async def _running(runtime: Runtime, condition: str) -> bool:
    sql = f"SELECT count() FROM system.processes WHERE startsWith(query_id, 'hedgerow-writer-') AND {condition}"
    return bool((await runtime.clickhouse.fetch(sql))[0][0])


async def _rows_in_log(runtime: Runtime) -> list[Row]:
    log_id = await runtime.log.log_id(topics.STORED_EVENTS.name)
    async with runtime.log.tail(topics.STORED_EVENTS.name, last=1000) as tail:
        made = [row(record, log_id) for record in await rest_of(tail)]
    return [one for one in made if isinstance(one, Row)]


async def _raw_insert(
    runtime: Runtime, rows: list[Row], condition: OnlyIf, body: AsyncIterator[bytes]
) -> httpx.Response:
    settings = runtime.settings
    log_id = await runtime.log.log_id(topics.STORED_EVENTS.name)
    address = {
        "database": settings.clickhouse_database,
        "query": f"INSERT INTO {into('events', COLUMNS, 'JSONEachRow', condition)}",
        **{f"param_{name}": parameter(value).decode() for name, value in condition.params.items()},
        "query_id": query_id(log_id, {one.record.partition for one in rows}),
    }
    headers = {
        "X-ClickHouse-User": settings.clickhouse_user,
        "X-ClickHouse-Key": settings.clickhouse_password.get_secret_value(),
    }
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        url = f"http://{settings.clickhouse_host}:{settings.clickhouse_http_port}/"
        return await client.post(url, params=address, headers=headers, content=body)
