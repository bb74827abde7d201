"""0003: sessions, made from events by a view; heatmaps; what functions count; and when such rows may go.

Partitions of raw_sessions are quarters, since a session id says itself when it began and may say anything: 96 and one
for the rest stay below the 100 that one insert may touch.

heatmaps and app_metrics2 are written by a loop that inserts what is in doubt again. Copies of a row have the same
sorting key and are gone once parts are merged: whoever must not see them before reads FINAL.
"""

from libs.kit.schema.clickhouse import sessions
from libs.kit.schema.clickhouse.operations import CreateTable, CreateView, DropTable, Fill, ModifyTtl

_DURABLE: dict[str, str | int] = {"fsync_after_insert": 1, "fsync_part_directory": 1}
_BOOKKEEPING = ["_timestamp DateTime('UTC')", "_offset UInt64", "_partition UInt64"]
_QUARTER = (
    f"if(toYear({sessions.STARTED_AT}) BETWEEN 2020 AND 2043, "
    f"toYear({sessions.STARTED_AT}) * 10 + toQuarter({sessions.STARTED_AT}), 0)"
)

blocking = False
operations = [
    CreateTable(
        "raw_sessions",
        columns=sessions.COLUMNS,
        partition_by=_QUARTER,
        order_by=f"(team_id, toStartOfHour({sessions.STARTED_AT}), cityHash64(session_id_v7), session_id_v7)",
        settings=_DURABLE,
        sharding_key="cityHash64(session_id_v7)",
        aggregating=True,
    ),
    CreateView("raw_sessions_mv", "events", "raw_sessions", sessions.select()),
    Fill("events", "raw_sessions", sessions.select()),
    CreateTable(
        "heatmaps",
        columns=[
            "session_id String",
            "team_id Int64",
            "distinct_id String",
            "timestamp DateTime64(6, 'UTC')",
            # in units of scale_factor pixels
            "x Int16",
            "y Int16",
            "scale_factor Int16",
            "viewport_width Int16",
            "viewport_height Int16",
            "pointer_target_fixed Bool",
            "current_url String",
            "type LowCardinality(String)",
            # the event it was in, and the how many-eth of its points it is
            "uuid UUID",
            "item UInt32",
            *_BOOKKEEPING,
        ],
        partition_by="toYYYYMM(timestamp)",
        order_by="(type, team_id, toDate(timestamp), current_url, viewport_width, uuid, item)",
        settings=_DURABLE,
        sharding_key="cityHash64(uuid)",
        version="_timestamp",
        ttl="toDateTime(timestamp) + INTERVAL 90 DAY",
    ),
    CreateTable(
        "app_metrics2",
        columns=[
            "team_id Int64",
            "timestamp DateTime64(6, 'UTC')",
            "app_source LowCardinality(String)",
            "app_source_id String",
            "instance_id String",
            "metric_kind LowCardinality(String)",
            "metric_name LowCardinality(String)",
            "count Int64",
            *_BOOKKEEPING,
        ],
        partition_by="toYYYYMM(timestamp)",
        order_by="(team_id, app_source, app_source_id, instance_id, toStartOfHour(timestamp), metric_kind, "
        "metric_name, _timestamp, _partition, _offset)",
        settings=_DURABLE,
        sharding_key="cityHash64(app_source_id)",
        version="_timestamp",
        ttl="toDateTime(timestamp) + INTERVAL 90 DAY",
    ),
    ModifyTtl("ingestion_warnings", "toDateTime(timestamp) + INTERVAL 90 DAY", sharded=False),
]
reverse = [
    DropTable("app_metrics2"),
    DropTable("heatmaps"),
    DropTable("raw_sessions_mv", sharded=False),
    DropTable("raw_sessions"),
]
