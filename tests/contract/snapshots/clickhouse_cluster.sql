CREATE TABLE IF NOT EXISTS `hedgerow`.`schema_migrations` ON CLUSTER `main`
(
    number UInt32,
    name String,
    checksum String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/hedgerow/schema_migrations', '{shard}-{replica}')
ORDER BY number
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`sharded_events` ON CLUSTER `main`
(
    uuid UUID,
    event String,
    properties JSON(max_dynamic_paths = 32, `$browser` Nullable(String), `$current_url` Nullable(String), `$device_type` Nullable(String), `$os` Nullable(String), `$pathname` Nullable(String), `$session_id` Nullable(String)),
    properties_raw String CODEC(ZSTD(3)),
    properties_objects Array(LowCardinality(String)),
    timestamp DateTime64(6, 'UTC'),
    team_id Int64,
    project_id Int64,
    distinct_id String,
    elements_chain String,
    created_at DateTime64(6, 'UTC'),
    captured_at Nullable(DateTime64(6, 'UTC')),
    person_id UUID,
    person_created_at DateTime64(3, 'UTC'),
    person_properties JSON(max_dynamic_paths = 16),
    person_properties_raw String CODEC(ZSTD(3)),
    person_mode Enum8('full' = 0, 'propertyless' = 1, 'force_upgrade' = 2),
    historical_migration Bool,
    _log_id LowCardinality(String),
    _partition UInt32,
    _offset UInt64,
    _timestamp DateTime('UTC'),
    inserted_at DateTime64(6, 'UTC') DEFAULT now64(6),
    INDEX offset_minmax _offset TYPE minmax GRANULARITY 1,
    INDEX arrival_minmax _timestamp TYPE minmax GRANULARITY 1,
    INDEX uuid_bloom uuid TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/hedgerow/sharded_events', '{replica}')
PARTITION BY if(timestamp >= toDateTime64('2000-01-01 00:00:00', 6, 'UTC') AND timestamp < addDays(_timestamp, 1), toYYYYMM(timestamp), 0)
ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))
SETTINGS object_serialization_version = 'v3', object_shared_data_serialization_version = 'advanced', object_shared_data_serialization_version_for_zero_level_parts = 'map_with_buckets', object_shared_data_buckets_for_wide_part = 8, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`events` ON CLUSTER `main` AS `hedgerow`.`sharded_events`
ENGINE = Distributed('main', 'hedgerow', 'sharded_events', cityHash64(distinct_id));

CREATE TABLE IF NOT EXISTS `hedgerow`.`person` ON CLUSTER `main`
(
    id UUID,
    created_at DateTime64(3, 'UTC'),
    team_id Int64,
    properties JSON(max_dynamic_paths = 16),
    properties_raw String CODEC(ZSTD(3)),
    is_identified Int8,
    is_deleted Int8,
    version UInt64,
    last_seen_at Nullable(DateTime64(3, 'UTC')),
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/hedgerow/person', '{shard}-{replica}', version)
ORDER BY (team_id, id)
SETTINGS object_serialization_version = 'v3', object_shared_data_serialization_version = 'advanced', object_shared_data_serialization_version_for_zero_level_parts = 'map_with_buckets', object_shared_data_buckets_for_wide_part = 8, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`person_distinct_id2` ON CLUSTER `main`
(
    team_id Int64,
    distinct_id String,
    person_id UUID,
    is_deleted Int8,
    version Int64,
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/hedgerow/person_distinct_id2', '{shard}-{replica}', version)
ORDER BY (team_id, distinct_id)
SETTINGS index_granularity = 512, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`person_distinct_id_overrides` ON CLUSTER `main`
(
    team_id Int64,
    distinct_id String,
    person_id UUID,
    is_deleted Int8,
    version Int64,
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/hedgerow/person_distinct_id_overrides', '{shard}-{replica}', version)
ORDER BY (team_id, distinct_id)
SETTINGS index_granularity = 512, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`groups` ON CLUSTER `main`
(
    group_type_index UInt8,
    group_key String,
    created_at DateTime64(3, 'UTC'),
    team_id Int64,
    group_properties JSON(max_dynamic_paths = 16),
    group_properties_raw String CODEC(ZSTD(3)),
    version UInt64,
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/hedgerow/groups', '{shard}-{replica}', version)
ORDER BY (team_id, group_type_index, group_key)
SETTINGS object_serialization_version = 'v3', object_shared_data_serialization_version = 'advanced', object_shared_data_serialization_version_for_zero_level_parts = 'map_with_buckets', object_shared_data_buckets_for_wide_part = 8, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`ingestion_warnings` ON CLUSTER `main`
(
    team_id Int64,
    source LowCardinality(String),
    type String,
    details String CODEC(ZSTD(3)),
    timestamp DateTime64(6, 'UTC'),
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/hedgerow/ingestion_warnings', '{shard}-{replica}')
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (team_id, toHour(timestamp), type, source, timestamp)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
