"""Every topic, with who writes it, who reads it and what its key is. docs/topics.md lists them; a test checks."""

from libs.kit.eventlog.base import Topic

INGESTION_GROUP = "ingestion"
OVERFLOW_GROUP = "ingestion_overflow"
HISTORICAL_GROUP = "ingestion_historical"
WRITER_GROUP = "writer"
# of its own: all members of a group read the same topics
TABLES_GROUP = "tables"

# capture -> ingestion. Key: token:distinct_id, so that one person's events stay in order.
EVENTS = Topic("events_plugin_ingestion", groups=(INGESTION_GROUP,), retention_hours=24)

# capture -> ingestion, each read by a lane of its own, so that neither holds live events back: keys that send too much,
# without their key, and imports. They stop at lower marks than live events: an import must not make these a 503.
# Ingestion too moves events to the overflow, by restriction.
OVERFLOW = Topic("events_plugin_ingestion_overflow", groups=(OVERFLOW_GROUP,), admission=0.6, retention_hours=24)
HISTORICAL = Topic("events_plugin_ingestion_historical", groups=(HISTORICAL_GROUP,), admission=0.5, retention_hours=24)

# ingestion -> writer, live views, destinations. Key: uuid, so that one writer sees every copy of an event.
STORED_EVENTS = Topic("clickhouse_events_json", groups=(WRITER_GROUP,), admission=0.95, retention_hours=24)

# ingestion -> writer. AI events whole, once more (libs.kit.contracts.ai_events). Key: uuid.
AI_EVENTS = Topic("clickhouse_ai_events_json", groups=(TABLES_GROUP,), admission=0.95, retention_hours=24)

# ingestion and writer -> operators. The original record with headers dlq_reason, dlq_step, dlq_timestamp, dlq_topic.
DEAD_LETTERS = Topic("events_plugin_ingestion_dlq", admission=0.97, retention_hours=24 * 7)

# ingestion -> writer. Whole states under a version, and warnings (libs.kit.contracts.persons). Keys: person uuid,
# distinct id, type and key of the group, team.
PERSONS = Topic("clickhouse_person", groups=(TABLES_GROUP,), admission=0.95)
DISTINCT_IDS = Topic("clickhouse_person_distinct_id", groups=(TABLES_GROUP,), admission=0.95)
GROUPS = Topic("clickhouse_groups", groups=(TABLES_GROUP,), admission=0.95)
WARNINGS = Topic("clickhouse_ingestion_warnings", groups=(TABLES_GROUP,), admission=0.95)
# ingestion -> writer. One point of a heatmap each. Key: uuid of its event.
HEATMAPS = Topic("clickhouse_heatmap_events", groups=(TABLES_GROUP,), admission=0.95)
# whoever runs functions -> writer. How often what happened (libs.kit.contracts.counts). Key: team.
APP_METRICS = Topic("clickhouse_app_metrics2", groups=(TABLES_GROUP,), admission=0.95)

# what capture writes for ingestion
CAPTURED = (EVENTS, OVERFLOW, HISTORICAL)

ALL = (
    *CAPTURED, STORED_EVENTS, AI_EVENTS, DEAD_LETTERS, PERSONS, DISTINCT_IDS, GROUPS, WARNINGS, HEATMAPS, APP_METRICS,
)  # fmt: skip
