"""raw_sessions: what the view makes of events, and that feeding it twice changes nothing."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.kit.clickhouse import ClickHouse
from libs.kit.clock import SystemClock
from libs.kit.schema.clickhouse import sessions
from libs.kit.schema.clickhouse.runner import migrate_clickhouse
from libs.kit.settings import KitSettings
from tests.contract.test_events_storage import event, line

ONE, TWO = "0193f2f0-0000-7abc-9abc-000000000001", "0193f2f0-0000-7abc-9abc-000000000002"
READ = """
    SELECT
        toString(reinterpretAsUUID(bitOr(bitShiftLeft(session_id_v7, 64), bitShiftRight(session_id_v7, 64)))) AS id,
        argMaxMerge(distinct_id), toString(min(min_timestamp)), toString(max(max_timestamp)),
        arraySort(groupUniqArrayArray(urls)), argMinMerge(entry_url), argMaxMerge(end_url),
        argMaxMerge(last_external_click_url), argMinMerge(initial_utm_source), argMinMerge(initial_viewport_width),
        uniqMerge(pageview_uniq), uniqMerge(autocapture_uniq), uniqMerge(screen_uniq),
        uniqUpToMerge(1)(page_screen_autocapture_uniq_up_to), argMinMerge(vitals_lcp)
    FROM raw_sessions WHERE team_id = 1 GROUP BY session_id_v7 ORDER BY id
"""


@pytest.fixture
async def clickhouse(fresh_settings: KitSettings) -> AsyncIterator[ClickHouse]:
    client = ClickHouse(fresh_settings, SystemClock())
    await client.open()
    await migrate_clickhouse(client, fresh_settings, SystemClock())
    yield client
    await client.execute(f"DROP DATABASE {fresh_settings.clickhouse_database}")
    await client.close()


def visit(session: str, minute: int, name: str = "$pageview", distinct_id: str = "u1", **properties: Any) -> bytes:
    raw = json.dumps({"$session_id": session, **properties}).encode()
    at = f"2026-11-20 10:{minute:02}:00.000"
    return line(event(raw, event=name, timestamp=at, distinct_id=distinct_id))


def url(path: str) -> dict[str, str]:
    return {"$current_url": f"https://a.example/{path}"}


VISITS = [
    visit(ONE, 5, distinct_id="anon", **url("b")),
    visit(ONE, 3, distinct_id="anon", utm_source="news", **{"$viewport_width": 1600}, **url("a")),
    visit(ONE, 6, "$autocapture", **{"$external_click_url": "https://b.example/"}, **url("b")),
    visit(ONE, 9, "$web_vitals", **{"$web_vitals_LCP_value": 812.5}, **url("c")),
    visit(TWO, 7, "sent by a server"),
    visit("0193f2f0-0000-4abc-9abc-000000000003", 7),  # not of version 7
    visit("mine", 7),
]
SESSIONS = [
    [
        *(ONE, "u1", "2026-11-20 10:03:00.000000", "2026-11-20 10:09:00.000000"),
        [f"https://a.example/{path}" for path in "abc"],
        *("https://a.example/a", "https://a.example/c", "https://b.example/", "news", 1600, 2, 1, 0, 2, 812.5),
    ],
    [
        *(TWO, "u1", "2026-11-20 10:07:00.000000", "2026-11-20 10:07:00.000000"),
        *([], "", "", None, "", 0, 0, 0, 0, 0, None),
    ],
]


@pytest.mark.parametrize("size", [1, len(VISITS)])
async def test_a_session_is_made_of_its_events_however_they_come(clickhouse: ClickHouse, size: int) -> None:
    for start in range(0, len(VISITS), size):
        await clickhouse.insert("events", b"".join(VISITS[start : start + size]))
    assert (await clickhouse.query(READ)).rows == SESSIONS
    again = f"INSERT INTO raw_sessions {sessions.select('events')}"
    await clickhouse.execute(again)
    assert (await clickhouse.query(READ)).rows == SESSIONS
    await clickhouse.execute("OPTIMIZE TABLE raw_sessions FINAL")
    assert (await clickhouse.query(READ)).rows == SESSIONS
    assert (await clickhouse.query("SELECT count() FROM raw_sessions")).rows == [[2]]


async def test_sessions_that_claim_any_time_do_not_refuse_events(clickhouse: ClickHouse) -> None:
    """Each id names a month of its own; an insert may touch a hundred partitions."""
    month_ms = 30 * 24 * 3600 * 1000
    ids = [f"{(number * month_ms):012x}" for number in range(3000)]
    rows = [visit(f"{each[:8]}-{each[8:]}-7abc-9abc-000000000001", 1) for each in ids]
    await clickhouse.insert("events", b"".join(rows))
    result = await clickhouse.query("SELECT count(), uniqExact(session_id_v7) FROM raw_sessions")
    assert result.rows == [[3000, 3000]]


async def test_no_value_of_a_property_refuses_events(clickhouse: ClickHouse) -> None:
    names = ["$session_id", "$web_vitals_LCP_value", *(name for _, name, _ in sessions.INITIAL), "$external_click_url"]
    for value in [None, 5, "", {"a": 1}, [1], "x" * 10_000, 1e300, "\0", "🦔"]:
        await clickhouse.insert("events", visit(**{"session": ONE, "minute": 1, **dict.fromkeys(names[1:], value)}))
        await clickhouse.insert("events", line(event(json.dumps(dict.fromkeys(names, value)).encode())))
    await clickhouse.execute("OPTIMIZE TABLE raw_sessions FINAL")
    assert (await clickhouse.query("SELECT count() FROM raw_sessions")).rows == [[1]]


async def test_who_may_go_and_when(clickhouse: ClickHouse) -> None:
    asked = (
        "SELECT name, extract(engine_full, 'TTL (.*) SETTINGS') FROM system.tables WHERE database = currentDatabase()"
    )
    ninety = "toDateTime(timestamp) + toIntervalDay(90)"
    kept = {name: ttl for name, ttl in (await clickhouse.query(asked)).rows if ttl}
    tables = ("heatmaps", "app_metrics2", "ingestion_warnings", "log_entries", "logs", "document_embeddings")
    assert kept == {
        **dict.fromkeys(tables, ninety),
        "ai_events": "if(timestamp < addDays(_timestamp, 1), toDate(timestamp), toDate(_timestamp)) + "
        "toIntervalDay(retention_days)",
        "query_log_archive": "event_date + toIntervalDay(90)",
        "session_replay_events": "toDateTime(max_last_timestamp) + toIntervalDay(ifNull(retention_period_days, 30))",
    }
