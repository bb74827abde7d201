"""Persons, distinct ids and groups -> the records that tell of them downstream. Each is a whole state: copies and any
order do no harm."""

from collections.abc import Iterable

import msgspec

from libs.fastpath import RowBlock
from libs.kit.contracts.persons import GroupUpdate
from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.block import RecordBlock
from services.cdp.ingestion.groups import Group
from services.cdp.ingestion.persons import Link, Person
from services.cdp.ingestion.rows import clickhouse_time, in_utc


def person_records(persons: Iterable[Person]) -> RecordBlock:
    """For clickhouse_person: PersonUpdates."""
    block = RowBlock()
    for person in persons:
        block.add_person(
            person.uuid,
            person.team_id,
            in_utc(person.created_at),
            in_utc(person.last_seen_at),
            person.properties,
            person.is_identified,
            person.is_deleted,
            person.version,
        )
    return RecordBlock(*block.taken())


def link_records(links: Iterable[Link]) -> RecordBlock:
    """For clickhouse_person_distinct_id: DistinctIdUpdates."""
    block = RowBlock()
    for link in links:
        team_id, distinct_id = link.key
        block.add_distinct_id(distinct_id, team_id, link.person, link.is_deleted, link.version)
    return RecordBlock(*block.taken())


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
