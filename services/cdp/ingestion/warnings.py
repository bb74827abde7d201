"""What ingestion tells a project about its events: PostHog's warning types, and how often each is told."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from libs.kit.contracts.persons import IngestionWarning
from libs.kit.eventlog import NewRecord
from services.cdp.ingestion.rows import clickhouse_time

SOURCE = "plugin-server"
EVERY_SECONDS = 3600.0
MAX_REMEMBERED = 20_000

# type -> category, severity
TYPES: Mapping[str, tuple[str, str]] = {
    "message_size_too_large": ("size", "error"),
    "person_properties_size_violation": ("size", "error"),
    "group_key_too_long": ("size", "error"),
    "group_upsert_message_size_too_large": ("size", "error"),
    "cannot_merge_already_identified": ("merge", "warning"),
    "cannot_merge_with_illegal_distinct_id": ("merge", "warning"),
    "merge_move_limit_exceeded": ("merge", "error"),
    "skipping_event_invalid_distinct_id": ("event", "error"),
    "invalid_event_when_process_person_profile_is_false": ("event", "error"),
    "ignored_invalid_timestamp": ("event", "warning"),
    "invalid_group_set": ("event", "warning"),
    "invalid_process_person_profile": ("event", "warning"),
    "client_ingestion_warning": ("event", "info"),
    "schema_validation_failed": ("event", "error"),
    # capture's
    "missing_event_name": ("event", "error"),
    "event_name_too_long": ("event", "error"),
    "missing_distinct_id": ("event", "error"),
    "distinct_id_too_large": ("event", "error"),
    "invalid_event_timestamp": ("event", "error"),
    "malformed_event_properties": ("event", "error"),
    "invalid_options": ("event", "error"),
    "empty_batch": ("event", "error"),
    "invalid_batch": ("event", "error"),
    "missing_event_uuid": ("event", "error"),
    "invalid_event_uuid": ("event", "error"),
    "duplicate_event_uuid": ("event", "error"),
    "event_dropped_too_old": ("event", "info"),
    "cookieless_missing_user_agent": ("event", "error"),
    "cookieless_missing_ip": ("event", "error"),
    "cookieless_missing_host": ("event", "error"),
    "cookieless_missing_timestamp": ("event", "error"),
    "cookieless_timestamp_out_of_range": ("event", "error"),
    "invalid_ai_token_property": ("event", "warning"),
    "invalid_heatmap_data": ("event", "warning"),
    "rejecting_heatmap_data_with_invalid_url": ("event", "warning"),
    "rejecting_heatmap_data_with_invalid_items": ("event", "warning"),
    "error_tracking_exception_processing_errors": ("event", "warning"),
    # ours: a value that PostgreSQL cannot hold was left off a person or a group
    "person_property_refused": ("size", "warning"),
}
ALWAYS = frozenset(
    {
        "cannot_merge_already_identified",
        "cannot_merge_with_illegal_distinct_id",
        "invalid_event_when_process_person_profile_is_false",
    }
)


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning. key: what it is about, such as a distinct id: one is told per team, type and key in an hour."""

    team_id: int
    type: str
    step: str
    key: str
    details: Mapping[str, object] = field(default_factory=dict)
    source: str = SOURCE


def record(warned: Warned, now: datetime) -> NewRecord:
    """For the topic clickhouse_ingestion_warnings."""
    category, severity = TYPES.get(warned.type, ("event", "warning"))
    details = {**warned.details, "category": category, "severity": severity, "pipelineStep": warned.step}
    message = IngestionWarning(
        team_id=warned.team_id,
        type=warned.type,
        source=warned.source,
        details=msgspec.json.encode(details).decode(),
        timestamp=clickhouse_time(now),
    )
    return NewRecord(str(warned.team_id).encode(), msgspec.json.encode(message))


class WarningLimiter:
    """Lets one warning per team, type and key through in an hour; some always. It remembers a bounded number."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[int, str, str], float] = OrderedDict()

    def passes(self, warned: Warned, at: float) -> bool:
        """at: a monotonic clock's seconds."""
        if warned.type in ALWAYS:
            return True
        name = (warned.team_id, warned.type, warned.key)
        if at - self._told.get(name, float("-inf")) < EVERY_SECONDS:
            return False
        self._told[name] = at
        self._told.move_to_end(name)
        while len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
        return True
