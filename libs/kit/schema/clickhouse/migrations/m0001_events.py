"""0001: events, one row each, for ever. What each choice is for and what it cost: docs/adr/0005-events-storage.md."""

from libs.kit.schema.clickhouse.operations import CreateTable, DropTable

# Read by nearly every query. Typed, they are columns of their own, whatever a project sends beside them; Nullable,
# because an absent one must not read as an empty string.
HOT_PATHS = ("$browser", "$current_url", "$device_type", "$os", "$pathname", "$session_id")

_TYPED = ", ".join(f"`{path}` Nullable(String)" for path in HOT_PATHS)

# The partition of a timestamp that is plainly wrong (before 2000, or over a day after its arrival) is 0: a broken clock
# must not scatter one insert over a hundred months. libs.kit.schema.event_row.partition_month says the same in Python.
_PARTITION = (
    "if(timestamp >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND timestamp < addDays(_timestamp, 1), "
    "toYYYYMM(timestamp), 0)"
)

blocking = False
operations = [
    CreateTable(
        "events",
        columns=[
            "uuid UUID",
            "event String",
            f"properties JSON(max_dynamic_paths = 32, {_TYPED})",
            "properties_raw String CODEC(ZSTD(3))",
            # members whose value is an object, even an empty one: the JSON column keeps leaves only
            "properties_objects Array(LowCardinality(String))",
            "timestamp DateTime64(6, 'UTC')",
            "team_id Int64",
            "project_id Int64",
            "distinct_id String",
            "elements_chain String",
            "created_at DateTime64(6, 'UTC')",
            "captured_at Nullable(DateTime64(6, 'UTC'))",
            "person_id UUID",
            "person_created_at DateTime64(3, 'UTC')",
            "person_properties JSON(max_dynamic_paths = 16)",
            "person_properties_raw String CODEC(ZSTD(3))",
            "person_mode Enum8('full' = 0, 'propertyless' = 1, 'force_upgrade' = 2)",
            "historical_migration Bool",
            "_log_id LowCardinality(String)",
            "_partition UInt32",
            "_offset UInt64",
            "_timestamp DateTime('UTC')",
            "inserted_at DateTime64(6, 'UTC') DEFAULT now64(6)",
        ],
        indexes=[
            "offset_minmax _offset TYPE minmax GRANULARITY 1",
            "arrival_minmax _timestamp TYPE minmax GRANULARITY 1",
            "uuid_bloom uuid TYPE bloom_filter(0.001) GRANULARITY 1",
        ],
        partition_by=_PARTITION,
        order_by="(team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))",
        settings={
            "object_serialization_version": "v3",
            "object_shared_data_serialization_version": "advanced",
            "object_shared_data_serialization_version_for_zero_level_parts": "map_with_buckets",
            # each bucket is files of its own: 32 (the default) made 856 files of a part with 10,000 keys, 8 make 568
            "object_shared_data_buckets_for_wide_part": 8,
            # settings of the table, not of an insert: set here, every insert is on disk before it is answered
            "fsync_after_insert": 1,
            "fsync_part_directory": 1,
        },
        sharding_key="cityHash64(distinct_id)",
    )
]
reverse = [DropTable("events")]
