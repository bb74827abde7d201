"""Persons: found, with what there is of them, exported, deleted."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from libs.kit.clickhouse import ClickHouse
from libs.kit.contracts.ai_events import LARGE
from libs.kit.contracts.ai_events import NAMES as AI_EVENTS
from libs.kit.errors import InvalidRequest, NotFound
from services.web.persons.repository import Person, PersonRepository
from services.web.persons.shown import EMAIL_PROPERTIES, has_email, shown

MAX_FOUND = 100
# PostgreSQL has no index on what is in properties: each change of a person would have to write it. These are
# candidates: any version of a person that had the address.
_IS_EMAIL = "lowerUTF8(CAST(properties.`{}`, 'Nullable(String)')) = lowerUTF8({{email:String}})"
_WITH_EMAIL = f"""
    SELECT DISTINCT toString(id) FROM person
    WHERE team_id = {{team:Int64}} AND ({" OR ".join(map(_IS_EMAIL.format, EMAIL_PROPERTIES))})
    LIMIT {{limit:UInt32}}
"""  # noqa: S608 - our own names; values are bound
_EVENTS = "team_id = {team:Int64} AND (person_id = {person:UUID} OR distinct_id IN {ids:Array(String)})"
_POINTS = "team_id = {team:Int64} AND distinct_id IN {ids:Array(String)}"
_COUNTS = f"""
    SELECT count(), toString(toDate(minOrNull(timestamp))), toString(toDate(maxOrNull(timestamp))),
           (SELECT count() FROM heatmaps FINAL WHERE {_POINTS})
    FROM events WHERE {_EVENTS}
"""  # noqa: S608 - our own text; values are bound
# AI events of which `events` has less than was said, or nothing: by how many of the large properties each has.
_SAID_ELSEWHERE = f"""
    {_EVENTS} AND (uuid, {" + ".join(f"isNotNull({name.removeprefix('$ai_')})" for name in LARGE)}) NOT IN (
        SELECT uuid, arrayCount(name -> has({{large:Array(String)}}, name)
                     AND JSONExtractRaw(properties_raw, name) != 'null', JSONExtractKeys(properties_raw))
        FROM events WHERE {_EVENTS} AND event IN {{ai:Array(String)}})
"""  # noqa: S608
_EVERYTHING = (
    f"""
    SELECT 'event' AS type, uuid, event, distinct_id, timestamp, properties_raw AS properties, elements_chain,
           person_id, person_properties_raw AS person_properties
    FROM events
    WHERE {_EVENTS} AND uuid NOT IN (SELECT uuid FROM ai_events FINAL WHERE {_SAID_ELSEWHERE})
    ORDER BY timestamp
""",  # noqa: S608
    f"""
    SELECT 'ai_event' AS type, uuid, event, distinct_id, timestamp, properties, input, output, output_choices,
           input_state, output_state, tools
    FROM ai_events FINAL WHERE {_SAID_ELSEWHERE} ORDER BY timestamp
""",  # noqa: S608
    f"""
    SELECT 'heatmap_point' AS type, uuid, session_id, distinct_id, timestamp, current_url, type AS kind, x, y,
           scale_factor, viewport_width, viewport_height, pointer_target_fixed
    FROM heatmaps FINAL WHERE {_POINTS} ORDER BY timestamp
""",  # noqa: S608
)


@dataclass(frozen=True, slots=True)
class Belongings:
    """What is stored of a person beside the person. first, last: days (UTC) of the events' times."""

    events: int
    first: str | None
    last: str | None
    heatmap_points: int


@dataclass(frozen=True, slots=True)
class PersonService:
    """The use cases of persons/."""

    repository: PersonRepository
    clickhouse: ClickHouse

    async def find(self, team_id: int, *, distinct_id: str = "", email: str = "") -> Sequence[Person]:
        """Living persons with this distinct id, or with this address now; newest first, at most MAX_FOUND."""
        uuids: list[UUID] = []
        if email:
            found = await self.clickhouse.query(_WITH_EMAIL, {"team": team_id, "email": email, "limit": MAX_FOUND * 10})
            uuids = [UUID(str(row[0])) for row in found.rows]
        ids = [distinct_id] if distinct_id and "\x00" not in distinct_id else []
        persons = await self.repository.find(team_id, uuids=uuids, distinct_ids=ids)
        wanted = [each for each in persons if distinct_id in each.distinct_ids or (email and has_email(each, email))]
        return wanted[:MAX_FOUND]

    async def one(self, team_id: int, person_id: str) -> Person:
        """By uuid. Raises InvalidRequest or NotFound."""
        try:
            wanted = UUID(person_id)
        except ValueError:
            raise InvalidRequest(f"{person_id[:100]!r} does not look like a personID.") from None
        if found := await self.repository.find(team_id, uuids=[wanted]):
            return found[0]
        raise NotFound("Person not found.")

    async def belongings(self, team_id: int, person: Person) -> Belongings:
        """Counted in ClickHouse just now. Raises what its client raises."""
        [row] = (await self.clickhouse.query(_COUNTS, _whose(team_id, person))).rows
        return Belongings(int(row[0]), row[1], row[2], int(row[3]))

    async def everything(self, team_id: int, person: Person) -> AsyncIterator[bytes]:
        """All that is known of a person, as JSON lines: the person, each event, each point on heatmaps. An AI event
        whose large properties are kept apart is a line of its own kind, `ai_event`, with what was said.

        Objects that came as JSON are texts, with the bytes that are stored. What follows from events, as sessions do,
        is left out."""
        head = orjson.dumps({"type": "person", **shown(person)}) + b"\n"
        for statement in _EVERYTHING:
            lines = self.clickhouse.stream(statement, _whose(team_id, person), output_format="JSONEachRow")
            async for piece in lines:
                yield head + piece
                head = b""
        if head:
            yield head


def _whose(team_id: int, person: Person) -> dict[str, Any]:
    whose = {"team": team_id, "person": str(person.uuid), "ids": list(person.distinct_ids)}
    return {**whose, "ai": sorted(AI_EVENTS), "large": list(LARGE)}
