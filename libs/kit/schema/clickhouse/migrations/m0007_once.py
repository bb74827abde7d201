"""0007: a metric says which one it is, so that a copy is known as one; and rows that nobody else lets go have an end.

Rows of before, and records that do not say it, are known by their place in the log, as they were. The column is no part
of the sorting key: copies are few, and readers put the rows of one uuid together.

A recording stays as long as it says itself, 30 days unless it says more; logs and embeddings 90, as metrics do.
"""

from libs.kit.schema.clickhouse.operations import AddColumn, DropColumn, ModifyTtl

_PLACE = "concat(toString(toUnixTimestamp(_timestamp)), ':', toString(_partition), ':', toString(_offset))"

blocking = False
operations = [
    AddColumn("app_metrics2", "uuid", f"UUID DEFAULT reinterpretAsUUID(MD5({_PLACE}))", after="count"),
    ModifyTtl(
        "session_replay_events", "toDateTime(max_last_timestamp) + toIntervalDay(ifNull(retention_period_days, 30))"
    ),
    ModifyTtl("logs", "toDateTime(timestamp) + INTERVAL 90 DAY"),
    ModifyTtl("document_embeddings", "toDateTime(timestamp) + INTERVAL 90 DAY"),
]
reverse = [DropColumn("app_metrics2", "uuid")]
