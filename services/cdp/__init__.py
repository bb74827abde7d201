"""The customer-data pipeline: the workers between the event log and ClickHouse.

    ingestion/   events_plugin_ingestion -> team, person, row -> clickhouse_events_json
    writer/      clickhouse_events_json -> ClickHouse `events`, each event once

Owns posthog_person, posthog_persondistinctid and hedgerow_log_position in PostgreSQL, and all rows of ClickHouse
`events`. Never answers HTTP. docs/adr/0007 says what exactly once means here, and where it ends.
"""
