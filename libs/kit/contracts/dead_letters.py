"""Why a record went to the dead letters: three headers, whoever puts it there."""

from datetime import datetime

from libs.kit.eventlog.base import Headers


def why(reason: str, step: str, now: datetime) -> Headers:
    """dlq_reason, dlq_step, dlq_timestamp."""
    return (
        ("dlq_reason", reason.encode()),
        ("dlq_step", step.encode()),
        ("dlq_timestamp", now.isoformat().encode()),
    )
