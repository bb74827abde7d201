"""Who took over last may insert, whatever came between; see docs/adr/0044."""

import pytest

from libs.kit.clickhouse import ClickHouse
from libs.kit.errors import Fenced
from libs.kit.eventlog import Record
from libs.kit.runtime import Runtime
from libs.kit.schema.clickhouse.runner import migrate_clickhouse
from services.cdp.writer.rows import Row, packed, row
from services.cdp.writer.store import EventStore
from tests.contract.test_event_block import record

LOG = "a log's \\ own\t'id'"


def rows(*partitions: int) -> list[Row]:
    made = [row(Record("t", one, 7, b"k", record(b'{"a":1}'), (), 1_790_000_000_000), LOG) for one in partitions]
    return [one for one in made if isinstance(one, Row)]


@pytest.fixture
async def clickhouse(runtime: Runtime) -> ClickHouse:
    await migrate_clickhouse(runtime.clickhouse, runtime.settings, runtime.clock)
    return runtime.clickhouse


async def stored(clickhouse: ClickHouse) -> list[int]:
    return [int(one) for (one,) in (await clickhouse.query("SELECT _partition FROM events ORDER BY _partition")).rows]


async def test_only_the_last_one_inserts(clickhouse: ClickHouse) -> None:
    store = EventStore(clickhouse, None, refill_seconds=1)
    first = await store.take_over(LOG, [0, 1, 2])
    second = await store.take_over(LOG, [1])
    assert second > first
    await clickhouse.execute("OPTIMIZE TABLE event_writers FINAL")  # a merge leaves out what was before
    both = rows(0, 1)
    for numbers in ({0: first, 1: first}, {0: second, 1: second}, {0: first, 1: second - 1}, {0: 0, 1: 0}):
        with pytest.raises(Fenced):
            await store.insert(LOG, both, numbers)
        with pytest.raises(Fenced):
            await store.insert(LOG, both, numbers, packed(both).block)
    assert await stored(clickhouse) == []
    await store.insert(LOG, both, {0: first, 1: second, 2: first})
    await store.insert(LOG, rows(2), {2: first}, packed(rows(2)).block)
    assert await stored(clickhouse) == [0, 1, 2]


async def test_logs_do_not_meet_and_what_is_missing_is_no_consent(clickhouse: ClickHouse) -> None:
    store = EventStore(clickhouse, "cluster", refill_seconds=1)  # no replica here, so nothing to wait for
    number = await store.take_over(LOG, [0])
    await store.take_over("another log", [0])
    await store.insert(LOG, rows(0), {0: number})
    await clickhouse.execute("TRUNCATE TABLE event_writers")
    with pytest.raises(Fenced):
        await store.insert(LOG, rows(0), {0: number})
    assert await stored(clickhouse) == [0]
