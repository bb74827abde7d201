"""Recordings of sessions: one row a session, made of the rows that each batch of snapshots leaves."""

from types import MappingProxyType

from libs.hogql.schema.fields import AliasField, ColumnField, Field, JoinField, LazyTable, Table

_COUNTS = (
    "click_count keypress_count mouse_activity_count active_milliseconds console_log_count console_warn_count "
    "console_error_count size event_count message_count"
).split()
_TEAM = ColumnField("team_id", "integer")
_LINKS: dict[str, Field] = {
    # without a bound, every event there ever was would be read
    "events": JoinField("events", (("session_id", "$session_id"),), "INNER", "timestamp >= now() - interval 90 day"),
    "properties": AliasField(("events", "properties")),
    "pdi": JoinField("person_distinct_ids", (("distinct_id", "distinct_id"),)),
    "person": AliasField(("pdi", "person")),
    "person_id": AliasField(("pdi", "person_id")),
    "session": JoinField("sessions", (("_toUInt128(toUUID(session_id))", "session_id_v7"),)),
    "console_logs": JoinField("console_logs_log_entries", (("session_id", "log_source_id"),)),
}

RAW_SESSION_REPLAY_EVENTS = Table(
    name="session_replay_events",
    team_column="team_id",
    fields=MappingProxyType(
        {
            "session_id": ColumnField("session_id", "string"),
            "distinct_id": ColumnField("distinct_id", "string"),
            "min_first_timestamp": ColumnField("min_first_timestamp", "datetime"),
            "max_last_timestamp": ColumnField("max_last_timestamp", "datetime"),
            "first_url": ColumnField("first_url", "unknown"),
            "all_urls": ColumnField("all_urls", "array"),
            **{name: ColumnField(name, "integer") for name in _COUNTS},
            "snapshot_source": ColumnField("snapshot_source", "unknown"),
            "retention_period_days": ColumnField("retention_period_days", "integer", nullable=True),
            "_timestamp": ColumnField("_timestamp", "datetime"),
            "team_id": _TEAM,
            **_LINKS,
        }
    ),
    star=(
        "session_id", "distinct_id", "min_first_timestamp", "max_last_timestamp", "all_urls", *_COUNTS,
        "retention_period_days", "_timestamp",
    ),
    sample_column="distinct_id",
)  # fmt: skip

SESSION_REPLAY_EVENTS = LazyTable(
    name="session_replay_events",
    stored="raw_session_replay_events",
    fields=MappingProxyType(
        {
            "session_id": ColumnField("session_id", "string"),
            "distinct_id": ColumnField("distinct_id", "string"),
            "start_time": ColumnField("start_time", "datetime"),
            "end_time": ColumnField("end_time", "datetime"),
            "first_url": ColumnField("first_url", "string", nullable=True),
            "all_urls": ColumnField("all_urls", "array", nullable=True),
            **{name: ColumnField(name, "integer") for name in _COUNTS},
            "snapshot_source": ColumnField("snapshot_source", "string", nullable=True),
            "retention_period_days": ColumnField("retention_period_days", "integer", nullable=True),
            "team_id": _TEAM,
            **_LINKS,
        }
    ),
    star=(
        "session_id", "distinct_id", "start_time", "end_time", "first_url", "all_urls", *_COUNTS, "snapshot_source",
        "retention_period_days",
    ),
    keys=("session_id",),
    made=MappingProxyType(
        {
            "distinct_id": "any(distinct_id)",
            "start_time": "min(min_first_timestamp)",
            "end_time": "max(max_last_timestamp)",
            "first_url": "argMinMerge(first_url)",
            "all_urls": "arrayDistinct(arrayFlatten(groupArray(all_urls)))",
            **{name: f"sum({name})" for name in _COUNTS},
            "snapshot_source": "argMinMerge(snapshot_source)",
            "retention_period_days": "max(retention_period_days)",
        }
    ),
    sample_column="distinct_id",
)  # fmt: skip
