"""A batch of records -> rows, writes, updates to tell of, dead letters. A plain function: what it knows and `now` are
handed in.

Events are taken in order, one after the other; what one changes about a person the next one sees.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from libs.fastpath import RowBlock, near, near_text
from libs.kit.contracts import ai_events, capture_warnings
from libs.kit.contracts.events import PersonMode
from libs.kit.contracts.topics import AI_EVENTS, DISTINCT_IDS, GROUPS, PERSONS
from libs.kit.errors import HedgerowError
from libs.kit.eventlog import NewRecord, Record
from libs.kit.eventlog.block import RecordBlock
from libs.kit.teams import Team
from services.cdp.ingestion.ai import lightened
from services.cdp.ingestion.definitions import Catalogue, Finder, Findings
from services.cdp.ingestion.groups import IDENTIFY, Group, Groups, LoadedGroups, group_said, key_too_long
from services.cdp.ingestion.merging import MERGES, Merge, javascript_truthy_text, merge_asked
from services.cdp.ingestion.ordinary import Form, form_of, said_of
from services.cdp.ingestion.parse import MAX_DISTINCT_ID, Incoming, Rejected, parse
from services.cdp.ingestion.people import Loaded, People, Personless
from services.cdp.ingestion.persons import (
    FAKE_CREATED_AT,
    Link,
    Person,
    PersonKey,
    changed_properties,
    first_properties,
    person_uuid,
)
from services.cdp.ingestion.properties import FLAG_CALLED, Dropped, Normalised, may_stay_personless, normalised
from services.cdp.ingestion.rows import add_formed_row, add_ordinary_row, add_row, cut, encoded_headers
from services.cdp.ingestion.team_lists import Listed
from services.cdp.ingestion.updates import group_record, link_records, person_records
from services.cdp.ingestion.warnings import Warned
from services.cdp.raw_json import Properties, nothing, number_of, text_of

FORCED_UPGRADE_AFTER = timedelta(minutes=1)
USUAL_ROW_BYTES = 4096
AHEAD = 2  # events: so many take longer to decide than memory takes to come


@dataclass(frozen=True, slots=True)
class Known:
    """What the batch needs, loaded at once. What is missing does not exist.

    merge_limit: distinct ids that one merge may move; None for any number.
    """

    teams: Mapping[str, Team]
    people: Loaded = field(default_factory=Loaded)
    groups: LoadedGroups = field(default_factory=LoadedGroups)
    catalogue: Catalogue = field(default_factory=Catalogue)
    listed: Listed = field(default_factory=Listed)
    merge_limit: int | None = None


class MergeLimitExceeded(HedgerowError):
    """A merge would move more distinct ids than it may; nothing of its event is done yet."""


@dataclass(slots=True)
class Writes:
    """What goes to PostgreSQL, with the position, in one transaction."""

    persons: list[Person] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    personless: list[Personless] = field(default_factory=list)
    group_types: list[tuple[int, str, int]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """What is to be done about a batch.

    updates: records that tell of persons, distinct ids and groups, and AI events whole, by topic. first_of: teams that
    had no event before these. findings: names of events and properties. warnings: how often each type came up; warned:
    what is to be told, before its limit. dropped: team, uuid and reason of each event that goes no further, for whoever
    looks for it.
    """

    rows: Sequence[NewRecord] = field(default_factory=list)
    dead: list[Rejected] = field(default_factory=list)
    writes: Writes = field(default_factory=Writes)
    updates: dict[str, Sequence[NewRecord]] = field(default_factory=dict)
    first_of: set[int] = field(default_factory=set)
    findings: Findings = field(default_factory=Findings)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    warned: list[Warned] = field(default_factory=list)
    dropped: list[tuple[int, str, str]] = field(default_factory=list)


class Owner:
    """The person a row is stored under. latest: what the row shows laid over `properties`, written or not."""

    __slots__ = ("latest", "mode", "person", "properties")

    def __init__(self, person: Person, properties: Properties, mode: PersonMode, latest: Properties | None = None):
        self.person = person
        self.properties = properties
        self.mode = mode
        self.latest = latest


class _Taken:
    """One event on its way through. fresh: false when all it writes is written already."""

    __slots__ = ("event", "fresh", "happened", "key", "said", "team")

    def __init__(self, team: Team, event: Incoming, said: Normalised, happened: datetime, fresh: bool):
        self.team = team
        self.event = event
        self.said = said
        self.happened = happened
        self.fresh = fresh
        self.key = (team.id, event.distinct_id)


def parsed(records: list[Record]) -> list[Incoming | Rejected]:
    """Every record as an event or as a dead letter."""
    events = []
    for number, record in enumerate(records):
        near(records, number + 2)
        if number + 1 < len(records):
            near_text(records[number + 1].value)
        events.append(parse(record))
    return events


def plan(
    events: list[Incoming | Rejected], known: Known, fresh_from: Mapping[int, int], refused: set[str], now: datetime
) -> Plan:
    """Decide a batch.

    fresh_from: per partition, the offset up to which what events write is committed already. Records before it are
    emitted again, from persons as they now are, with what tells of these persons, and write none. refused: uuids of
    events PostgreSQL would not take.
    """
    planner = _Planner(known, now, len(events))
    partition, fresh = -1, 0
    for number, one in enumerate(events):
        planner.look_ahead(events, number)
        if not isinstance(one, Incoming):
            planner.reject(one)
        elif refused and one.uuid in refused:
            planner.reject(Rejected(one.record, "refused_by_store", "persons"))
        else:
            taken = one
            if taken.partition != partition:
                partition = taken.partition
                fresh = fresh_from.get(partition, 0)
            planner.take(taken, taken.offset >= fresh)
    return planner.finished()


class _Terms:
    """What each event asks of its team, as C has it. known: one that had events before, or has one now."""

    __slots__ = ("anonymize_ips", "known", "opted_out", "team", "team_id")

    def __init__(self, team: Team):
        self.team = team
        self.team_id = team.id
        self.anonymize_ips = team.anonymize_ips
        self.opted_out = team.person_processing_opt_out
        self.known = team.ingested_event


class _Planner:
    """The state of one `plan`: persons and groups as the events so far have left them. number: of events."""

    def __init__(self, known: Known, now: datetime, number: int):
        self._terms = {token: _Terms(team) for token, team in known.teams.items()}
        self._token: str | None = None  # of the latest event
        self._latest: _Terms | None = None
        self._now = now
        self._people = People(known.people)
        self._groups = Groups(known.groups)
        self._finder = Finder(known.catalogue, now)
        self._plan = Plan()
        self._rows = RowBlock(number * USUAL_ROW_BYTES)
        self._ok = 0
        self._arrived_ms = -1  # of the latest event with a form, and the headers of its row
        self._headers = b""
        self._listed = known.listed
        self._merge_limit = known.merge_limit
        self._ai = RowBlock()

    def look_ahead(self, events: list[Incoming | Rejected], number: int) -> None:
        """Have what is soon looked at brought near: since it was parsed and loaded, thousands of others have gone by.
        One thing leads to the next, so each is asked for when the one before has come."""
        near(events, number + 3 * AHEAD)
        if number + 2 * AHEAD < len(events):
            one = events[number + 2 * AHEAD]
            if isinstance(one, Incoming):
                event = one
                event.properties.warm()
                self._people.near(event.place)
            one = events[number + AHEAD]
            if isinstance(one, Incoming):
                event = one
                self._people.warm(event.place)

    def reject(self, rejected: Rejected) -> None:
        """To the dead letters."""
        self._plan.dead.append(rejected)
        self._plan.outcomes["dlq", rejected.reason] += 1

    def take(self, event: Incoming, fresh: bool) -> None:
        """One event: dropped, or a row."""
        if event.token is not self._token:
            self._token, self._latest = event.token, self._terms.get(event.token)
        terms = self._latest
        if terms is None:
            return self._count("dropped", "invalid_token")
        team = terms.team
        if not event.place and len(event.distinct_id) > MAX_DISTINCT_ID:
            return self._drop(team, event, "skipping_event_invalid_distinct_id", key="")
        if fresh and self._takes_ordinary(event, terms):
            return None
        if event.event == IDENTIFY and key_too_long(event.properties):
            return self._drop(team, event, "group_key_too_long")
        if event.event == capture_warnings.EVENT:
            by_capture = capture_warnings.FROM_CAPTURE in event.record.headers
            return self._told_by_capture(team, event) if by_capture else self._told_by_client(team, event)
        personless = team.person_processing_opt_out or self._is_passing_flag(event, team)
        said: Normalised | Dropped | None = None if personless else self._formed(event, terms)
        if said is None:
            said = normalised(event, terms.anonymize_ips, personless)
        if isinstance(said, Dropped):
            return self._drop(team, event, said.reason)
        for kind in said.warnings:
            self._warn(team, event, kind, "normalise")
        if event.timestamp is None:
            self._warn(team, event, "ignored_invalid_timestamp", "prepare")
        try:
            self._store(_Taken(team, event, said, event.timestamp or self._now, fresh))
        except MergeLimitExceeded:
            self.reject(Rejected(event.record, "merge_limit_exceeded", "persons"))
        return None

    def _takes_ordinary(self, event: Incoming, terms: _Terms) -> bool:
        """Make the row of an event that changes nothing else; False for any other event, of which nothing is done."""
        if terms.opted_out:
            return False
        form = form_of(event, terms.anonymize_ips)
        if form is None or (person := self._people.at(event.place)) is None:
            return False
        name = cut(event.event)
        if not self._finder.is_known(terms.team_id, name, form, event.properties):
            return False
        if not add_ordinary_row(self._rows, event, form, name, person, self._now, self._headers_of(event)):
            return False
        self._ok += 1
        if not terms.known:
            terms.known = True
            self._plan.first_of.add(terms.team_id)
        return True

    def _formed(self, event: Incoming, terms: _Terms) -> Normalised | None:
        """What an event says, when it has a form and nothing new to define."""
        said = said_of(event, terms.anonymize_ips)
        if said is None or said.form is None:
            return None
        of_person = (said.set, said.set_once)
        known = self._finder.is_known(terms.team_id, cut(event.event), said.form, event.properties, of_person)
        return said if known else None

    def _is_passing_flag(self, event: Incoming, team: Team) -> bool:
        """A flag asked for by somebody who has no person, and who is not to get one for that."""
        if event.event != FLAG_CALLED or team.id not in self._listed.flags_personless:
            return False
        return may_stay_personless(event.properties) and self._people.owner((team.id, event.distinct_id)) is None

    def finished(self) -> Plan:
        """The plan, with what is to be written and told."""
        people, groups = self._people, self._groups
        persons, links = people.changed_persons(), people.changed_links()
        if self._rows:
            self._plan.rows = RecordBlock(*self._rows.taken())
        if self._ok:
            self._plan.outcomes["ok", ""] += self._ok
        self._plan.writes = Writes(
            persons,
            links,
            people.changed_personless(),
            groups.new_types(),
            groups.changed(),
        )
        self._plan.findings = self._finder.findings
        self._plan.updates = {
            PERSONS.name: person_records(people.told_persons(persons)),
            DISTINCT_IDS.name: link_records(people.told_links(links)),
            GROUPS.name: [group_record(group) for group in groups.told()],
            AI_EVENTS.name: RecordBlock(*self._ai.taken()),
        }
        return self._plan

    def _store(self, taken: _Taken) -> None:
        owner = self._personless_owner(taken) if taken.said.personless else self._owner(taken)
        if taken.said.form is not None:
            self._add_formed_row(taken, owner, taken.said.form)
        else:
            properties = taken.said.properties
            if not taken.said.personless and (taken.event.event == IDENTIFY or "$groups" in properties):
                self._take_groups(taken, properties)
            self._define(taken)
            light = properties
            if taken.event.event in ai_events.NAMES:
                light = lightened(properties) if taken.team.id in self._listed.stripped else properties.copy()
                self._add_row(self._ai, taken, owner, properties)
            self._add_row(self._rows, taken, owner, light)
        if not taken.team.ingested_event:
            self._plan.first_of.add(taken.team.id)
        if taken.fresh:
            self._ok += 1
        else:
            self._count("replayed", "")

    def _add_formed_row(self, taken: _Taken, owner: Owner, form: Form) -> None:
        event, said = taken.event, taken.said
        name, headers = cut(event.event), self._headers_of(event)
        add_formed_row(
            self._rows, event, form, name, taken.happened, owner.person, said.set, said.set_once, self._now, headers
        )

    def _headers_of(self, event: Incoming) -> bytes:
        if event.arrived_ms != self._arrived_ms:
            self._arrived_ms, self._headers = event.arrived_ms, encoded_headers(event.arrived_ms)
        return self._headers

    def _add_row(self, block: RowBlock, taken: _Taken, owner: Owner, properties: Properties) -> None:
        add_row(
            block,
            taken.event,
            properties,
            taken.team.id,
            taken.happened,
            owner.person,
            owner.properties,
            owner.latest,
            owner.mode,
            self._now,
        )

    # --- persons

    def _owner(self, taken: _Taken) -> Owner:
        merged = self._merge(taken) if taken.event.event in MERGES else None
        person = self._people.owner(taken.key, taken.event.place) if merged is None else merged
        if not taken.fresh:
            self._people.retell(taken.key)
            if person is None:  # only for this row, since a record emitted again writes no persons
                start = first_properties(taken.said, taken.event.uuid)
                person = self._people.imagined(taken.key, taken.happened, start.properties)
        elif person is None:
            person = self._created(taken, taken.key, False)
        else:
            self._update(taken, person)
            self._people.give(taken.key, person, 0, taken.event.place)
        return Owner(person, person.properties, "full", taken.said.set)

    def _created(self, taken: _Taken, key: PersonKey, identified: bool) -> Person:
        start = first_properties(taken.said, taken.event.uuid)
        for kind in start.warnings:
            self._warn(taken.team, taken.event, kind, "persons")
        return self._people.create(key, taken.happened, start.properties, identified)

    def _update(self, taken: _Taken, person: Person) -> None:
        change = changed_properties(person.properties, taken.said, taken.event.event)
        for kind in change.warnings:
            self._warn(taken.team, taken.event, kind, "persons")
        if change.written:
            person.properties = change.properties
            self._people.change(person)

    def _merge(self, taken: _Taken) -> Person | None:
        """Make the two distinct ids of a merging event one person's, by PostHog's rules: that person, the event's own.
        None when nothing is merged."""
        asked = merge_asked(taken.event.event, taken.event.distinct_id, taken.event.properties)
        if asked is None:
            return None
        if asked.illegal is not None:
            self._warn_of_merge(taken, asked, "cannot_merge_with_illegal_distinct_id", illegalDistinctId=asked.illegal)
            return None
        target, other = (taken.team.id, asked.target), (taken.team.id, asked.other)
        if not taken.fresh:
            self._people.retell_merge(target)
            self._people.retell_merge(other)
            return None
        person = self._merged(taken, asked, target, other)
        if not person.is_identified:
            person.is_identified = True
            self._people.change(person)
        return person

    def _merged(self, taken: _Taken, asked: Merge, target: PersonKey, other: PersonKey) -> Person:
        people = self._people
        at, other_at = taken.event.place, people.place(other)
        ours, theirs = people.owner(target, at), people.owner(other, other_at)
        if ours is None and theirs is None:
            return self._made_of_both(taken, target, other)
        if ours is None or theirs is None:
            person = theirs if ours is None else ours
            assert person is not None  # noqa: S101
            # the one that has a person may have it by its uuid alone
            if ours is None:
                people.give(other, person, 0, other_at)
                people.give(target, person, self._met(target), at)
            else:
                people.give(target, person, 0, at)
                people.give(other, person, self._met(other), other_at)
            return person
        if ours is theirs:
            people.give(other, ours, 0, other_at)
            return ours
        if theirs.is_identified and not asked.forced:
            self._warn_of_merge(
                taken,
                asked,
                "cannot_merge_already_identified",
                personId=str(ours.uuid),
                otherPersonId=str(theirs.uuid),
            )
            return ours
        if self._merge_limit is not None and people.number_of_keys(theirs) > self._merge_limit:
            self._warn_of_merge(taken, asked, "merge_move_limit_exceeded")
            raise MergeLimitExceeded
        if not people.absorb(ours, theirs):
            self._warn(taken.team, taken.event, "person_properties_size_violation", "persons")
        people.give(target, ours, 0, at)
        people.give(other, ours, 1, other_at)
        return ours

    def _made_of_both(self, taken: _Taken, target: PersonKey, other: PersonKey) -> Person:
        """Neither has a person. Events of an id seen personless are stored under the uuid that follows from it: that
        one is kept for the new person where possible."""
        seen = {key: self._met(key) for key in (target, other)}
        first, second = (other, target) if seen[other] and not seen[target] else (target, other)
        person = self._created(taken, first, True)
        self._people.give(second, person, 1 if all(seen.values()) else 0)
        return person

    def _met(self, key: PersonKey) -> int:
        """1 when events of this distinct id were stored without a person, else 0. From now on it has one."""
        return int(self._people.note_personless(key, True))

    def _personless_owner(self, taken: _Taken) -> Owner:
        """An existing person lends its uuid; otherwise a fake one, which is never written."""
        forced = taken.event.force_personless
        person = None if forced else self._people.owner(taken.key)
        if person is None:
            if not forced and taken.fresh:
                self._people.note_personless(taken.key, False)
            fake = Person(taken.team.id, person_uuid(*taken.key), FAKE_CREATED_AT, nothing())
            return Owner(fake, nothing(), "propertyless")
        later = taken.happened > person.created_at + FORCED_UPGRADE_AFTER
        upgraded = later and not taken.team.person_processing_opt_out
        return Owner(person, nothing(), "force_upgrade" if upgraded else "propertyless")

    # --- groups

    def _take_groups(self, taken: _Taken, properties: Properties) -> None:
        self._groups.add_columns(taken.team.id, properties, may_add=taken.fresh)
        if taken.event.event != IDENTIFY or (said := group_said(properties)) is None:
            return
        if not taken.fresh:
            self._groups.retell(taken.team.id, said)
            return
        if said.properties is None:
            self._warn(taken.team, taken.event, "invalid_group_set", "groups")
        if warning := self._groups.identify(taken.team.id, said, taken.happened):
            self._warn(taken.team, taken.event, warning, "groups")

    def _define(self, taken: _Taken) -> None:
        said, index = taken.said, None
        if taken.event.event == IDENTIFY and (kind := javascript_truthy_text(said.properties.get("$group_type"))):
            index = self._groups.index(taken.team.id, kind, may_add=False)
        persons = () if said.personless else (said.set, said.set_once)
        event, team = cut(taken.event.event), taken.team.id
        self._finder.take(team, event, said.properties, persons, index)

    # --- what is said about it

    def _count(self, result: str, reason: str) -> None:
        self._plan.outcomes[result, reason] += 1

    def _drop(self, team: Team, event: Incoming, reason: str, *, key: str | None = None) -> None:
        self._count("dropped", reason)
        self._plan.dropped.append((team.id, event.uuid, reason))
        self._warn(team, event, reason, "validate", key=key)

    def _told_by_client(self, team: Team, event: Incoming) -> None:
        """Not an event: a message for the project."""
        self._count("dropped", "client_ingestion_warning")
        self._plan.dropped.append((team.id, event.uuid, "client_ingestion_warning"))
        message = text_of(event.properties.get("$$client_ingestion_warning_message"))
        self._warn(team, event, "client_ingestion_warning", "client", message=message)

    def _told_by_capture(self, team: Team, event: Incoming) -> None:
        kind = text_of(event.properties.get(capture_warnings.TYPE)) or ""
        count = number_of(event.properties.get(capture_warnings.COUNT)) or 1
        self._count("ok", "ingestion_warning")
        self._plan.warnings[kind] += 1
        self._plan.warned.append(Warned(team.id, kind, "capture", "", {"count": int(count)}, source="capture"))

    def _warn_of_merge(self, taken: _Taken, asked: Merge, kind: str, **details: str) -> None:
        names = (
            {"sourcePersonDistinctId": asked.other, "targetPersonDistinctId": asked.target}
            if kind != "cannot_merge_with_illegal_distinct_id"
            else {"otherDistinctId": asked.other}
        )
        self._warn(taken.team, taken.event, kind, "persons", **names, **details)

    def _warn(
        self, team: Team, event: Incoming, kind: str, step: str, *, key: str | None = None, **details: str | None
    ) -> None:
        about = {"eventUuid": event.uuid, "event": event.event[:200], "distinctId": event.distinct_id[:MAX_DISTINCT_ID]}
        self._plan.warnings[kind] += 1
        self._plan.warned.append(
            Warned(team.id, kind, step, event.distinct_id if key is None else key, {**about, **details})
        )
