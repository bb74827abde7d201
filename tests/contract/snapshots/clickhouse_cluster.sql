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

CREATE TABLE IF NOT EXISTS `hedgerow`.`sharded_raw_sessions` ON CLUSTER `main`
(
    team_id Int64,
    session_id_v7 UInt128,
    distinct_id AggregateFunction(argMax, String, DateTime64(6, 'UTC')),
    person_id AggregateFunction(argMax, UUID, DateTime64(6, 'UTC')),
    min_timestamp SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    max_timestamp SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    max_inserted_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    urls SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    end_url AggregateFunction(argMax, String, DateTime64(6, 'UTC')),
    last_external_click_url AggregateFunction(argMax, Nullable(String), DateTime64(6, 'UTC')),
    entry_url AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_referring_domain AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_referrer AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_utm_source AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_utm_campaign AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_utm_medium AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_utm_term AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_utm_content AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_gclid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_gad_source AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_gclsrc AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_dclid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_gbraid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_wbraid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_fbclid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_msclkid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_twclid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_li_fat_id AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_mc_cid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_igshid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_ttclid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_epik AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_qclid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_sccid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial__kx AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_irclid AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_browser AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_browser_version AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_os AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_os_version AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_device_type AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_viewport_width AggregateFunction(argMin, Int64, DateTime64(6, 'UTC')),
    initial_viewport_height AggregateFunction(argMin, Int64, DateTime64(6, 'UTC')),
    initial_geoip_country_code AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_geoip_subdivision_1_code AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_geoip_subdivision_1_name AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_geoip_subdivision_city_name AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    initial_geoip_time_zone AggregateFunction(argMin, String, DateTime64(6, 'UTC')),
    pageview_uniq AggregateFunction(uniq, Nullable(UUID)),
    autocapture_uniq AggregateFunction(uniq, Nullable(UUID)),
    screen_uniq AggregateFunction(uniq, Nullable(UUID)),
    page_screen_autocapture_uniq_up_to AggregateFunction(uniqUpTo(1), Nullable(UUID)),
    vitals_lcp AggregateFunction(argMin, Nullable(Float64), DateTime64(6, 'UTC'))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/hedgerow/sharded_raw_sessions', '{replica}')
PARTITION BY if(toYear(toDateTime(intDiv(toUInt64(bitShiftRight(session_id_v7, 80)), 1000), 'UTC')) BETWEEN 2020 AND 2043, toYear(toDateTime(intDiv(toUInt64(bitShiftRight(session_id_v7, 80)), 1000), 'UTC')) * 10 + toQuarter(toDateTime(intDiv(toUInt64(bitShiftRight(session_id_v7, 80)), 1000), 'UTC')), 0)
ORDER BY (team_id, toStartOfHour(toDateTime(intDiv(toUInt64(bitShiftRight(session_id_v7, 80)), 1000), 'UTC')), cityHash64(session_id_v7), session_id_v7)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`raw_sessions` ON CLUSTER `main` AS `hedgerow`.`sharded_raw_sessions`
ENGINE = Distributed('main', 'hedgerow', 'sharded_raw_sessions', cityHash64(session_id_v7));

CREATE MATERIALIZED VIEW IF NOT EXISTS `hedgerow`.`raw_sessions_mv` ON CLUSTER `main` TO `hedgerow`.`sharded_raw_sessions` AS
SELECT
    team_id, session_id_v7, distinct_id, person_id, min_timestamp, max_timestamp, max_inserted_at, urls, end_url,
    last_external_click_url,
    initializeAggregation('argMinState', tupleElement(said, '$current_url'), first_at) AS entry_url,
    initializeAggregation('argMinState', tupleElement(said, '$referring_domain'), first_at) AS initial_referring_domain,
    initializeAggregation('argMinState', tupleElement(said, '$referrer'), first_at) AS initial_referrer,
    initializeAggregation('argMinState', tupleElement(said, 'utm_source'), first_at) AS initial_utm_source,
    initializeAggregation('argMinState', tupleElement(said, 'utm_campaign'), first_at) AS initial_utm_campaign,
    initializeAggregation('argMinState', tupleElement(said, 'utm_medium'), first_at) AS initial_utm_medium,
    initializeAggregation('argMinState', tupleElement(said, 'utm_term'), first_at) AS initial_utm_term,
    initializeAggregation('argMinState', tupleElement(said, 'utm_content'), first_at) AS initial_utm_content,
    initializeAggregation('argMinState', tupleElement(said, 'gclid'), first_at) AS initial_gclid,
    initializeAggregation('argMinState', tupleElement(said, 'gad_source'), first_at) AS initial_gad_source,
    initializeAggregation('argMinState', tupleElement(said, 'gclsrc'), first_at) AS initial_gclsrc,
    initializeAggregation('argMinState', tupleElement(said, 'dclid'), first_at) AS initial_dclid,
    initializeAggregation('argMinState', tupleElement(said, 'gbraid'), first_at) AS initial_gbraid,
    initializeAggregation('argMinState', tupleElement(said, 'wbraid'), first_at) AS initial_wbraid,
    initializeAggregation('argMinState', tupleElement(said, 'fbclid'), first_at) AS initial_fbclid,
    initializeAggregation('argMinState', tupleElement(said, 'msclkid'), first_at) AS initial_msclkid,
    initializeAggregation('argMinState', tupleElement(said, 'twclid'), first_at) AS initial_twclid,
    initializeAggregation('argMinState', tupleElement(said, 'li_fat_id'), first_at) AS initial_li_fat_id,
    initializeAggregation('argMinState', tupleElement(said, 'mc_cid'), first_at) AS initial_mc_cid,
    initializeAggregation('argMinState', tupleElement(said, 'igshid'), first_at) AS initial_igshid,
    initializeAggregation('argMinState', tupleElement(said, 'ttclid'), first_at) AS initial_ttclid,
    initializeAggregation('argMinState', tupleElement(said, 'epik'), first_at) AS initial_epik,
    initializeAggregation('argMinState', tupleElement(said, 'qclid'), first_at) AS initial_qclid,
    initializeAggregation('argMinState', tupleElement(said, 'sccid'), first_at) AS initial_sccid,
    initializeAggregation('argMinState', tupleElement(said, '_kx'), first_at) AS initial__kx,
    initializeAggregation('argMinState', tupleElement(said, 'irclid'), first_at) AS initial_irclid,
    initializeAggregation('argMinState', tupleElement(said, '$browser'), first_at) AS initial_browser,
    initializeAggregation('argMinState', tupleElement(said, '$browser_version'), first_at) AS initial_browser_version,
    initializeAggregation('argMinState', tupleElement(said, '$os'), first_at) AS initial_os,
    initializeAggregation('argMinState', tupleElement(said, '$os_version'), first_at) AS initial_os_version,
    initializeAggregation('argMinState', tupleElement(said, '$device_type'), first_at) AS initial_device_type,
    initializeAggregation('argMinState', tupleElement(said, '$viewport_width'), first_at) AS initial_viewport_width,
    initializeAggregation('argMinState', tupleElement(said, '$viewport_height'), first_at) AS initial_viewport_height,
    initializeAggregation('argMinState', tupleElement(said, '$geoip_country_code'), first_at) AS initial_geoip_country_code,
    initializeAggregation('argMinState', tupleElement(said, '$geoip_subdivision_1_code'), first_at) AS initial_geoip_subdivision_1_code,
    initializeAggregation('argMinState', tupleElement(said, '$geoip_subdivision_1_name'), first_at) AS initial_geoip_subdivision_1_name,
    initializeAggregation('argMinState', tupleElement(said, '$geoip_city_name'), first_at) AS initial_geoip_subdivision_city_name,
    initializeAggregation('argMinState', tupleElement(said, '$geoip_time_zone'), first_at) AS initial_geoip_time_zone,
    pageview_uniq, autocapture_uniq, screen_uniq, page_screen_autocapture_uniq_up_to, vitals_lcp
FROM
(
    SELECT
        events.team_id AS team_id,
        toUInt128(accurateCastOrDefault(ifNull(properties.`$session_id`, ''), 'UUID')) AS session_id_v7,
        argMaxState(events.distinct_id, events.timestamp) AS distinct_id,
        argMaxState(events.person_id, events.timestamp) AS person_id,
        min(events.timestamp) AS first_at,
        minSimpleState(events.timestamp) AS min_timestamp,
        maxSimpleState(events.timestamp) AS max_timestamp,
        maxSimpleState(events.inserted_at) AS max_inserted_at,
        groupUniqArrayArraySimpleState(if(ifNull(properties.`$current_url`, '') = '', [], [ifNull(properties.`$current_url`, '')])) AS urls,
        argMaxState(ifNull(properties.`$current_url`, ''), events.timestamp) AS end_url,
        argMaxState(nullIf(CAST(properties.`$external_click_url`, 'Nullable(String)'), ''), events.timestamp) AS last_external_click_url,
        uniqState(if(event IN ('$pageview'), uuid, NULL)) AS pageview_uniq,
        uniqState(if(event IN ('$autocapture'), uuid, NULL)) AS autocapture_uniq,
        uniqState(if(event IN ('$screen'), uuid, NULL)) AS screen_uniq,
        uniqUpToState(1)(if(event IN ('$pageview', '$screen', '$autocapture'), uuid, NULL)) AS page_screen_autocapture_uniq_up_to,
        argMinState(accurateCastOrNull(nullIf(CAST(properties.`$web_vitals_LCP_value`, 'Nullable(String)'), ''), 'Float64'), events.timestamp) AS vitals_lcp,
        JSONExtract(argMin(properties_raw, events.timestamp), 'Tuple(`$current_url` String, `$referring_domain` String, `$referrer` String, `utm_source` String, `utm_campaign` String, `utm_medium` String, `utm_term` String, `utm_content` String, `gclid` String, `gad_source` String, `gclsrc` String, `dclid` String, `gbraid` String, `wbraid` String, `fbclid` String, `msclkid` String, `twclid` String, `li_fat_id` String, `mc_cid` String, `igshid` String, `ttclid` String, `epik` String, `qclid` String, `sccid` String, `_kx` String, `irclid` String, `$browser` String, `$browser_version` String, `$os` String, `$os_version` String, `$device_type` String, `$viewport_width` Int64, `$viewport_height` Int64, `$geoip_country_code` String, `$geoip_subdivision_1_code` String, `$geoip_subdivision_1_name` String, `$geoip_city_name` String, `$geoip_time_zone` String)') AS said
    FROM `hedgerow`.`sharded_events` AS events
    WHERE bitAnd(bitShiftRight(session_id_v7, 76), 15) = 7 AND bitAnd(bitShiftRight(session_id_v7, 62), 3) = 2 AND 1
    GROUP BY team_id, session_id_v7
);

INSERT INTO `hedgerow`.`raw_sessions`
SELECT
    team_id, session_id_v7, distinct_id, person_id, min_timestamp, max_timestamp, max_inserted_at, urls, end_url,
    last_external_click_url,
    initializeAggregation('argMinState', tupleElement(said, '$current_url'), first_at) AS entry_url,
    initializeAggregation('argMinState', tupleElement(said, '$referring_domain'), first_at) AS initial_referring_domain,
    initializeAggregation('argMinState', tupleElement(said, '$referrer'), first_at) AS initial_referrer,
    initializeAggregation('argMinState', tupleElement(said, 'utm_source'), first_at) AS initial_utm_source,
    initializeAggregation('argMinState', tupleElement(said, 'utm_campaign'), first_at) AS initial_utm_campaign,
    initializeAggregation('argMinState', tupleElement(said, 'utm_medium'), first_at) AS initial_utm_medium,
    initializeAggregation('argMinState', tupleElement(said, 'utm_term'), first_at) AS initial_utm_term,
    initializeAggregation('argMinState', tupleElement(said, 'utm_content'), first_at) AS initial_utm_content,
    initializeAggregation('argMinState', tupleElement(said, 'gclid'), first_at) AS initial_gclid,
    initializeAggregation('argMinState', tupleElement(said, 'gad_source'), first_at) AS initial_gad_source,
    initializeAggregation('argMinState', tupleElement(said, 'gclsrc'), first_at) AS initial_gclsrc,
    initializeAggregation('argMinState', tupleElement(said, 'dclid'), first_at) AS initial_dclid,
    initializeAggregation('argMinState', tupleElement(said, 'gbraid'), first_at) AS initial_gbraid,
    initializeAggregation('argMinState', tupleElement(said, 'wbraid'), first_at) AS initial_wbraid,
    initializeAggregation('argMinState', tupleElement(said, 'fbclid'), first_at) AS initial_fbclid,
    initializeAggregation('argMinState', tupleElement(said, 'msclkid'), first_at) AS initial_msclkid,
    initializeAggregation('argMinState', tupleElement(said, 'twclid'), first_at) AS initial_twclid,
    initializeAggregation('argMinState', tupleElement(said, 'li_fat_id'), first_at) AS initial_li_fat_id,
    initializeAggregation('argMinState', tupleElement(said, 'mc_cid'), first_at) AS initial_mc_cid,
    initializeAggregation('argMinState', tupleElement(said, 'igshid'), first_at) AS initial_igshid,
    initializeAggregation('argMinState', tupleElement(said, 'ttclid'), first_at) AS initial_ttclid,
    initializeAggregation('argMinState', tupleElement(said, 'epik'), first_at) AS initial_epik,
    initializeAggregation('argMinState', tupleElement(said, 'qclid'), first_at) AS initial_qclid,
    initializeAggregation('argMinState', tupleElement(said, 'sccid'), first_at) AS initial_sccid,
    initializeAggregation('argMinState', tupleElement(said, '_kx'), first_at) AS initial__kx,
    initializeAggregation('argMinState', tupleElement(said, 'irclid'), first_at) AS initial_irclid,
    initializeAggregation('argMinState', tupleElement(said, '$browser'), first_at) AS initial_browser,
    initializeAggregation('argMinState', tupleElement(said, '$browser_version'), first_at) AS initial_browser_version,
    initializeAggregation('argMinState', tupleElement(said, '$os'), first_at) AS initial_os,
    initializeAggregation('argMinState', tupleElement(said, '$os_version'), first_at) AS initial_os_version,
    initializeAggregation('argMinState', tupleElement(said, '$device_type'), first_at) AS initial_device_type,
    initializeAggregation('argMinState', tupleElement(said, '$viewport_width'), first_at) AS initial_viewport_width,
    initializeAggregation('argMinState', tupleElement(said, '$viewport_height'), first_at) AS initial_viewport_height,
    initializeAggregation('argMinState', tupleElement(said, '$geoip_country_code'), first_at) AS initial_geoip_country_code,
    initializeAggregation('argMinState', tupleElement(said, '$geoip_subdivision_1_code'), first_at) AS initial_geoip_subdivision_1_code,
    initializeAggregation('argMinState', tupleElement(said, '$geoip_subdivision_1_name'), first_at) AS initial_geoip_subdivision_1_name,
    initializeAggregation('argMinState', tupleElement(said, '$geoip_city_name'), first_at) AS initial_geoip_subdivision_city_name,
    initializeAggregation('argMinState', tupleElement(said, '$geoip_time_zone'), first_at) AS initial_geoip_time_zone,
    pageview_uniq, autocapture_uniq, screen_uniq, page_screen_autocapture_uniq_up_to, vitals_lcp
FROM
(
    SELECT
        events.team_id AS team_id,
        toUInt128(accurateCastOrDefault(ifNull(properties.`$session_id`, ''), 'UUID')) AS session_id_v7,
        argMaxState(events.distinct_id, events.timestamp) AS distinct_id,
        argMaxState(events.person_id, events.timestamp) AS person_id,
        min(events.timestamp) AS first_at,
        minSimpleState(events.timestamp) AS min_timestamp,
        maxSimpleState(events.timestamp) AS max_timestamp,
        maxSimpleState(events.inserted_at) AS max_inserted_at,
        groupUniqArrayArraySimpleState(if(ifNull(properties.`$current_url`, '') = '', [], [ifNull(properties.`$current_url`, '')])) AS urls,
        argMaxState(ifNull(properties.`$current_url`, ''), events.timestamp) AS end_url,
        argMaxState(nullIf(CAST(properties.`$external_click_url`, 'Nullable(String)'), ''), events.timestamp) AS last_external_click_url,
        uniqState(if(event IN ('$pageview'), uuid, NULL)) AS pageview_uniq,
        uniqState(if(event IN ('$autocapture'), uuid, NULL)) AS autocapture_uniq,
        uniqState(if(event IN ('$screen'), uuid, NULL)) AS screen_uniq,
        uniqUpToState(1)(if(event IN ('$pageview', '$screen', '$autocapture'), uuid, NULL)) AS page_screen_autocapture_uniq_up_to,
        argMinState(accurateCastOrNull(nullIf(CAST(properties.`$web_vitals_LCP_value`, 'Nullable(String)'), ''), 'Float64'), events.timestamp) AS vitals_lcp,
        JSONExtract(argMin(properties_raw, events.timestamp), 'Tuple(`$current_url` String, `$referring_domain` String, `$referrer` String, `utm_source` String, `utm_campaign` String, `utm_medium` String, `utm_term` String, `utm_content` String, `gclid` String, `gad_source` String, `gclsrc` String, `dclid` String, `gbraid` String, `wbraid` String, `fbclid` String, `msclkid` String, `twclid` String, `li_fat_id` String, `mc_cid` String, `igshid` String, `ttclid` String, `epik` String, `qclid` String, `sccid` String, `_kx` String, `irclid` String, `$browser` String, `$browser_version` String, `$os` String, `$os_version` String, `$device_type` String, `$viewport_width` Int64, `$viewport_height` Int64, `$geoip_country_code` String, `$geoip_subdivision_1_code` String, `$geoip_subdivision_1_name` String, `$geoip_city_name` String, `$geoip_time_zone` String)') AS said
    FROM `hedgerow`.`events` AS events
    WHERE bitAnd(bitShiftRight(session_id_v7, 76), 15) = 7 AND bitAnd(bitShiftRight(session_id_v7, 62), 3) = 2 AND 1
    GROUP BY team_id, session_id_v7
);

CREATE TABLE IF NOT EXISTS `hedgerow`.`sharded_heatmaps` ON CLUSTER `main`
(
    session_id String,
    team_id Int64,
    distinct_id String,
    timestamp DateTime64(6, 'UTC'),
    x Int16,
    y Int16,
    scale_factor Int16,
    viewport_width Int16,
    viewport_height Int16,
    pointer_target_fixed Bool,
    current_url String,
    type LowCardinality(String),
    uuid UUID,
    item UInt32,
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/hedgerow/sharded_heatmaps', '{replica}', _timestamp)
PARTITION BY toYYYYMM(timestamp)
ORDER BY (type, team_id, toDate(timestamp), current_url, viewport_width, uuid, item)
TTL toDateTime(timestamp) + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`heatmaps` ON CLUSTER `main` AS `hedgerow`.`sharded_heatmaps`
ENGINE = Distributed('main', 'hedgerow', 'sharded_heatmaps', cityHash64(uuid));

CREATE TABLE IF NOT EXISTS `hedgerow`.`sharded_app_metrics2` ON CLUSTER `main`
(
    team_id Int64,
    timestamp DateTime64(6, 'UTC'),
    app_source LowCardinality(String),
    app_source_id String,
    instance_id String,
    metric_kind LowCardinality(String),
    metric_name LowCardinality(String),
    count Int64,
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/hedgerow/sharded_app_metrics2', '{replica}', _timestamp)
PARTITION BY toYYYYMM(timestamp)
ORDER BY (team_id, app_source, app_source_id, instance_id, toStartOfHour(timestamp), metric_kind, metric_name, _timestamp, _partition, _offset)
TTL toDateTime(timestamp) + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`app_metrics2` ON CLUSTER `main` AS `hedgerow`.`sharded_app_metrics2`
ENGINE = Distributed('main', 'hedgerow', 'sharded_app_metrics2', cityHash64(app_source_id));

ALTER TABLE `hedgerow`.`ingestion_warnings` ON CLUSTER `main` MODIFY TTL toDateTime(timestamp) + INTERVAL 90 DAY;

CREATE TABLE IF NOT EXISTS `hedgerow`.`sharded_session_replay_events` ON CLUSTER `main`
(
    session_id String,
    team_id Int64,
    distinct_id SimpleAggregateFunction(any, String),
    min_first_timestamp SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    max_last_timestamp SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    first_url AggregateFunction(argMin, Nullable(String), DateTime64(6, 'UTC')),
    all_urls SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    click_count SimpleAggregateFunction(sum, Int64),
    keypress_count SimpleAggregateFunction(sum, Int64),
    mouse_activity_count SimpleAggregateFunction(sum, Int64),
    active_milliseconds SimpleAggregateFunction(sum, Int64),
    console_log_count SimpleAggregateFunction(sum, Int64),
    console_warn_count SimpleAggregateFunction(sum, Int64),
    console_error_count SimpleAggregateFunction(sum, Int64),
    size SimpleAggregateFunction(sum, Int64),
    event_count SimpleAggregateFunction(sum, Int64),
    message_count SimpleAggregateFunction(sum, Int64),
    snapshot_source AggregateFunction(argMin, Nullable(String), DateTime64(6, 'UTC')),
    snapshot_library AggregateFunction(argMin, Nullable(String), DateTime64(6, 'UTC')),
    retention_period_days SimpleAggregateFunction(max, Nullable(Int64)),
    _timestamp SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/hedgerow/sharded_session_replay_events', '{replica}')
PARTITION BY toYYYYMM(min_first_timestamp)
ORDER BY (team_id, session_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`session_replay_events` ON CLUSTER `main` AS `hedgerow`.`sharded_session_replay_events`
ENGINE = Distributed('main', 'hedgerow', 'sharded_session_replay_events', cityHash64(session_id));

CREATE TABLE IF NOT EXISTS `hedgerow`.`cohortpeople` ON CLUSTER `main`
(
    person_id UUID,
    cohort_id Int64,
    team_id Int64,
    sign Int8,
    version UInt64
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/hedgerow/cohortpeople', '{shard}-{replica}')
ORDER BY (team_id, cohort_id, version, person_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`person_static_cohort` ON CLUSTER `main`
(
    id UUID,
    person_id UUID,
    cohort_id Int64,
    team_id Int64,
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/hedgerow/person_static_cohort', '{shard}-{replica}', _timestamp)
ORDER BY (team_id, cohort_id, person_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`log_entries` ON CLUSTER `main`
(
    team_id Int64,
    log_source LowCardinality(String),
    log_source_id String,
    instance_id String,
    timestamp DateTime64(6, 'UTC'),
    level LowCardinality(String),
    message String CODEC(ZSTD(3)),
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/hedgerow/log_entries', '{shard}-{replica}', _timestamp)
PARTITION BY toYYYYMM(timestamp)
ORDER BY (team_id, log_source, log_source_id, instance_id, timestamp)
TTL toDateTime(timestamp) + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`sharded_logs` ON CLUSTER `main`
(
    uuid String,
    team_id Int64,
    trace_id String,
    span_id String,
    body String CODEC(ZSTD(3)),
    attributes String CODEC(ZSTD(3)),
    time_bucket DateTime('UTC'),
    timestamp DateTime64(6, 'UTC'),
    observed_timestamp DateTime64(6, 'UTC'),
    severity_text LowCardinality(String),
    severity_number Int32,
    level LowCardinality(String),
    resource_attributes String CODEC(ZSTD(3)),
    instrumentation_scope String,
    event_name String,
    service_name LowCardinality(String)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/hedgerow/sharded_logs', '{replica}')
PARTITION BY toDate(timestamp)
ORDER BY (team_id, time_bucket, service_name, timestamp)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`logs` ON CLUSTER `main` AS `hedgerow`.`sharded_logs`
ENGINE = Distributed('main', 'hedgerow', 'sharded_logs', cityHash64(trace_id));

CREATE TABLE IF NOT EXISTS `hedgerow`.`query_log_archive` ON CLUSTER `main`
(
    team_id Int64,
    event_date Date,
    event_time DateTime64(6, 'UTC'),
    query_id String,
    endpoint LowCardinality(String),
    query String CODEC(ZSTD(3)),
    query_start_time DateTime64(6, 'UTC'),
    query_duration_ms UInt64,
    hogql_name String,
    created_by Int64,
    read_rows UInt64,
    read_bytes UInt64,
    result_rows UInt64,
    result_bytes UInt64,
    memory_usage UInt64,
    status LowCardinality(String),
    kind LowCardinality(String),
    exception_code Int32,
    is_personal_api_key_request Bool,
    cpu_microseconds UInt64,
    RealTimeMicroseconds UInt64,
    S3ListObjects UInt64,
    S3HeadObject UInt64,
    S3GetObjectAttributes UInt64,
    S3GetObject UInt64,
    ReadBufferFromS3Bytes UInt64
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/hedgerow/query_log_archive', '{shard}-{replica}')
PARTITION BY toYYYYMM(event_date)
ORDER BY (team_id, event_date, event_time, query_id)
TTL event_date + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`sharded_document_embeddings` ON CLUSTER `main`
(
    team_id Int64,
    product LowCardinality(String),
    document_type LowCardinality(String),
    model_name LowCardinality(String),
    rendering LowCardinality(String),
    document_id String,
    timestamp DateTime64(3, 'UTC'),
    inserted_at DateTime64(3, 'UTC'),
    content String,
    metadata String,
    embedding Array(Float64)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/hedgerow/sharded_document_embeddings', '{replica}', inserted_at)
PARTITION BY toYYYYMM(timestamp)
ORDER BY (team_id, toDate(timestamp), product, document_type, model_name, rendering, document_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`document_embeddings` ON CLUSTER `main` AS `hedgerow`.`sharded_document_embeddings`
ENGINE = Distributed('main', 'hedgerow', 'sharded_document_embeddings', cityHash64(document_id));

CREATE TABLE IF NOT EXISTS `hedgerow`.`error_tracking_issue_fingerprint_overrides` ON CLUSTER `main`
(
    team_id Int64,
    fingerprint String,
    issue_id UUID,
    is_deleted Int8,
    version Int64,
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/hedgerow/error_tracking_issue_fingerprint_overrides', '{shard}-{replica}', version)
ORDER BY (team_id, fingerprint)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

ALTER TABLE `hedgerow`.`sharded_events` ON CLUSTER `main` MODIFY SETTING min_bytes_for_wide_part = 67108864;

ALTER TABLE `hedgerow`.`sharded_app_metrics2` ON CLUSTER `main` ADD COLUMN IF NOT EXISTS uuid UUID DEFAULT reinterpretAsUUID(MD5(concat(toString(toUnixTimestamp(_timestamp)), ':', toString(_partition), ':', toString(_offset)))) AFTER count;

ALTER TABLE `hedgerow`.`app_metrics2` ON CLUSTER `main` ADD COLUMN IF NOT EXISTS uuid UUID DEFAULT reinterpretAsUUID(MD5(concat(toString(toUnixTimestamp(_timestamp)), ':', toString(_partition), ':', toString(_offset)))) AFTER count;

ALTER TABLE `hedgerow`.`sharded_session_replay_events` ON CLUSTER `main` MODIFY TTL toDateTime(max_last_timestamp) + toIntervalDay(ifNull(retention_period_days, 30));

ALTER TABLE `hedgerow`.`sharded_logs` ON CLUSTER `main` MODIFY TTL toDateTime(timestamp) + INTERVAL 90 DAY;

ALTER TABLE `hedgerow`.`sharded_document_embeddings` ON CLUSTER `main` MODIFY TTL toDateTime(timestamp) + INTERVAL 90 DAY;

ALTER TABLE `hedgerow`.`sharded_events` ON CLUSTER `main` MODIFY COLUMN properties JSON(max_dynamic_paths = 64, `$browser` Nullable(String), `$current_url` Nullable(String), `$device_type` Nullable(String), `$os` Nullable(String), `$pathname` Nullable(String), `$session_id` Nullable(String)) SETTINGS alter_sync = 0;

ALTER TABLE `hedgerow`.`events` ON CLUSTER `main` MODIFY COLUMN properties JSON(max_dynamic_paths = 64, `$browser` Nullable(String), `$current_url` Nullable(String), `$device_type` Nullable(String), `$os` Nullable(String), `$pathname` Nullable(String), `$session_id` Nullable(String)) SETTINGS alter_sync = 0;

ALTER TABLE `hedgerow`.`sharded_events` ON CLUSTER `main` MODIFY COLUMN person_properties JSON(max_dynamic_paths = 32) SETTINGS alter_sync = 0;

ALTER TABLE `hedgerow`.`events` ON CLUSTER `main` MODIFY COLUMN person_properties JSON(max_dynamic_paths = 32) SETTINGS alter_sync = 0;

ALTER TABLE `hedgerow`.`sharded_events` ON CLUSTER `main` MODIFY SETTING merge_selector_base = 15;

CREATE TABLE IF NOT EXISTS `hedgerow`.`sharded_ai_events` ON CLUSTER `main`
(
    uuid UUID,
    event LowCardinality(String),
    timestamp DateTime64(6, 'UTC'),
    team_id Int64,
    distinct_id String,
    person_id UUID,
    properties String CODEC(ZSTD(3)),
    retention_days Int16 DEFAULT 30,
    trace_id String,
    session_id Nullable(String),
    parent_id Nullable(String),
    span_id Nullable(String),
    generation_id Nullable(String),
    experiment_id Nullable(String),
    span_name Nullable(String),
    trace_name Nullable(String),
    prompt_name Nullable(String),
    error Nullable(String),
    error_normalized Nullable(String),
    span_type LowCardinality(Nullable(String)),
    model LowCardinality(Nullable(String)),
    provider LowCardinality(Nullable(String)),
    framework LowCardinality(Nullable(String)),
    error_type LowCardinality(Nullable(String)),
    total_tokens Nullable(Int64),
    input_tokens Nullable(Int64),
    output_tokens Nullable(Int64),
    text_input_tokens Nullable(Int64),
    text_output_tokens Nullable(Int64),
    image_input_tokens Nullable(Int64),
    image_output_tokens Nullable(Int64),
    audio_input_tokens Nullable(Int64),
    audio_output_tokens Nullable(Int64),
    video_input_tokens Nullable(Int64),
    video_output_tokens Nullable(Int64),
    reasoning_tokens Nullable(Int64),
    cache_read_input_tokens Nullable(Int64),
    cache_creation_input_tokens Nullable(Int64),
    web_search_count Nullable(Int64),
    input_cost_usd Nullable(Float64),
    output_cost_usd Nullable(Float64),
    total_cost_usd Nullable(Float64),
    request_cost_usd Nullable(Float64),
    web_search_cost_usd Nullable(Float64),
    audio_cost_usd Nullable(Float64),
    image_cost_usd Nullable(Float64),
    video_cost_usd Nullable(Float64),
    latency Nullable(Float64),
    time_to_first_token Nullable(Float64),
    is_error UInt8,
    input Nullable(String) CODEC(ZSTD(3)),
    output Nullable(String) CODEC(ZSTD(3)),
    output_choices Nullable(String) CODEC(ZSTD(3)),
    input_state Nullable(String) CODEC(ZSTD(3)),
    output_state Nullable(String) CODEC(ZSTD(3)),
    tools Nullable(String) CODEC(ZSTD(3)),
    _timestamp DateTime('UTC'),
    _offset UInt64,
    _partition UInt64,
    INDEX uuid_bloom uuid TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX trace_id_bloom trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX session_id_bloom session_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/hedgerow/sharded_ai_events', '{replica}', _timestamp)
PARTITION BY toYYYYMM(if(timestamp < addDays(_timestamp, 1), toDate(timestamp), toDate(_timestamp)) + toIntervalDay(retention_days))
ORDER BY (team_id, trace_id, timestamp, uuid)
TTL if(timestamp < addDays(_timestamp, 1), toDate(timestamp), toDate(_timestamp)) + toIntervalDay(retention_days)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `hedgerow`.`ai_events` ON CLUSTER `main` AS `hedgerow`.`sharded_ai_events`
ENGINE = Distributed('main', 'hedgerow', 'sharded_ai_events', cityHash64(if(trace_id = '', toString(uuid), trace_id)));

CREATE TABLE IF NOT EXISTS `hedgerow`.`event_writers` ON CLUSTER `main`
(
    log_id String,
    partition UInt32,
    number UInt64,
    since DateTime('UTC') DEFAULT now()
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/all/hedgerow/event_writers', '{shard}-{replica}', number)
ORDER BY (log_id, partition)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
