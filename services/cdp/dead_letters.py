"""Records that nobody can use go to their own topic, with the reason; they never stop their neighbours."""

from datetime import datetime

from libs.kit.contracts.dead_letters import why
from libs.kit.eventlog import NewRecord, Record


def dead_letter(record: Record, reason: str, step: str, now: datetime) -> NewRecord:
    """The original record with headers dlq_reason, dlq_step, dlq_timestamp."""
    return NewRecord(record.key, record.value, (*record.headers, *why(reason, step, now)))
