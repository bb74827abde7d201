"""0009: AI events with what is asked of them as columns, for some weeks. docs/adr/0034-ai-events-have-a-table.md.

Written by the loop that inserts what is in doubt again: copies of a row have the same uuid, readers take one of each.
"""

from libs.kit.schema.clickhouse.operations import CreateTable, DropTable

_TEXTS = ("session_id", "parent_id", "span_id", "generation_id", "experiment_id", "span_name", "trace_name",
          "prompt_name", "error", "error_normalized")  # fmt: skip
_KINDS = ("span_type", "model", "provider", "framework", "error_type")
_COUNTS = (
    "total_tokens", "input_tokens", "output_tokens", "text_input_tokens", "text_output_tokens", "image_input_tokens",
    "image_output_tokens", "audio_input_tokens", "audio_output_tokens", "video_input_tokens", "video_output_tokens",
    "reasoning_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "web_search_count",
)  # fmt: skip
_NUMBERS = (
    "input_cost_usd", "output_cost_usd", "total_cost_usd", "request_cost_usd", "web_search_cost_usd", "audio_cost_usd",
    "image_cost_usd", "video_cost_usd", "latency", "time_to_first_token",
)  # fmt: skip
_LARGE = ("input", "output", "output_choices", "input_state", "output_state", "tools")

# a clock that is wrong must not keep a row for ever: what says it is of the future counts from its arrival
_GOES = "if(timestamp < addDays(_timestamp, 1), toDate(timestamp), toDate(_timestamp)) + toIntervalDay(retention_days)"

blocking = False
operations = [
    CreateTable(
        "ai_events",
        columns=[
            "uuid UUID",
            "event LowCardinality(String)",
            "timestamp DateTime64(6, 'UTC')",
            "team_id Int64",
            "distinct_id String",
            "person_id UUID",
            # without the large ones, which are columns
            "properties String CODEC(ZSTD(3))",
            "retention_days Int16 DEFAULT 30",
            "trace_id String",
            *[f"{name} Nullable(String)" for name in _TEXTS],
            *[f"{name} LowCardinality(Nullable(String))" for name in _KINDS],
            *[f"{name} Nullable(Int64)" for name in _COUNTS],
            *[f"{name} Nullable(Float64)" for name in _NUMBERS],
            "is_error UInt8",
            *[f"{name} Nullable(String) CODEC(ZSTD(3))" for name in _LARGE],
            "_timestamp DateTime('UTC')",
            "_offset UInt64",
            "_partition UInt64",
        ],
        indexes=[
            "uuid_bloom uuid TYPE bloom_filter(0.001) GRANULARITY 1",
            "trace_id_bloom trace_id TYPE bloom_filter(0.001) GRANULARITY 1",
            "session_id_bloom session_id TYPE bloom_filter(0.01) GRANULARITY 1",
        ],
        partition_by=f"toYYYYMM({_GOES})",
        order_by="(team_id, trace_id, timestamp, uuid)",
        settings={"fsync_after_insert": 1, "fsync_part_directory": 1},
        # one trace on one shard; events of none are spread
        sharding_key="cityHash64(if(trace_id = '', toString(uuid), trace_id))",
        version="_timestamp",
        ttl=_GOES,
    )
]
reverse = [DropTable("ai_events")]
