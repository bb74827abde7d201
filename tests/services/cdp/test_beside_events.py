"""What events leave beside their rows, through both workers and real engines: points, issues, warnings, places."""

import json
from pathlib import Path
from typing import Any

import msgspec

from libs.kit.clock import SystemClock
from libs.kit.contracts import topics
from libs.kit.contracts.capture_warnings import warning_record
from libs.kit.contracts.counts import AppMetric
from libs.kit.eventlog import NewRecord
from libs.kit.runtime import Runtime
from tests.services.cdp.ingestion.test_exceptions import frame, thrown
from tests.services.cdp.ingestion.test_geoip import BERLIN
from tests.services.cdp.ingestion.test_heatmaps import CLICK, PAGE, SIZE
from tests.support.captured import captured_new
from tests.support.mmdb import mmdb
from tests.support.pipeline import QUICK_INGESTION, TOKEN, Workers, drained, prepare

COOKIELESS = {"$cookieless_mode": True, "$raw_user_agent": "UA", "$host": "a.example"}


async def rows(runtime: Runtime, sql: str) -> list[list[Any]]:
    return [list(row) for row in (await runtime.clickhouse.query(sql)).rows]


def metric(name: str, count: int, uuid: str = "") -> NewRecord:
    said = AppMetric(
        uuid=uuid,
        team_id=1,
        timestamp=lately(),
        app_source="hog_function",
        app_source_id="f",
        metric_kind="success",
        metric_name=name,
        count=count,
    )
    return NewRecord(b"1", msgspec.json.encode(said))


def lately() -> str:
    """Young enough for tables that forget."""
    return SystemClock().now().strftime("%Y-%m-%d %H:%M:%S.000")


async def test_everything_arrives(runtime: Runtime, tmp_path: Path) -> None:
    await prepare(runtime)
    places = tmp_path / "places.mmdb"
    places.write_bytes(mmdb({"203.0.113.0/24": BERLIN}))
    now = lately().replace(" ", "T") + "Z"
    sent = [
        captured_new(event="$$heatmap", timestamp=now, properties={**SIZE, "$heatmap_data": {PAGE: [CLICK, CLICK]}}),
        captured_new(event="$exception", timestamp=now, properties={"$exception_list": [thrown(frame())]}),
        captured_new(event="$pageview", timestamp=now, properties={**COOKIELESS}),
        captured_new(event="$ai_generation", timestamp=now, properties={"$ai_input_tokens": "x"}),
        warning_record(TOKEN, "invalid_options", 3, SystemClock().now()),
    ]
    settings = QUICK_INGESTION.model_copy(update={"geoip_path": places})
    async with Workers(runtime, ingestion_settings=settings):
        await runtime.log.produce(topics.EVENTS.name, sent * 2)
        await runtime.log.produce(topics.APP_METRICS.name, [metric("succeeded", 2), metric("succeeded", 2)])
        known = metric("failed", 5, uuid="0190A1B2-0000-7000-8000-000000000001")
        await runtime.log.produce(topics.APP_METRICS.name, [known, known])
        await runtime.log.produce(topics.APP_METRICS.name, [known, metric("failed", 5, uuid="nonsense")])
        await runtime.log.produce(topics.HEATMAPS.name, [NewRecord(b"k", b'{"uuid":"no"}')])
        await drained(runtime)
    assert await rows(runtime, "SELECT x, y, item, type, current_url FROM heatmaps FINAL ORDER BY item") == [
        [1, 2, 0, "click", PAGE],
        [1, 2, 1, "click", PAGE],
    ]
    once = "SELECT metric_name, sum(count) FROM (SELECT * FROM app_metrics2 LIMIT 1 BY uuid) GROUP BY 1 ORDER BY 1"
    assert await rows(runtime, once) == [["failed", 5], ["succeeded", 4]]
    events = {name: json.loads(raw) for name, raw in await rows(runtime, "SELECT event, properties_raw FROM events")}
    # a cookieless event of a project that wants none is dropped
    assert sorted(events) == ["$ai_generation", "$exception"]
    [issue] = await runtime.postgres.fetch("SELECT id::text AS id, name FROM posthog_errortrackingissue")
    assert (events["$exception"]["$exception_issue_id"], issue["name"]) == (issue["id"], "ValueError")
    assert events["$exception"]["$geoip_city_name"] == "Berlin"
    assert events["$ai_generation"]["$ai_input_tokens"] is None
    said = "type, source, JSONExtractString(details, 'severity'), JSONExtractInt(details, 'count')"
    warned = await rows(runtime, f"SELECT {said} FROM ingestion_warnings ORDER BY type")
    assert warned == [
        ["invalid_ai_token_property", "plugin-server", "warning", 0],
        ["invalid_options", "capture", "error", 3],
    ]
