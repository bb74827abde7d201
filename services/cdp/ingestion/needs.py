"""What a batch must know before it can be decided: which distinct ids, which groups. Plain functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from libs.kit.teams import Team
from services.cdp.ingestion.groups import IDENTIFY, GroupKey, group_said, types_named
from services.cdp.ingestion.merging import MERGES, merge_asked
from services.cdp.ingestion.parse import MAX_DISTINCT_ID, Incoming, Rejected
from services.cdp.ingestion.people import Loaded
from services.cdp.ingestion.persons import PersonId, PersonKey, person_uuid
from services.cdp.ingestion.properties import FLAG_CALLED


@dataclass(slots=True)
class Needs:
    """What `plan` will ask for.

    persons: distinct ids, with a number each, from 1: their places in what is loaded. merges: pairs of distinct ids
    that events want to be one person's; retold: those of records that are emitted again.
    personless: distinct ids of which it matters whether they were seen without a person.
    """

    persons: dict[PersonKey, int] = field(default_factory=dict)
    merges: list[tuple[PersonKey, PersonKey]] = field(default_factory=list)
    retold: set[PersonKey] = field(default_factory=set)
    personless: set[PersonKey] = field(default_factory=set)
    teams_with_groups: set[int] = field(default_factory=set)
    groups: set[GroupKey] = field(default_factory=set)


def needs(events: Iterable[Incoming | Rejected], teams: Mapping[str, Team], fresh_from: Mapping[int, int]) -> Needs:
    """Of events of known teams, each of which is told the place of its distinct id. A little more than is used does no
    harm."""
    asked = Needs()
    persons = asked.persons
    token, team, team_id, opted_out = None, None, 0, False
    for one in events:
        if not isinstance(one, Incoming):
            continue
        event = one
        if event.token is not token:
            token, team = event.token, teams.get(event.token)
            if team is not None:
                team_id, opted_out = team.id, team.person_processing_opt_out
        if team is None:
            continue
        name, distinct_id, properties = event.event, event.distinct_id, event.properties
        if len(distinct_id) > MAX_DISTINCT_ID:
            continue
        key = (team_id, distinct_id)
        event.place = persons.setdefault(key, len(persons) + 1)
        if opted_out or name == FLAG_CALLED or "$process_person_profile" in properties:
            asked.personless.add(key)
        if name in MERGES:
            fresh = event.offset >= fresh_from.get(event.partition, 0)
            _merge(asked, event, key, fresh)
        if name == IDENTIFY or "$groups" in properties:
            _groups(asked, event, team_id)
    return asked


def mingling(merges: Sequence[tuple[PersonKey, PersonKey]], loaded: Loaded) -> set[PersonId]:
    """The persons of whom all distinct ids must be known: those that these merges, one after the other, may bring
    together with another person. Most merges give a person one more distinct id, and need none."""
    root: dict[PersonKey, PersonKey] = {}

    def found(key: PersonKey) -> PersonKey:
        while root.setdefault(key, key) != key:
            root[key] = root[root[key]]
            key = root[key]
        return key

    for one, other in merges:
        root[found(one)] = found(other)
    persons: dict[PersonKey, set[PersonId]] = {}
    for key in list(root):
        persons.setdefault(found(key), set()).update(persons_of(key, loaded))
    return {person for together in persons.values() if len(together) > 1 for person in together}


def persons_of(key: PersonKey, loaded: Loaded) -> set[PersonId]:
    """The living person of a distinct id: the one it is linked to, else the one whose uuid follows from it."""
    link = loaded.links.get(key)
    linked = (key[0], link.person.int) if link and not link.is_deleted else None
    identity = linked if linked is not None and linked in loaded.persons else (key[0], person_uuid(*key).int)
    person = loaded.persons.get(identity)
    return {identity} if person is not None and not person.is_deleted else set()


def _merge(asked: Needs, event: Incoming, key: PersonKey, fresh: bool) -> None:
    merge = merge_asked(event.event, event.distinct_id, event.properties)
    if merge is None or merge.illegal is not None:
        return
    other = (key[0], merge.other)
    persons, personless = asked.persons, asked.personless
    persons.setdefault(other, len(persons) + 1)
    personless.add(key)
    personless.add(other)
    if fresh:
        asked.merges.append((key, other))
    else:
        asked.retold |= {key, other}


def _groups(asked: Needs, event: Incoming, team_id: int) -> None:
    if any(types_named(event.properties)):
        asked.teams_with_groups.add(team_id)
    if event.event == IDENTIFY and (said := group_said(event.properties)) is not None:
        asked.teams_with_groups.add(team_id)
        if len(said.key) <= MAX_DISTINCT_ID:
            asked.groups.add((team_id, said.type, said.key))
