"""A batch of records -> rows, person writes, dead letters. A plain function: what it knows and `now` are handed in.

Events are taken in order, one after the other; what one changes about a person the next one sees.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from libs.kit.contracts.events import PersonMode
from libs.kit.eventlog import NewRecord, Record
from libs.kit.teams import Team
from services.cdp.ingestion.parse import MAX_DISTINCT_ID, Incoming, Rejected, parse
from services.cdp.ingestion.persons import (
    FAKE_CREATED_AT,
    Person,
    changed_properties,
    first_properties,
    person_uuid,
)
from services.cdp.ingestion.properties import Dropped, Normalised, normalised
from services.cdp.ingestion.rows import row
from services.cdp.raw_json import merged

PersonKey = tuple[int, str]
FORCED_UPGRADE_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Known:
    """What the batch needs, loaded at once. A person that is missing does not exist."""

    teams: Mapping[str, Team]
    persons: Mapping[PersonKey, Person]


@dataclass(slots=True)
class Plan:
    """What is to be done about a batch. `persons` holds those to write; `links` new distinct ids of persons.
    first_of: teams that had no event before these."""

    rows: list[NewRecord] = field(default_factory=list)
    dead: list[Rejected] = field(default_factory=list)
    first_of: set[int] = field(default_factory=set)
    persons: list[Person] = field(default_factory=list)
    links: dict[PersonKey, uuid.UUID] = field(default_factory=dict)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Owner:
    """The person a row is stored under."""

    uuid: uuid.UUID
    created_at: datetime
    properties: Mapping[str, msgspec.Raw]
    mode: PersonMode


def parsed(records: Iterable[Record]) -> list[Incoming | Rejected]:
    """Every record as an event or as a dead letter."""
    return [parse(record) for record in records]


def person_keys(events: Iterable[Incoming | Rejected], teams: Mapping[str, Team]) -> set[PersonKey]:
    """The distinct ids whose persons `plan` will ask for."""
    return {
        (team.id, event.distinct_id)
        for event in events
        if isinstance(event, Incoming)
        and (team := teams.get(event.token))
        and len(event.distinct_id) <= MAX_DISTINCT_ID
    }


def plan(
    events: Sequence[Incoming | Rejected], known: Known, fresh_from: Mapping[int, int], refused: set[str], now: datetime
) -> Plan:
    """Decide a batch.

    fresh_from: per partition, the offset up to which persons are committed already. Records before it are emitted
    again, from persons as they now are, and write none. refused: uuids of events PostgreSQL would not take.
    """
    planner = _Planner(known, now)
    for event in events:
        if isinstance(event, Rejected):
            planner.reject(event)
        elif event.uuid in refused:
            planner.reject(Rejected(event.record, "refused_by_store", "persons"))
        else:
            planner.take(event, fresh=event.record.offset >= fresh_from.get(event.record.partition, 0))
    return planner.finished()


class _Planner:
    """The state of one `plan`: persons as the events so far have left them."""

    def __init__(self, known: Known, now: datetime):
        self._known = known
        self._now = now
        self._persons: dict[PersonKey, Person] = {}
        # two distinct ids of one person must share one object
        self._by_uuid: dict[tuple[int, uuid.UUID], Person] = {}
        self._plan = Plan()

    def reject(self, rejected: Rejected) -> None:
        """To the dead letters."""
        self._plan.dead.append(rejected)
        self._plan.outcomes["dlq", rejected.reason] += 1

    def take(self, event: Incoming, *, fresh: bool) -> None:
        """One event: dropped, or a row."""
        team = self._known.teams.get(event.token)
        if team is None:
            return self._drop("invalid_token")
        if len(event.distinct_id) > MAX_DISTINCT_ID:
            return self._drop("skipping_event_invalid_distinct_id", warn=True)
        properties = normalised(event, anonymize_ips=team.anonymize_ips)
        if isinstance(properties, Dropped):
            return self._drop(properties.reason, warn=True)
        self._plan.warnings.update(properties.warnings)
        if event.timestamp is None:
            self._plan.warnings["ignored_invalid_timestamp"] += 1
        happened = event.timestamp or self._now
        if properties.personless:
            owner = self._personless_owner(team, event, happened)
        else:
            owner = self._owner(team, event, properties, happened, fresh=fresh)
        self._plan.rows.append(
            row(
                event,
                properties.properties,
                team_id=team.id,
                timestamp=happened,
                person_id=str(owner.uuid),
                person_created_at=owner.created_at,
                person_properties=owner.properties,
                person_mode=owner.mode,
                now=self._now,
            )
        )
        if not team.ingested_event:
            self._plan.first_of.add(team.id)
        self._plan.outcomes["ok" if fresh else "replayed", ""] += 1
        return None

    def finished(self) -> Plan:
        """The plan, with the persons that changed."""
        self._plan.persons = [person for person in self._by_uuid.values() if person.changed]
        return self._plan

    def _drop(self, reason: str, *, warn: bool = False) -> None:
        self._plan.outcomes["dropped", reason] += 1
        if warn:
            self._plan.warnings[reason] += 1

    def _owner(self, team: Team, event: Incoming, said: Normalised, happened: datetime, *, fresh: bool) -> Owner:
        # Merging ($identify with $anon_distinct_id, $create_alias, $merge_dangerously) will come here, before the
        # person is looked up: it decides which person this distinct id means.
        key = (team.id, event.distinct_id)
        person = self._person(key)
        if person is None or person.is_deleted:
            person = self._created(key, event, said, happened, deleted=person, kept=fresh)
        elif fresh:
            change = changed_properties(person.properties, said, event.event)
            self._plan.warnings.update(change.warnings)
            if change.written:
                person.properties = change.properties
                if not person.changed:
                    person.version += 1
                    person.changed = True
        if fresh and self._linked(key) != person.uuid:
            self._plan.links[key] = person.uuid
        return Owner(person.uuid, person.created_at, merged(person.properties, said.set), "full")

    def _created(
        self,
        key: PersonKey,
        event: Incoming,
        said: Normalised,
        happened: datetime,
        *,
        deleted: Person | None,
        kept: bool,
    ) -> Person:
        """A new person. Not `kept`: only for this row, since a record emitted again writes no persons."""
        change = first_properties(said, event.uuid)
        person = Person(key[0], person_uuid(*key), happened, change.properties, changed=True)
        if deleted is not None:
            person.uuid, person.stored_version = deleted.uuid, deleted.stored_version
            person.version = deleted.version + 1
        if kept:
            self._plan.warnings.update(change.warnings)
            self._persons[key] = self._by_uuid[person.team_id, person.uuid] = person
        return person

    def _personless_owner(self, team: Team, event: Incoming, happened: datetime) -> Owner:
        """An existing person lends its uuid; otherwise a fake one, which is never written."""
        person = None if event.force_personless else self._person((team.id, event.distinct_id))
        if person is None or person.is_deleted:
            return Owner(person_uuid(team.id, event.distinct_id), FAKE_CREATED_AT, {}, "propertyless")
        later = happened > person.created_at + FORCED_UPGRADE_AFTER
        return Owner(person.uuid, person.created_at, {}, "force_upgrade" if later else "propertyless")

    def _person(self, key: PersonKey) -> Person | None:
        if key in self._persons:
            return self._persons[key]
        if (known := self._known.persons.get(key)) is None:
            return None
        person = self._by_uuid.setdefault((known.team_id, known.uuid), replace(known))
        self._persons[key] = person
        return person

    def _linked(self, key: PersonKey) -> uuid.UUID | None:
        known = self._known.persons.get(key)
        return self._plan.links.get(key) or (known.uuid if known and known.linked else None)
