"""Persons, distinct ids and groups -> the records that tell of them downstream. Each is a whole state: copies and any
order do no harm."""

import msgspec

from libs.kit.contracts.persons import DistinctIdUpdate, GroupUpdate, PersonUpdate
from libs.kit.eventlog import NewRecord
from services.cdp.ingestion.groups import Group
from services.cdp.ingestion.persons import Link, Person
from services.cdp.ingestion.rows import clickhouse_time
from services.cdp.raw_json import Properties


def person_record(person: Person) -> NewRecord:
    """For clickhouse_person."""
    identity = str(person.uuid)
    message = PersonUpdate(
        id=identity,
        created_at=clickhouse_time(person.created_at)[:19],
        properties=_text(person.properties),
        team_id=person.team_id,
        is_identified=int(person.is_identified),
        is_deleted=int(person.is_deleted),
        version=person.version,
        last_seen_at=clickhouse_time(person.last_seen_at)[:19],
    )
    return NewRecord(identity.encode(), msgspec.json.encode(message))


def link_record(link: Link) -> NewRecord:
    """For clickhouse_person_distinct_id."""
    team_id, distinct_id = link.key
    message = DistinctIdUpdate(
        person_id=str(link.person),
        team_id=team_id,
        distinct_id=distinct_id,
        version=link.version,
        is_deleted=int(link.is_deleted),
    )
    return NewRecord(distinct_id.encode(), msgspec.json.encode(message))


def group_record(group: Group) -> NewRecord:
    """For clickhouse_groups."""
    message = GroupUpdate(
        group_type_index=group.type_index,
        group_key=group.key,
        team_id=group.team_id,
        group_properties=_text(group.properties),
        created_at=clickhouse_time(group.created_at)[:19],
        version=group.version,
    )
    return NewRecord(f"{group.type_index}:{group.key}".encode(), msgspec.json.encode(message))


def _text(properties: Properties) -> str:
    return properties.encoded().decode()
