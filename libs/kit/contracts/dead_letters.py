"""Why a record went to the dead letters, and where it came from: four headers, whoever puts it there."""

from datetime import datetime

from libs.kit.eventlog.base import Headers

NAMES = frozenset(("dlq_reason", "dlq_step", "dlq_timestamp", "dlq_topic"))


def why(reason: str, step: str, topic: str, now: datetime) -> Headers:
    """The headers. topic: where the record is sent when it is replayed."""
    return (
        ("dlq_reason", reason.encode()),
        ("dlq_step", step.encode()),
        ("dlq_timestamp", now.isoformat().encode()),
        ("dlq_topic", topic.encode()),
    )
