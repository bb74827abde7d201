"""All SQL of ingestion: persons, and the position they are committed with."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from libs.kit.crashpoints import crash_point
from libs.kit.errors import Conflict, DeadlineExceeded, Fenced, HedgerowError, InvalidRequest, Unavailable
from libs.kit.postgres import Connection, Postgres
from services.cdp.ingestion.persons import Person, person_uuid
from services.cdp.ingestion.plan import PersonKey
from services.cdp.raw_json import object_of

_POSITIONS = """
    INSERT INTO hedgerow_log_position (log_id, topic, partition, consumer_group, next_offset)
    SELECT $1, $2, wanted.partition, $3, wanted.first
    FROM unnest($4::int[], $5::bigint[]) AS wanted (partition, first)
    ON CONFLICT DO NOTHING
"""
_READ_POSITIONS = """
    SELECT partition, next_offset FROM hedgerow_log_position
    WHERE log_id = $1 AND topic = $2 AND consumer_group = $3 AND partition = ANY($4::int[])
"""
# Compare and set: whoever finds another position than the one it knows is not alone on this partition.
_MOVE = """
    UPDATE hedgerow_log_position AS stood
    SET next_offset = moved.new, updated_at = now()
    FROM unnest($4::int[], $5::bigint[], $6::bigint[]) AS moved (partition, old, new)
    WHERE stood.log_id = $1 AND stood.topic = $2 AND stood.consumer_group = $3
      AND stood.partition = moved.partition AND stood.next_offset = moved.old
"""
# A distinct id whose link is missing or leads nowhere may still have a person under its own uuid, left by a merge or a
# deletion.
_PERSONS = """
    SELECT wanted.team_id, wanted.distinct_id, person.uuid, person.created_at, person.properties::text AS properties,
           person.version, person.is_deleted, linked.uuid IS NOT NULL AS linked
    FROM unnest($1::bigint[], $2::text[], $3::uuid[]) AS wanted (team_id, distinct_id, uuid)
    LEFT JOIN posthog_persondistinctid AS link
      ON link.team_id = wanted.team_id AND link.distinct_id = wanted.distinct_id AND NOT link.is_deleted
    LEFT JOIN posthog_person AS linked ON linked.team_id = wanted.team_id AND linked.uuid = link.person_uuid
    JOIN posthog_person AS person
      ON person.team_id = wanted.team_id AND person.uuid = coalesce(linked.uuid, wanted.uuid)
"""
_INSERT = """
    INSERT INTO posthog_person (team_id, uuid, created_at, properties, version, last_seen_at)
    SELECT team_id, uuid, created_at, properties::jsonb, version, date_trunc('hour', created_at)
    FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::bigint[])
      AS made (team_id, uuid, created_at, properties, version)
    ON CONFLICT DO NOTHING
"""
_UPDATE = """
    UPDATE posthog_person AS person
    SET created_at = changed.created_at, properties = changed.properties::jsonb, version = changed.version,
        is_deleted = false
    FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[])
      AS changed (team_id, uuid, created_at, properties, version, stored_version)
    WHERE person.team_id = changed.team_id AND person.uuid = changed.uuid AND person.version = changed.stored_version
"""
_LINK = """
    INSERT INTO posthog_persondistinctid AS link (team_id, distinct_id, person_uuid, version)
    SELECT team_id, distinct_id, uuid, 0
    FROM unnest($1::bigint[], $2::text[], $3::uuid[]) AS made (team_id, distinct_id, uuid)
    ON CONFLICT (team_id, distinct_id)
    DO UPDATE SET person_uuid = excluded.person_uuid, is_deleted = false, version = link.version + 1
    WHERE link.is_deleted OR NOT EXISTS (
        SELECT FROM posthog_person AS person WHERE person.team_id = link.team_id AND person.uuid = link.person_uuid
    )
"""

# What PostgreSQL says when a value itself is at fault.
_REFUSED = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, asyncpg.CharacterNotInRepertoireError)


class PersonsRefused(InvalidRequest):
    """PostgreSQL would not take some value of this batch; nothing was written."""


@dataclass(frozen=True, slots=True)
class Move:
    """A partition's position, from what it was to what it will be."""

    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Source:
    """The log that positions speak of."""

    log_id: str
    topic: str
    group: str


class PersonStore:
    """Persons and positions. Each method is one round trip or one transaction; a timeout is an outage like others."""

    def __init__(self, postgres: Postgres):
        self._postgres = postgres

    async def positions(self, source: Source, first: Mapping[int, int]) -> dict[int, int]:
        """Committed positions of the partitions in `first`, which says where one begins that has none yet."""
        partitions = list(first)
        whose = (source.log_id, source.topic, source.group)
        with _outages():
            await self._postgres.execute(_POSITIONS, *whose, partitions, [first[one] for one in partitions])
            rows = await self._postgres.fetch(_READ_POSITIONS, *whose, partitions)
        return {row["partition"]: row["next_offset"] for row in rows}

    async def load(self, keys: Collection[PersonKey]) -> dict[PersonKey, Person]:
        """The persons of these distinct ids, all in one query."""
        if not keys:
            return {}
        teams, distinct_ids = [key[0] for key in keys], [key[1] for key in keys]
        with _outages():
            rows = await self._postgres.fetch(_PERSONS, teams, distinct_ids, [person_uuid(*key) for key in keys])
        return {(row["team_id"], row["distinct_id"]): _person(row) for row in rows}

    async def commit(
        self,
        source: Source,
        moves: Mapping[int, Move],
        persons: Sequence[Person],
        links: Mapping[PersonKey, uuid.UUID],
    ) -> None:
        """Persons and positions in one transaction.

        Raises Fenced when a position is not what we thought, Conflict when somebody else changed a person,
        PersonsRefused when a value is at fault (nothing was written, all three), Unavailable, or OutcomeUnknown.
        """
        with _outages():
            async with self._postgres.transaction() as connection:
                await _move(connection, source, moves)
                await _write(connection, persons, links)
                crash_point("ingestion.inside_commit")


async def _move(connection: Connection, source: Source, moves: Mapping[int, Move]) -> None:
    partitions = sorted(moves)  # one order for everybody, or two owners could wait for each other
    tag = await connection.execute(
        _MOVE,
        source.log_id,
        source.topic,
        source.group,
        partitions,
        [moves[one].old for one in partitions],
        [moves[one].new for one in partitions],
    )
    if _count(tag) != len(moves):
        raise Fenced("Somebody else has committed this partition.")


async def _write(connection: Connection, persons: Sequence[Person], links: Mapping[PersonKey, uuid.UUID]) -> None:
    # in one order for everybody, or two transactions that share persons could wait for each other
    ordered = sorted(persons, key=lambda person: (person.team_id, person.uuid))
    made = [person for person in ordered if person.stored_version is None]
    changed = [person for person in ordered if person.stored_version is not None]
    if made and _count(await connection.execute(_INSERT, *_columns(made))) != len(made):
        raise Conflict("A person of this batch has just been made by somebody else.")
    if changed:
        stored = [person.stored_version for person in changed]
        if _count(await connection.execute(_UPDATE, *_columns(changed), stored)) != len(changed):
            raise Conflict("A person of this batch has just been changed by somebody else.")
    if links:
        keys = sorted(links)
        columns = ([key[0] for key in keys], [key[1] for key in keys], [links[key] for key in keys])
        if _count(await connection.execute(_LINK, *columns)) != len(keys):
            raise Conflict("A distinct id of this batch has just been given to a person by somebody else.")


def _columns(persons: Sequence[Person]) -> tuple[list[int], list[uuid.UUID], list[datetime], list[str], list[int]]:
    return (
        [person.team_id for person in persons],
        [person.uuid for person in persons],
        [person.created_at for person in persons],
        [msgspec.json.encode(person.properties).decode() for person in persons],
        [person.version for person in persons],
    )


def _person(row: Any) -> Person:
    properties = object_of(row["properties"].encode()) or {}
    return Person(
        row["team_id"],
        # asyncpg's own UUID class compares equal, but is not one that pickles or msgspec know
        uuid.UUID(int=row["uuid"].int),
        row["created_at"],
        properties,
        version=row["version"],
        stored_version=row["version"],
        is_deleted=row["is_deleted"],
        linked=row["linked"],
    )


def _count(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[1])


@contextmanager
def _outages() -> Iterator[None]:
    """For a consumer a deadline is an outage: it tries again. A value at fault is told apart from a broken database."""
    try:
        yield
    except DeadlineExceeded as exc:
        raise Unavailable(exc.detail) from exc
    except HedgerowError as exc:
        if isinstance(exc.__cause__, _REFUSED):
            raise PersonsRefused(str(exc.__cause__)[:200]) from exc
        raise
