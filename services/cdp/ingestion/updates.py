"""Persons, distinct ids and groups -> the records that tell of them downstream. Each is a whole state: copies and any
order do no harm."""

import msgspec

from libs.fastpath import told_distinct_id, told_person
from libs.kit.contracts.persons import GroupUpdate
from libs.kit.eventlog import NewRecord
from services.cdp.ingestion.groups import Group
from services.cdp.ingestion.persons import Link, Person
from services.cdp.ingestion.rows import clickhouse_time, in_utc


def person_record(person: Person) -> NewRecord:
    """For clickhouse_person: a PersonUpdate."""
    identity = str(person.uuid)
    value = told_person(
        identity,
        person.team_id,
        in_utc(person.created_at),
        in_utc(person.last_seen_at),
        person.properties,
        person.is_identified,
        person.is_deleted,
        person.version,
    )
    return NewRecord(identity.encode(), value)


def link_record(link: Link) -> NewRecord:
    """For clickhouse_person_distinct_id: a DistinctIdUpdate."""
    team_id, distinct_id = link.key
    value = told_distinct_id(distinct_id, team_id, str(link.person), link.is_deleted, link.version)
    return NewRecord(distinct_id.encode(), value)


def group_record(group: Group) -> NewRecord:
    """For clickhouse_groups."""
    message = GroupUpdate(
        group_type_index=group.type_index,
        group_key=group.key,
        team_id=group.team_id,
        group_properties=group.properties.encoded().decode(),
        created_at=clickhouse_time(group.created_at)[:19],
        version=group.version,
    )
    return NewRecord(f"{group.type_index}:{group.key}".encode(), msgspec.json.encode(message))
