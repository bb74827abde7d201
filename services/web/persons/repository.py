"""All SQL of persons outside of ingestion, which makes them.

A person that is deleted leaves a row, and so do its distinct ids: `is_deleted`, nothing in it, version + 100. Ingestion
compares versions, so what it is deciding about the person just now is decided anew. `forget` removes these rows once
nothing that was under way can bring the person back.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.kit.postgres import Connection, Postgres

DELETION_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class Person:
    """A living one."""

    uuid: UUID
    created_at: datetime
    last_seen_at: datetime | None
    is_identified: bool
    properties: Mapping[str, Any]
    distinct_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class DeletedPerson:
    """What is left of one."""

    uuid: UUID
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class DeletedLink:
    """What is left of a distinct id."""

    distinct_id: str
    person: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """Rows that deletions left."""

    team_id: int
    persons: Sequence[DeletedPerson]
    links: Sequence[DeletedLink]


@dataclass(frozen=True, slots=True)
class DeletionRequest:
    """A row of posthog_asyncdeletion. distinct_ids: until it is verified. asked_by: an address, of who asked."""

    id: int
    team_id: int
    person: UUID
    distinct_ids: Sequence[str]
    delete_events: bool
    keep_person: bool
    created_at: datetime
    told_at: datetime | None
    verified_at: datetime | None
    asked_by: str | None


_REQUESTS = """
    SELECT request.id, request.team_id, request.key::uuid AS person, request.distinct_ids, request.delete_events,
           request.keep_person, request.created_at, request.told_at, request.delete_verified_at AS verified_at,
           asking.email AS asked_by
    FROM posthog_asyncdeletion AS request LEFT JOIN posthog_user AS asking ON asking.id = request.created_by_id
"""


@dataclass(frozen=True, slots=True)
class PersonRepository:
    """posthog_person, posthog_persondistinctid and posthog_asyncdeletion."""

    postgres: Postgres

    async def find(
        self, team_id: int, *, uuids: Sequence[UUID] = (), distinct_ids: Sequence[str] = ()
    ) -> Sequence[Person]:
        """Living persons by uuid or by distinct id, newest first."""
        rows = await self.postgres.fetch(
            """SELECT person.uuid, person.created_at, person.last_seen_at, person.is_identified,
                      person.properties::text AS properties,
                      ARRAY(SELECT link.distinct_id FROM posthog_persondistinctid AS link
                            WHERE link.team_id = person.team_id AND link.person_uuid = person.uuid
                              AND NOT link.is_deleted ORDER BY link.distinct_id) AS distinct_ids
               FROM posthog_person AS person
               WHERE person.team_id = $1 AND NOT person.is_deleted AND person.uuid = ANY($2::uuid[] || ARRAY(
                   SELECT person_uuid FROM posthog_persondistinctid
                   WHERE team_id = $1 AND distinct_id = ANY($3::text[]) AND NOT is_deleted))
               ORDER BY person.created_at DESC, person.uuid""",
            team_id,
            list(uuids),
            list(distinct_ids),
        )
        return [
            Person(
                row["uuid"],
                row["created_at"],
                row["last_seen_at"],
                row["is_identified"],
                json.loads(row["properties"]),
                row["distinct_ids"],
            )
            for row in rows
        ]

    async def request_deletion(
        self, team_id: int, persons: Sequence[UUID], *, events: bool, keep_person: bool, user_id: int | None = None
    ) -> Sequence[UUID]:
        """Delete persons, and ask for what is elsewhere to follow, in one transaction; those there were. user_id: who
        asks."""
        async with self.postgres.transaction() as connection:
            # in ingestion's order of locks; and with the person's row locked nobody can give it another distinct id
            found = await connection.fetch(
                """SELECT uuid FROM posthog_person WHERE team_id = $1 AND uuid = ANY($2::uuid[]) AND NOT is_deleted
                   ORDER BY team_id, uuid FOR UPDATE""",
                team_id,
                list(persons),
            )
            uuids = [row["uuid"] for row in found]
            if events or not keep_person:
                await _ask(connection, team_id, uuids, events=events, keep_person=keep_person, user_id=user_id)
            if not keep_person:
                await _mark_deleted(connection, team_id, uuids)
        return uuids

    async def pending(self, after: int, limit: int) -> Sequence[DeletionRequest]:
        """Requests of all teams that are not verified, by id."""
        rows = await self.postgres.fetch(
            _REQUESTS + "WHERE request.delete_verified_at IS NULL AND request.id > $1 ORDER BY request.id LIMIT $2",
            after,
            limit,
        )
        return [DeletionRequest(**dict(row)) for row in rows]

    async def newest_requests(self, team_id: int, limit: int) -> Sequence[DeletionRequest]:
        """A team's, newest first."""
        rows = await self.postgres.fetch(
            _REQUESTS + "WHERE request.team_id = $1 ORDER BY request.id DESC LIMIT $2", team_id, limit
        )
        return [DeletionRequest(**dict(row)) for row in rows]

    async def deleted(self, team_id: int, persons: Sequence[UUID]) -> Deleted:
        """What deletions left of these; nothing of one that has come back."""
        rows = await self.postgres.fetch(
            """SELECT uuid, created_at, version FROM posthog_person
               WHERE team_id = $1 AND uuid = ANY($2::uuid[]) AND is_deleted""",
            team_id,
            list(persons),
        )
        links = await self.postgres.fetch(
            """SELECT distinct_id, person_uuid, version FROM posthog_persondistinctid
               WHERE team_id = $1 AND person_uuid = ANY($2::uuid[]) AND is_deleted""",
            team_id,
            list(persons),
        )
        return Deleted(
            team_id,
            [DeletedPerson(row["uuid"], row["created_at"], row["version"]) for row in rows],
            [DeletedLink(row["distinct_id"], row["person_uuid"], row["version"]) for row in links],
        )

    async def note_told(self, requests: Sequence[int]) -> None:
        """Everybody downstream has been told of these."""
        await self.postgres.execute(
            "UPDATE posthog_asyncdeletion SET told_at = now() WHERE id = ANY($1::bigint[])", list(requests)
        )

    async def forget(self, team_id: int, persons: Sequence[UUID], requests: Sequence[int]) -> None:
        """The requests are done: what deletions left goes, and the names in the requests."""
        async with self.postgres.transaction() as connection:
            await connection.execute(
                """DELETE FROM posthog_personlessdistinctid AS seen USING posthog_persondistinctid AS link
                   WHERE link.team_id = $1 AND link.person_uuid = ANY($2::uuid[]) AND link.is_deleted
                     AND seen.team_id = link.team_id AND seen.distinct_id = link.distinct_id""",
                team_id,
                list(persons),
            )
            for table, whose in (("posthog_persondistinctid", "person_uuid"), ("posthog_person", "uuid")):
                await connection.execute(
                    f"DELETE FROM {table} WHERE team_id = $1 AND {whose} = ANY($2::uuid[]) AND is_deleted",  # noqa: S608
                    team_id,
                    list(persons),
                )
            await connection.execute(
                """UPDATE posthog_asyncdeletion SET delete_verified_at = now(), distinct_ids = '{}'
                   WHERE id = ANY($1::bigint[])""",
                list(requests),
            )


async def _ask(
    connection: Connection,
    team_id: int,
    persons: Sequence[UUID],
    *,
    events: bool,
    keep_person: bool,
    user_id: int | None,
) -> None:
    await connection.execute(
        """INSERT INTO posthog_asyncdeletion
               (deletion_type, team_id, key, distinct_ids, delete_events, keep_person, created_by_id)
           SELECT 1, $1, person::text, ARRAY(
               SELECT distinct_id FROM posthog_persondistinctid
               WHERE team_id = $1 AND person_uuid = person AND NOT is_deleted), $3, $4, $5
           FROM unnest($2::uuid[]) AS person""",
        team_id,
        list(persons),
        events,
        keep_person,
        user_id,
    )


async def _mark_deleted(connection: Connection, team_id: int, persons: Sequence[UUID]) -> None:
    await connection.execute(
        """UPDATE posthog_person SET is_deleted = true, properties = '{}', is_identified = false,
                  properties_last_updated_at = NULL, properties_last_operation = NULL, version = version + $3
           WHERE team_id = $1 AND uuid = ANY($2::uuid[])""",
        team_id,
        list(persons),
        DELETION_VERSIONS,
    )
    await connection.execute(
        """UPDATE posthog_persondistinctid SET is_deleted = true, version = version + $3
           WHERE team_id = $1 AND person_uuid = ANY($2::uuid[]) AND NOT is_deleted""",
        team_id,
        list(persons),
        DELETION_VERSIONS,
    )
