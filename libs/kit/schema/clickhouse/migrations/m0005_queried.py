"""0005: what queries may ask for beside events and people: recordings, members of cohorts, logs, past queries.

A table that nothing writes yet answers with no rows. Members of cohorts are replicated whole to every node, as persons
are, for events of every shard are held against them.
"""

from collections.abc import Mapping

from libs.kit.schema.clickhouse.operations import CreateTable, DropTable

_DURABLE: Mapping[str, str | int] = {"fsync_after_insert": 1, "fsync_part_directory": 1}
_BOOKKEEPING = ["_timestamp DateTime('UTC')", "_offset UInt64", "_partition UInt64"]
_COUNTS = (
    "click_count", "keypress_count", "mouse_activity_count", "active_milliseconds", "console_log_count",
    "console_warn_count", "console_error_count", "size", "event_count", "message_count",
)  # fmt: skip
_FIRST = "AggregateFunction(argMin, {}, DateTime64(6, 'UTC'))"

blocking = False
operations = [
    CreateTable(
        "session_replay_events",
        columns=[
            "session_id String",
            "team_id Int64",
            "distinct_id SimpleAggregateFunction(any, String)",
            "min_first_timestamp SimpleAggregateFunction(min, DateTime64(6, 'UTC'))",
            "max_last_timestamp SimpleAggregateFunction(max, DateTime64(6, 'UTC'))",
            f"first_url {_FIRST.format('Nullable(String)')}",
            "all_urls SimpleAggregateFunction(groupUniqArrayArray, Array(String))",
            *[f"{name} SimpleAggregateFunction(sum, Int64)" for name in _COUNTS],
            f"snapshot_source {_FIRST.format('Nullable(String)')}",
            f"snapshot_library {_FIRST.format('Nullable(String)')}",
            "retention_period_days SimpleAggregateFunction(max, Nullable(Int64))",
            "_timestamp SimpleAggregateFunction(max, DateTime('UTC'))",
        ],
        # the times are of a batch: rows of one session merge when they are of one month
        partition_by="toYYYYMM(min_first_timestamp)",
        order_by="(team_id, session_id)",
        settings=_DURABLE,
        sharding_key="cityHash64(session_id)",
        aggregating=True,
    ),
    CreateTable(
        "cohortpeople",
        columns=["person_id UUID", "cohort_id Int64", "team_id Int64", "sign Int8", "version UInt64"],
        order_by="(team_id, cohort_id, version, person_id)",
        settings=_DURABLE,
    ),
    CreateTable(
        "person_static_cohort",
        columns=["id UUID", "person_id UUID", "cohort_id Int64", "team_id Int64", *_BOOKKEEPING],
        order_by="(team_id, cohort_id, person_id)",
        settings=_DURABLE,
        version="_timestamp",
    ),
    CreateTable(
        "log_entries",
        columns=[
            "team_id Int64",
            "log_source LowCardinality(String)",
            "log_source_id String",
            "instance_id String",
            "timestamp DateTime64(6, 'UTC')",
            "level LowCardinality(String)",
            "message String CODEC(ZSTD(3))",
            *_BOOKKEEPING,
        ],
        partition_by="toYYYYMM(timestamp)",
        order_by="(team_id, log_source, log_source_id, instance_id, timestamp)",
        settings=_DURABLE,
        version="_timestamp",
        ttl="toDateTime(timestamp) + INTERVAL 90 DAY",
    ),
    CreateTable(
        "logs",
        columns=[
            "uuid String",
            "team_id Int64",
            "trace_id String",
            "span_id String",
            "body String CODEC(ZSTD(3))",
            "attributes String CODEC(ZSTD(3))",
            "time_bucket DateTime('UTC')",
            "timestamp DateTime64(6, 'UTC')",
            "observed_timestamp DateTime64(6, 'UTC')",
            "severity_text LowCardinality(String)",
            "severity_number Int32",
            "level LowCardinality(String)",
            "resource_attributes String CODEC(ZSTD(3))",
            "instrumentation_scope String",
            "event_name String",
            "service_name LowCardinality(String)",
        ],
        partition_by="toDate(timestamp)",
        order_by="(team_id, time_bucket, service_name, timestamp)",
        settings=_DURABLE,
        sharding_key="cityHash64(trace_id)",
    ),
    CreateTable(
        "query_log_archive",
        columns=[
            "team_id Int64",
            "event_date Date",
            "event_time DateTime64(6, 'UTC')",
            "query_id String",
            "endpoint LowCardinality(String)",
            "query String CODEC(ZSTD(3))",
            "query_start_time DateTime64(6, 'UTC')",
            "query_duration_ms UInt64",
            "hogql_name String",
            "created_by Int64",
            "read_rows UInt64",
            "read_bytes UInt64",
            "result_rows UInt64",
            "result_bytes UInt64",
            "memory_usage UInt64",
            "status LowCardinality(String)",
            "kind LowCardinality(String)",
            "exception_code Int32",
            "is_personal_api_key_request Bool",
            "cpu_microseconds UInt64",
            "RealTimeMicroseconds UInt64",
            "S3ListObjects UInt64",
            "S3HeadObject UInt64",
            "S3GetObjectAttributes UInt64",
            "S3GetObject UInt64",
            "ReadBufferFromS3Bytes UInt64",
        ],
        partition_by="toYYYYMM(event_date)",
        order_by="(team_id, event_date, event_time, query_id)",
        settings=_DURABLE,
        ttl="event_date + INTERVAL 90 DAY",
    ),
    CreateTable(
        "document_embeddings",
        columns=[
            "team_id Int64",
            "product LowCardinality(String)",
            "document_type LowCardinality(String)",
            "model_name LowCardinality(String)",
            "rendering LowCardinality(String)",
            "document_id String",
            "timestamp DateTime64(3, 'UTC')",
            "inserted_at DateTime64(3, 'UTC')",
            "content String",
            "metadata String",
            "embedding Array(Float64)",
        ],
        partition_by="toYYYYMM(timestamp)",
        order_by="(team_id, toDate(timestamp), product, document_type, model_name, rendering, document_id)",
        settings=_DURABLE,
        version="inserted_at",
        sharding_key="cityHash64(document_id)",
    ),
    CreateTable(
        "error_tracking_issue_fingerprint_overrides",
        columns=[
            "team_id Int64",
            "fingerprint String",
            "issue_id UUID",
            "is_deleted Int8",
            "version Int64",
            *_BOOKKEEPING,
        ],
        order_by="(team_id, fingerprint)",
        settings=_DURABLE,
        version="version",
    ),
]
reverse = [DropTable(table.name, sharded=table.sharding_key is not None) for table in reversed(operations)]
