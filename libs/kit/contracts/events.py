"""The two shapes an event has on the log. Both are JSON; embedded JSON objects are copied as bytes, never re-printed.

CapturedEvent, topic `events_plugin_ingestion`, key `token:distinct_id` (spec A10):
    {"uuid","distinct_id","ip","data","now"[,"sent_at"],"token","event","timestamp"[,"is_cookieless_mode":true]
     [,"historical_migration":true]}
    `data` is the raw event as a JSON object (PostHog sends a string; readers accept both). Times are RFC 3339 UTC.
    headers: v, token, distinct_id, session_id, timestamp (epoch ms), event, uuid, now, and, when set,
    force_disable_person_processing, historical_migration (b"true"); last, of a record that comes late, arrived (epoch
    ms: when capture had it).

StoredEvent, topic `clickhouse_events_json`, key uuid (spec B13):
    {"uuid","event","properties","timestamp","team_id","project_id","distinct_id","elements_chain","created_at",
     "captured_at","person_id","person_properties","person_created_at","person_mode"[,"historical_migration":true]}
    `properties` and `person_properties` are JSON objects (readers accept strings). Times are ClickHouse's
    `YYYY-MM-DD HH:MM:SS.mmm`, UTC. headers: v, arrived (epoch ms: when the captured event came into the log), and of AI
    events productTrack (ai_events.py).

Numbers, strings and nesting inside properties are the sender's bytes: a top level is re-assembled (keys are added and
removed), a value never is. So 1.0 stays 1.0 and an integer of 40 digits keeps them.
"""

from typing import Literal

import msgspec

FORMAT_VERSION = b"1"


class CapturedEvent(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One event as capture puts it on the log."""

    uuid: str
    distinct_id: str
    ip: str
    data: msgspec.Raw
    now: str
    sent_at: str | None = None
    token: str
    event: str
    timestamp: str
    is_cookieless_mode: bool = False
    historical_migration: bool = False


PersonMode = Literal["full", "propertyless", "force_upgrade"]


class StoredEvent(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One event as ingestion made it: the row, but for the writer's bookkeeping columns."""

    uuid: str
    event: str
    properties: msgspec.Raw
    timestamp: str
    team_id: int
    project_id: int
    distinct_id: str
    elements_chain: str
    created_at: str
    captured_at: str | None
    person_id: str
    person_properties: msgspec.Raw
    person_created_at: str
    person_mode: PersonMode
    historical_migration: bool = False


def raw_object(raw: msgspec.Raw) -> bytes:
    """The bytes of a JSON object field, unwrapping the form in which the object was sent as a string."""
    view = bytes(raw)
    return msgspec.json.decode(view, type=str).encode() if view[:1] == b'"' else view
