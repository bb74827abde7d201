"""What ingestion tells about persons, groups and mistakes: JSON records, PostHog's words (spec B3, B8, B16).

Person, topic `clickhouse_person`, key uuid; DistinctId, topic `clickhouse_person_distinct_id`, key distinct id;
GroupUpdate, topic `clickhouse_groups`, key `type_index:group_key`: each the whole state under its `version`, so that a
copy is harmless and the highest version is the truth. A deletion is `is_deleted` = 1 under a version above all others.
IngestionWarning, topic `clickhouse_ingestion_warnings`, key team: may come twice after a crash.

`properties`, `group_properties` and `details` are JSON objects as text. Times are ClickHouse's, UTC.
"""

import msgspec


class PersonUpdate(msgspec.Struct, kw_only=True):
    """The state of a person."""

    id: str
    created_at: str
    properties: str
    team_id: int
    is_identified: int
    is_deleted: int
    version: int
    last_seen_at: str | None = None


class DistinctIdUpdate(msgspec.Struct, kw_only=True):
    """Whose a distinct id is. Version 0: no event of it was stored under another person."""

    person_id: str
    team_id: int
    distinct_id: str
    version: int
    is_deleted: int


class GroupUpdate(msgspec.Struct, kw_only=True):
    """The state of a group."""

    group_type_index: int
    group_key: str
    team_id: int
    group_properties: str
    created_at: str
    version: int


class IngestionWarning(msgspec.Struct, kw_only=True):
    """Something about an event that its sender should know."""

    team_id: int
    type: str
    source: str
    details: str
    timestamp: str
