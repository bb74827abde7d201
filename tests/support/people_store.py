"""PostgreSQL's part in ingestion, in memory: loads and applies what services/cdp/ingestion/repository.py does."""

from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID

from services.cdp.ingestion.groups import Group, GroupKey, LoadedGroups
from services.cdp.ingestion.needs import Needs, mingling, persons_of
from services.cdp.ingestion.people import Loaded
from services.cdp.ingestion.persons import Link, Person, PersonId, PersonKey, person_uuid
from services.cdp.ingestion.plan import Writes

T = TypeVar("T", Person, Link)


def with_owners(loaded: Loaded, asked: Needs) -> Loaded:
    """The same, with the person of each place."""
    owners: list[Person | None] = [None]
    for key in asked.persons:
        link = loaded.links.get(key)
        owners.append(None if link is None or link.is_deleted else loaded.persons.get((key[0], link.person.int)))
    return replace(loaded, places=asked.persons, owners=owners)


def _stored(one: T) -> T:
    one.stored_version, one.changed = one.version, False
    return one


@dataclass
class MemoryStore:
    """Refuses what PostgreSQL would: a row that is not as it was when it was loaded."""

    persons: dict[PersonId, Person] = field(default_factory=dict)
    links: dict[PersonKey, Link] = field(default_factory=dict)
    personless: dict[PersonKey, bool] = field(default_factory=dict)
    types: dict[int, dict[str, int]] = field(default_factory=dict)
    groups: dict[GroupKey, Group] = field(default_factory=dict)

    def load(self, asked: Needs) -> tuple[Loaded, LoadedGroups]:
        """What is asked for and no more."""
        links = {key: self.links[key] for key in asked.persons if key in self.links}
        names = {(key[0], person_uuid(*key).int) for key in asked.persons}
        names |= {(key[0], link.person.int) for key, link in links.items()}
        persons = {name: self.persons[name] for name in names if name in self.persons}
        first = Loaded(persons, links)
        opened = mingling(asked.merges, first)
        retold = {person for key in asked.retold for person in persons_of(key, first)}
        keys_of: dict[PersonId, list[PersonKey]] = {}
        for key, link in self.links.items():
            if (identity := (key[0], link.person.int)) in opened | retold:
                links[key] = link
                if not link.is_deleted:
                    keys_of.setdefault(identity, []).append(key)
        for key, link in links.items():
            former = (key[0], person_uuid(*key).int)
            if (key[0], link.person.int) in retold and former in self.persons:
                persons[former] = self.persons[former]
        personless = {key: self.personless[key] for key in asked.personless if key in self.personless}
        types = {team: dict(self.types.get(team, {})) for team in asked.teams_with_groups}
        groups = {key: self.groups[key] for key in asked.groups if key in self.groups}
        return with_owners(Loaded(persons, links, personless, keys_of), asked), LoadedGroups(types, groups)

    def apply(self, writes: Writes) -> None:
        """Take what a plan writes."""
        for person in writes.persons:
            before = self.persons.get(person.id)
            assert (before.version if before else None) == person.stored_version
            assert before is None or person.version > before.version
            self.persons[person.id] = _stored(person.copy())
        for link in writes.links:
            known = self.links.get(link.key)
            assert (known.version if known else None) == link.stored_version
            assert known is None or link.version > known.version
            self.links[link.key] = _stored(link.copy())
        for one in writes.personless:
            assert self.personless.get(one.key) is one.stored
            self.personless[one.key] = one.is_merged
        for team, name, number in writes.group_types:
            assert number not in self.types.setdefault(team, {}).values()
            self.types[team][name] = number
        names = {(team, number): name for team, types in self.types.items() for name, number in types.items()}
        for group in writes.groups:
            key = (group.team_id, names[group.team_id, group.type_index], group.key)
            self.groups[key] = replace(group, stored_version=group.version, changed=False)

    def owner(self, team: int, distinct_id: str) -> UUID | None:
        """The person of a distinct id."""
        link = self.links.get((team, distinct_id))
        return link.person if link else None
