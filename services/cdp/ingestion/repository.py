"""All SQL of ingestion: persons, and the position they are committed with."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.kit.crashpoints import crash_point
from libs.kit.errors import Conflict, DeadlineExceeded, Fenced, HedgerowError, InvalidRequest, Unavailable
from libs.kit.postgres import Connection, Postgres
from services.cdp.ingestion.definitions import Findings
from services.cdp.ingestion.groups import Group, GroupKey, LoadedGroups
from services.cdp.ingestion.needs import Needs, mingling, persons_of
from services.cdp.ingestion.people import Loaded, Personless
from services.cdp.ingestion.persons import Link, Person, PersonId, PersonKey, person_uuid
from services.cdp.ingestion.plan import Writes
from services.cdp.raw_json import nothing, object_of

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
# All that is looked up for a batch is looked up row by row, each in the one partition that can have it: LATERAL with
# a LIMIT or OFFSET cannot be made another join. Left to choose, PostgreSQL reads whole tables of up to some hundred
# thousand persons for every batch, which costs five times as much at 50,000 and more with each person that comes.
_PERSON = """person.version, person.created_at, person.properties::text AS properties, person.is_deleted,
           person.is_identified, coalesce(person.last_seen_at, person.created_at) AS last_seen_at"""
# `at` says which of the keys a row is for, so that none is read again. Persons are looked up in the order of their
# index: in any other one, each look-up meets pages that the last one did not.
_PERSONS = """
    SELECT linked.at, linked.person_uuid, linked.version, linked.is_deleted, person.*
    FROM (
        SELECT wanted.at, wanted.team_id, link.person_uuid, link.version, link.is_deleted
        FROM unnest($1::text::bigint[], $2::text[]) WITH ORDINALITY AS wanted (team_id, distinct_id, at)
        CROSS JOIN LATERAL (
            SELECT link.person_uuid, link.version, link.is_deleted FROM posthog_persondistinctid AS link
            WHERE link.team_id = wanted.team_id AND link.distinct_id = wanted.distinct_id LIMIT 1
        ) AS link
        ORDER BY wanted.team_id, link.person_uuid
    ) AS linked
    LEFT JOIN LATERAL (
        SELECT @person FROM posthog_person AS person
        WHERE person.team_id = linked.team_id AND person.uuid = linked.person_uuid AND NOT linked.is_deleted LIMIT 1
    ) AS person ON true
""".replace("@person", _PERSON)
_LINKS_OF = """
    SELECT wanted.team_id, link.distinct_id, wanted.uuid, link.version, link.is_deleted
    FROM unnest($1::bigint[], $2::uuid[]) AS wanted (team_id, uuid)
    CROSS JOIN LATERAL (
        SELECT link.distinct_id, link.version, link.is_deleted FROM posthog_persondistinctid AS link
        WHERE link.team_id = wanted.team_id AND link.person_uuid = wanted.uuid LIMIT $3
    ) AS link
"""
_BY_UUID = """
    SELECT wanted.team_id, wanted.uuid, found.*
    FROM unnest($1::bigint[], $2::uuid[]) AS wanted (team_id, uuid)
    CROSS JOIN LATERAL (
        SELECT @person FROM posthog_person AS person
        WHERE person.team_id = wanted.team_id AND person.uuid = wanted.uuid LIMIT 1
    ) AS found
""".replace("@person", _PERSON)
_PERSONLESS = """
    SELECT wanted.team_id, wanted.distinct_id, seen.is_merged
    FROM unnest($1::bigint[], $2::text[]) AS wanted (team_id, distinct_id)
    CROSS JOIN LATERAL (
        SELECT seen.is_merged FROM posthog_personlessdistinctid AS seen
        WHERE seen.team_id = wanted.team_id AND seen.distinct_id = wanted.distinct_id LIMIT 1
    ) AS seen
"""
_GROUP_TYPES = (
    "SELECT team_id, group_type, group_type_index FROM posthog_grouptypemapping WHERE team_id = ANY($1::bigint[])"
)
_GROUPS = """
    SELECT wanted.team_id, wanted.group_type, found.group_type_index, found.group_key, found.created_at,
           found.group_properties::text AS properties, found.version
    FROM unnest($1::bigint[], $2::text[], $3::text[]) AS wanted (team_id, group_type, group_key)
    JOIN posthog_grouptypemapping AS kind
      ON kind.project_id = wanted.team_id AND kind.group_type = wanted.group_type
    JOIN posthog_group AS found
      ON found.team_id = wanted.team_id AND found.group_type_index = kind.group_type_index
     AND found.group_key = wanted.group_key
"""
# The same for what is written: an UPDATE cannot be told in its own words.
_ROW_BY_ROW = "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"
_PERSON_COLUMNS = """unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::bigint[], $6::boolean[],
                $7::boolean[], $8::timestamptz[]"""
_INSERT = """
    INSERT INTO posthog_person
        (team_id, uuid, created_at, properties, version, is_identified, is_deleted, last_seen_at)
    SELECT team_id, uuid, created_at, properties::jsonb, version, is_identified, is_deleted, last_seen_at
    FROM @columns)
      AS made (team_id, uuid, created_at, properties, version, is_identified, is_deleted, last_seen_at)
    ON CONFLICT DO NOTHING
""".replace("@columns", _PERSON_COLUMNS)
# Rows are locked in one order: an UPDATE of many takes them in whatever order its join comes to.
_LOCK = """
    SELECT 1 FROM posthog_person AS person
    JOIN unnest($1::bigint[], $2::uuid[]) AS changed (team_id, uuid)
      ON person.team_id = changed.team_id AND person.uuid = changed.uuid
    ORDER BY person.team_id, person.uuid
    FOR UPDATE OF person
"""
_UPDATE = """
    UPDATE posthog_person AS person
    SET created_at = changed.created_at, properties = changed.properties::jsonb, version = changed.version,
        is_identified = changed.is_identified, is_deleted = changed.is_deleted, last_seen_at = changed.last_seen_at
    FROM @columns, $9::bigint[])
      AS changed (team_id, uuid, created_at, properties, version, is_identified, is_deleted, last_seen_at,
                  stored_version)
    WHERE person.team_id = changed.team_id AND person.uuid = changed.uuid AND person.version = changed.stored_version
""".replace("@columns", _PERSON_COLUMNS)
_NEW_LINKS = """
    INSERT INTO posthog_persondistinctid (team_id, distinct_id, person_uuid, version)
    SELECT team_id, distinct_id, uuid, version
    FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[]) AS made (team_id, distinct_id, uuid, version)
    ON CONFLICT DO NOTHING
"""
_MOVED_LINKS = """
    UPDATE posthog_persondistinctid AS link
    SET person_uuid = moved.uuid, version = moved.version, is_deleted = false
    FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[])
      AS moved (team_id, distinct_id, uuid, version, stored_version)
    WHERE link.team_id = moved.team_id AND link.distinct_id = moved.distinct_id AND link.version = moved.stored_version
"""
# Two that meet the same id at once: whoever comes second finds another row than it knew of.
_NEW_PERSONLESS = """
    INSERT INTO posthog_personlessdistinctid (team_id, distinct_id, is_merged)
    SELECT team_id, distinct_id, is_merged
    FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS made (team_id, distinct_id, is_merged)
    ON CONFLICT DO NOTHING
"""
_MERGED_PERSONLESS = """
    UPDATE posthog_personlessdistinctid AS seen SET is_merged = true
    FROM unnest($1::bigint[], $2::text[]) AS met (team_id, distinct_id)
    WHERE seen.team_id = met.team_id AND seen.distinct_id = met.distinct_id AND NOT seen.is_merged
"""
_NEW_TYPES = """
    INSERT INTO posthog_grouptypemapping (team_id, project_id, group_type, group_type_index)
    SELECT team_id, team_id, group_type, group_type_index
    FROM unnest($1::bigint[], $2::text[], $3::smallint[]) AS made (team_id, group_type, group_type_index)
    ON CONFLICT DO NOTHING
"""
_NEW_GROUPS = """
    INSERT INTO posthog_group (team_id, group_type_index, group_key, created_at, group_properties, version)
    SELECT team_id, group_type_index, group_key, created_at, properties::jsonb, version
    FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::timestamptz[], $5::text[], $6::bigint[])
      AS made (team_id, group_type_index, group_key, created_at, properties, version)
    ON CONFLICT DO NOTHING
"""
_CHANGED_GROUPS = """
    UPDATE posthog_group AS known
    SET created_at = changed.created_at, group_properties = changed.properties::jsonb, version = changed.version
    FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::timestamptz[], $5::text[], $6::bigint[], $7::bigint[])
      AS changed (team_id, group_type_index, group_key, created_at, properties, version, stored_version)
    WHERE known.team_id = changed.team_id AND known.group_type_index = changed.group_type_index
      AND known.group_key = changed.group_key AND known.version = changed.stored_version
"""

_EVENT_DEFINITIONS = """
    INSERT INTO posthog_eventdefinition AS known (team_id, project_id, name, created_at, last_seen_at)
    SELECT team_id, team_id, name, seen, seen
    FROM unnest($1::bigint[], $2::text[], $3::timestamptz[]) AS met (team_id, name, seen)
    ON CONFLICT (project_id, name)
    DO UPDATE SET last_seen_at = excluded.last_seen_at WHERE known.last_seen_at < excluded.last_seen_at
"""
# a type that is set stays
_PROPERTY_DEFINITIONS = """
    INSERT INTO posthog_propertydefinition AS known
        (team_id, project_id, name, type, group_type_index, property_type, is_numerical)
    SELECT team_id, team_id, name, type, nullif(index, -1), property_type, coalesce(property_type = 'Numeric', false)
    FROM unnest($1::bigint[], $2::text[], $3::smallint[], $4::smallint[], $5::text[])
      AS met (team_id, name, type, index, property_type)
    ON CONFLICT (project_id, name, type, coalesce(group_type_index, -1))
    DO UPDATE SET property_type = excluded.property_type, is_numerical = excluded.is_numerical
    WHERE known.property_type IS NULL AND excluded.property_type IS NOT NULL
"""
_EVENT_PROPERTIES = """
    INSERT INTO posthog_eventproperty (team_id, project_id, event, property)
    SELECT team_id, team_id, event, property
    FROM unnest($1::bigint[], $2::text[], $3::text[]) AS met (team_id, event, property)
    ON CONFLICT DO NOTHING
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
    """Persons and positions. Each method is one round trip or one transaction; a timeout is an outage like others.

    merge_limit: distinct ids that one merge may move; None for any number.
    """

    def __init__(self, postgres: Postgres, merge_limit: int | None = None):
        self._postgres = postgres
        self._links_asked = None if merge_limit is None else merge_limit + 1  # one more says that they are too many

    async def positions(self, source: Source, first: Mapping[int, int]) -> dict[int, int]:
        """Committed positions of the partitions in `first`, which says where one begins that has none yet."""
        partitions = list(first)
        whose = (source.log_id, source.topic, source.group)
        with _outages():
            await self._postgres.execute(_POSITIONS, *whose, partitions, [first[one] for one in partitions])
            rows = await self._postgres.fetch(_READ_POSITIONS, *whose, partitions)
        return {row["partition"]: row["next_offset"] for row in rows}

    async def load(self, asked: Needs) -> tuple[Loaded, LoadedGroups]:
        """All that a batch needs: two to eight queries, however many events it has."""
        with _outages():
            people = await self._people(asked)
            return people, await self._groups(asked)

    async def _people(self, asked: Needs) -> Loaded:
        if not asked.persons:
            return Loaded()
        keys = list(asked.persons)
        persons: dict[PersonId, Person] = {}
        links: dict[PersonKey, Link] = {}
        linked: set[PersonKey] = set()
        rows = await self._postgres.fetch(_PERSONS, _array_of(team for team, _ in keys), [name for _, name in keys])
        for at, owner, version, is_deleted, *person in rows:
            key = keys[at - 1]
            links[key] = Link(key, owner, version, version, is_deleted)
            if person[0] is not None:
                persons[key[0], owner.int] = _person(key[0], owner, *person)
                linked.add(key)
        # One whose link is missing or leads nowhere may have a person under its own uuid, left by a merge or deletion.
        await self._add_own(persons, [key for key in keys if key not in linked])
        first, keys_of = Loaded(persons, links), defaultdict[PersonId, list[PersonKey]](list)
        retold = {person for key in asked.retold for person in persons_of(key, first)}
        # After the persons, never before: a link that came in between came with a new version of its person, and the
        # commit compares versions.
        for opened, most in ((mingling(asked.merges, first) - retold, self._links_asked), (retold, None)):
            for link in await self._links_of(opened, most):
                links[link.key] = link
                if not link.is_deleted:
                    keys_of[link.key[0], link.person.int].append(link.key)
        await self._add_own(persons, [key for key, link in links.items() if (key[0], link.person.int) in retold])
        personless: dict[PersonKey, bool] = {}
        if asked.personless:
            rows = await self._postgres.fetch(_PERSONLESS, *_key_columns(list(asked.personless)))
            personless = {(row["team_id"], row["distinct_id"]): row["is_merged"] for row in rows}
        return Loaded(persons, links, personless, keys_of)

    async def _links_of(self, persons: Iterable[PersonId], most: int | None) -> list[Link]:
        """All links of these persons; of each at most so many."""
        if not (asked := sorted(persons)):
            return []
        columns = ([team for team, _ in asked], [UUID(int=number) for _, number in asked])
        rows = await self._postgres.fetch(_LINKS_OF, *columns, most)
        return [Link((team, name), owner, version, version, deleted) for team, name, owner, version, deleted in rows]

    async def _add_own(self, persons: dict[PersonId, Person], keys: Sequence[PersonKey]) -> None:
        """Add the persons whose uuids follow from these distinct ids, whoever these belong to."""
        if not keys:
            return
        columns = ([key[0] for key in keys], [person_uuid(*key) for key in keys])
        for row in await self._postgres.fetch(_BY_UUID, *columns):
            one = _person(*row)
            persons.setdefault(one.id, one)

    async def _groups(self, asked: Needs) -> LoadedGroups:
        if not asked.teams_with_groups:
            return LoadedGroups()
        types: dict[int, dict[str, int]] = {team: {} for team in asked.teams_with_groups}
        for row in await self._postgres.fetch(_GROUP_TYPES, list(types)):
            types[row["team_id"]][row["group_type"]] = row["group_type_index"]
        groups: dict[GroupKey, Group] = {}
        if asked.groups:
            columns = list(zip(*asked.groups, strict=True))
            for row in await self._postgres.fetch(_GROUPS, *columns):
                groups[row["team_id"], row["group_type"], row["group_key"]] = _group(row)
        return LoadedGroups(types, groups)

    async def define(self, findings: Findings) -> None:
        """Write names of events and properties. Repeating it changes nothing, so it needs no part in the commit: it
        comes before, or a crash in between would lose a name that came only once."""
        with _outages():
            if findings.events:
                events = sorted((team, name, at) for (team, name), at in findings.events.items())
                await self._postgres.execute(_EVENT_DEFINITIONS, *zip(*events, strict=True))
            if findings.properties:
                names = sorted(findings.properties)
                types = [findings.properties[name] for name in names]
                await self._postgres.execute(_PROPERTY_DEFINITIONS, *zip(*names, strict=True), types)
            if findings.event_properties:
                pairs = sorted(findings.event_properties)
                await self._postgres.execute(_EVENT_PROPERTIES, *zip(*pairs, strict=True))

    async def commit(self, source: Source, moves: Mapping[int, Move], writes: Writes) -> None:
        """What a plan writes and the positions, in one transaction.

        Raises Fenced when a position is not what we thought, Conflict when somebody else changed what the plan was
        made from, PersonsRefused when a value is at fault (nothing was written, all three), Unavailable, or
        OutcomeUnknown.
        """
        with _outages():
            async with self._postgres.transaction() as connection:
                await _move(connection, source, moves)
                await connection.execute(_ROW_BY_ROW)
                await _write_persons(connection, writes.persons)
                await _write_links(connection, writes.links)
                await _write_personless(connection, writes.personless)
                await _write_groups(connection, writes)
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


# Everything is written in one order by everybody, tables and rows, or two transactions that share rows could wait for
# each other.


async def _write_persons(connection: Connection, persons: Sequence[Person]) -> None:
    ordered = sorted(persons, key=lambda person: person.id)
    made = [person for person in ordered if person.stored_version is None]
    changed = [person for person in ordered if person.stored_version is not None]
    if made:
        await _exactly(connection, len(made), "A person", _INSERT, *_person_columns(made))
    if changed:
        columns = _person_columns(changed)
        await connection.execute(_LOCK, *columns[:2])
        stored = [person.stored_version for person in changed]
        await _exactly(connection, len(changed), "A person", _UPDATE, *columns, stored)


async def _write_links(connection: Connection, links: Sequence[Link]) -> None:
    ordered = sorted(links, key=lambda link: link.key)
    made = [link for link in ordered if link.stored_version is None]
    moved = [link for link in ordered if link.stored_version is not None]
    if made:
        await _exactly(connection, len(made), "A distinct id", _NEW_LINKS, *_link_columns(made))
    if moved:
        stored = [link.stored_version for link in moved]
        await _exactly(connection, len(moved), "A distinct id", _MOVED_LINKS, *_link_columns(moved), stored)


async def _write_personless(connection: Connection, personless: Sequence[Personless]) -> None:
    ordered = sorted(personless, key=lambda one: one.key)
    what = "A distinct id without a person"
    if new := [one for one in ordered if one.stored is None]:
        columns = (*_key_columns([one.key for one in new]), [one.is_merged for one in new])
        await _exactly(connection, len(new), what, _NEW_PERSONLESS, *columns)
    if met := [one.key for one in ordered if one.stored is not None]:
        await _exactly(connection, len(met), what, _MERGED_PERSONLESS, *_key_columns(met))


async def _write_groups(connection: Connection, writes: Writes) -> None:
    if writes.group_types:
        columns = list(zip(*sorted(writes.group_types), strict=True))
        await _exactly(connection, len(writes.group_types), "A group type", _NEW_TYPES, *columns)
    ordered = sorted(writes.groups, key=lambda group: (group.team_id, group.type_index, group.key))
    if made := [group for group in ordered if group.stored_version is None]:
        await _exactly(connection, len(made), "A group", _NEW_GROUPS, *_group_columns(made))
    if changed := [group for group in ordered if group.stored_version is not None]:
        stored = [group.stored_version for group in changed]
        await _exactly(connection, len(changed), "A group", _CHANGED_GROUPS, *_group_columns(changed), stored)


async def _exactly(connection: Connection, rows: int, what: str, statement: str, *columns: Sequence[Any]) -> None:
    if _count(await connection.execute(statement, *columns)) != rows:
        raise Conflict(f"{what} of this batch has just been changed by somebody else.")


def _person_columns(persons: Sequence[Person]) -> tuple[list[Any], ...]:
    return (
        [person.team_id for person in persons],
        [person.uuid for person in persons],
        [person.created_at for person in persons],
        [person.properties.encoded().decode() for person in persons],
        [person.version for person in persons],
        [person.is_identified for person in persons],
        [person.is_deleted for person in persons],
        [person.last_seen_at for person in persons],
    )


def _link_columns(links: Sequence[Link]) -> tuple[list[Any], ...]:
    return (
        *_key_columns([link.key for link in links]),
        [link.person for link in links],
        [link.version for link in links],
    )


def _group_columns(groups: Sequence[Group]) -> tuple[list[Any], ...]:
    return (
        [group.team_id for group in groups],
        [group.type_index for group in groups],
        [group.key for group in groups],
        [group.created_at for group in groups],
        [group.properties.encoded().decode() for group in groups],
        [group.version for group in groups],
    )


def _array_of(numbers: Iterable[int]) -> str:
    """For `$1::text::bigint[]`: of each item of an array, asyncpg asks at length whether it is an array itself."""
    return "{" + ",".join(map(str, numbers)) + "}"


def _key_columns(keys: Sequence[PersonKey]) -> tuple[list[int], list[str]]:
    return [key[0] for key in keys], [key[1] for key in keys]


def _person(
    team_id: int,
    uuid: UUID,
    version: int,
    created_at: datetime,
    properties: str,
    is_deleted: bool,
    is_identified: bool,
    last_seen_at: datetime,
) -> Person:
    members = object_of(properties.encode()) or nothing()
    return Person(team_id, uuid, created_at, members, version, version, is_deleted, is_identified, last_seen_at)


def _group(row: Any) -> Group:
    properties = object_of(row["properties"].encode()) or nothing()
    return Group(
        row["team_id"],
        row["group_type_index"],
        row["group_key"],
        row["created_at"],
        properties,
        row["version"],
        row["version"],
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
