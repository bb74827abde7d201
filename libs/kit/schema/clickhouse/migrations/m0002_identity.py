"""0002: persons, their distinct ids, groups, and what ingestion warns of.

Each row is a whole state under a version, and the highest version of a sorting key wins: rows may come twice and in any
order. Replicated whole to every node of a cluster, for events of every shard are joined with them.
"""

from collections.abc import Mapping

from libs.kit.schema.clickhouse.operations import CreateTable, DropTable

_DURABLE: Mapping[str, str | int] = {"fsync_after_insert": 1, "fsync_part_directory": 1}
_JSON: Mapping[str, str | int] = {
    "object_serialization_version": "v3",
    "object_shared_data_serialization_version": "advanced",
    "object_shared_data_serialization_version_for_zero_level_parts": "map_with_buckets",
    "object_shared_data_buckets_for_wide_part": 8,
}
_BOOKKEEPING = ["_timestamp DateTime('UTC')", "_offset UInt64", "_partition UInt64"]
_DISTINCT_ID = [
    "team_id Int64",
    "distinct_id String",
    "person_id UUID",
    "is_deleted Int8",
    "version Int64",
    *_BOOKKEEPING,
]

blocking = False
operations = [
    CreateTable(
        "person",
        columns=[
            "id UUID",
            "created_at DateTime64(3, 'UTC')",
            "team_id Int64",
            "properties JSON(max_dynamic_paths = 16)",
            "properties_raw String CODEC(ZSTD(3))",
            "is_identified Int8",
            "is_deleted Int8",
            "version UInt64",
            "last_seen_at Nullable(DateTime64(3, 'UTC'))",
            *_BOOKKEEPING,
        ],
        order_by="(team_id, id)",
        settings={**_JSON, **_DURABLE},
        version="version",
    ),
    CreateTable(
        "person_distinct_id2",
        columns=_DISTINCT_ID,
        order_by="(team_id, distinct_id)",
        settings={"index_granularity": 512, **_DURABLE},
        version="version",
    ),
    # those of person_distinct_id2 with a version above 0: events of theirs are stored under another person
    CreateTable(
        "person_distinct_id_overrides",
        columns=_DISTINCT_ID,
        order_by="(team_id, distinct_id)",
        settings={"index_granularity": 512, **_DURABLE},
        version="version",
    ),
    CreateTable(
        "groups",
        columns=[
            "group_type_index UInt8",
            "group_key String",
            "created_at DateTime64(3, 'UTC')",
            "team_id Int64",
            "group_properties JSON(max_dynamic_paths = 16)",
            "group_properties_raw String CODEC(ZSTD(3))",
            "version UInt64",
            *_BOOKKEEPING,
        ],
        order_by="(team_id, group_type_index, group_key)",
        settings={**_JSON, **_DURABLE},
        version="version",
    ),
    CreateTable(
        "ingestion_warnings",
        columns=[
            "team_id Int64",
            "source LowCardinality(String)",
            "type String",
            "details String CODEC(ZSTD(3))",
            "timestamp DateTime64(6, 'UTC')",
            *_BOOKKEEPING,
        ],
        partition_by="toYYYYMMDD(timestamp)",
        order_by="(team_id, toHour(timestamp), type, source, timestamp)",
        settings=_DURABLE,
    ),
]
reverse = [DropTable(table.name, sharded=False) for table in reversed(operations)]
