"""What capture has to say to a project about events that it did not take.

It knows no projects, only their tokens, so it sends a record to ingestion, which tells the project: a CapturedEvent
named `$$client_ingestion_warning`, with a header that no sender can set.

Types are PostHog's. `count` events were concerned since the last record of this type and token.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime

import msgspec

from libs.kit.contracts.events import FORMAT_VERSION, CapturedEvent
from libs.kit.eventlog import NewRecord

EVENT = "$$client_ingestion_warning"
FROM_CAPTURE = ("internal_producer", b"capture")
DISTINCT_ID = "$capture"
TYPE, COUNT = "$$ingestion_warning_type", "$$ingestion_warning_count"

#: Types by capture's own reasons: for what a sender can mend. Not for quotas, rates and what is ours.
TYPES: Mapping[str, str] = {
    **{
        name: name
        for name in (
            "missing_event_name",
            "event_name_too_long",
            "missing_distinct_id",
            "distinct_id_too_large",
            "invalid_event_timestamp",
            "malformed_event_properties",
            "invalid_options",
            "empty_batch",
            "missing_event_uuid",
            "invalid_event_uuid",
            "duplicate_event_uuid",
        )
    },
    "bad_created_at": "invalid_batch",
    "event_too_big": "message_size_too_large",
    # of the v0 dialect, where one bad event refuses the request
    "no_event_name": "missing_event_name",
    "no_distinct_id": "missing_distinct_id",
    "event_too_large": "message_size_too_large",
}


def warning_record(token: str, kind: str, count: int, now: datetime) -> NewRecord:
    """For the topic of live events. now: in UTC."""
    properties = {TYPE: kind, COUNT: count}
    moment = now.isoformat().replace("+00:00", "Z")
    event = CapturedEvent(
        uuid=str(uuid.uuid4()),
        distinct_id=DISTINCT_ID,
        ip="",
        data=msgspec.Raw(msgspec.json.encode({"event": EVENT, "properties": properties})),
        now=moment,
        token=token,
        event=EVENT,
        timestamp=moment,
    )
    headers = (
        ("v", FORMAT_VERSION),
        ("token", token.encode()),
        ("distinct_id", DISTINCT_ID.encode()),
        ("event", EVENT.encode()),
        ("uuid", event.uuid.encode()),
        FROM_CAPTURE,
    )
    return NewRecord(f"{token}:{DISTINCT_ID}".encode(), msgspec.json.encode(event), headers)
