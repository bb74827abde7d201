"""The persons of one batch as its events so far have left them: a working state, loaded at once and written at once.

Nothing here asks a database. What was loaded is never changed, so that the same batch may be planned again.
Every change of who owns a distinct id also changes the version of each person concerned: a writer that compares
versions thus notices that the distinct ids it knew of a person are no longer all of them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from services.cdp.ingestion.persons import (
    MAX_PROPERTIES_BYTES,
    Link,
    Person,
    PersonId,
    PersonKey,
    hour_of,
    person_uuid,
    size_of,
)
from services.cdp.raw_json import Properties, merged, nothing

# A deletion outranks whatever update of the person may still be on its way.
DELETION_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class Loaded:
    """What PostgreSQL knows about the distinct ids of a batch.

    persons: by (team, uuid); those linked to, and those whose uuid follows from a distinct id of the batch.
    links: of the distinct ids of the batch, and all links of persons that a merge may move.
    keys_of: all distinct ids of each of these persons; of one that has more than a merge may move, one more than that.
    personless: distinct ids seen without a person, and whether a merge has found them since.
    """

    persons: Mapping[PersonId, Person] = field(default_factory=dict)
    links: Mapping[PersonKey, Link] = field(default_factory=dict)
    personless: Mapping[PersonKey, bool] = field(default_factory=dict)
    keys_of: Mapping[PersonId, Collection[PersonKey]] = field(default_factory=dict)


@dataclass(slots=True)
class Personless:
    """A row of posthog_personlessdistinctid to write. stored: its is_merged now, None when there is no row."""

    key: PersonKey
    is_merged: bool
    stored: bool | None


class People:
    """See the module."""

    def __init__(self, loaded: Loaded):
        self._loaded = loaded
        self._persons, self._known_links = loaded.persons, loaded.links
        # ours, in place of loaded ones and those that were made
        self._copies: dict[PersonId, Person] = {}
        self._links: dict[PersonKey, Link] = {}
        # made when it is first asked for: most batches merge few
        self._by_person: defaultdict[PersonId, set[PersonKey]] | None = None
        self._personless: dict[PersonKey, Personless] = {}
        # persons and links to be told of again although nothing about them changes
        self._retold_persons: dict[PersonId, Person] = {}
        self._retold_links: dict[PersonKey, Link] = {}

    # --- looking

    def owner(self, key: PersonKey) -> Person | None:
        """The living person of a distinct id."""
        person = self._linked(key) or self._person((key[0], person_uuid(*key).int))
        return None if person is None or person.is_deleted else person

    def linked(self, key: PersonKey) -> Person | None:
        """The living person that a distinct id is linked to, to be looked at only."""
        link = self._links.get(key) or self._known_links.get(key)  # for most events, so not by another method
        if link is None or link.is_deleted:
            return None
        identity = (key[0], link.person.int)
        person = self._copies.get(identity) or self._persons.get(identity)
        return None if person is None or person.is_deleted else person

    def seen_personless(self, key: PersonKey) -> bool:
        """Whether events of this distinct id were stored under a made-up person."""
        return key in self._personless or key in self._loaded.personless

    def keys_of(self, person: Person) -> set[PersonKey]:
        """All distinct ids of a person, if a merge may move them; else those that are new."""
        return set(self._keys_of[person.id])

    def number_of_keys(self, person: Person) -> int:
        """How many distinct ids a merge would move with this person; of one that has too many, at least as many as
        were loaded of it."""
        return max(len(self._keys_of[person.id]), len(self._loaded.keys_of.get(person.id, ())))

    # --- changing

    def create(self, key: PersonKey, happened: datetime, properties: Properties, identified: bool = False) -> Person:
        """A new person, with this distinct id. One that was deleted comes back to life under its old uuid."""
        made = self.imagined(key, happened, properties)
        made.is_identified = identified
        self._copies[made.id] = made
        self._retold_persons.pop(made.id, None)
        self.give(key, made)
        return made

    def imagined(self, key: PersonKey, happened: datetime, properties: Properties) -> Person:
        """The person that `create` would make."""
        deleted = self._linked(key) or self._person((key[0], person_uuid(*key).int))
        made = Person(key[0], person_uuid(*key), happened, properties, last_seen_at=hour_of(happened), changed=True)
        if deleted is not None:
            made.uuid, made.stored_version, made.version = deleted.uuid, deleted.stored_version, deleted.version + 1
        return made

    def change(self, person: Person) -> None:
        """The person is to be written: under one new version, however often it changes in this batch."""
        if not person.changed:
            person.version += 1
            person.changed = True

    def give(self, key: PersonKey, person: Person, at_least: int = 0) -> None:
        """Make a distinct id this person's. at_least: the lowest version that may get, 1 when events of it were
        stored under another uuid."""
        seen = self._seen_link(key)
        if seen is not None and not seen.is_deleted and seen.person.int == person.uuid.int:
            return
        if (link := self._link(key)) is None:
            self._links[key] = Link(key, person.uuid, at_least, changed=True)
        else:
            self._keys_of[key[0], link.person.int].discard(key)
            link.person, link.is_deleted, link.changed = person.uuid, False, True
            link.version = max(link.version + 1, at_least)
        if self._by_person is not None:
            self._by_person[person.id].add(key)
        self.change(person)

    def absorb(self, survivor: Person, other: Person) -> bool:
        """Merge `other` into `survivor`. False when their properties together are too large: then the survivor keeps
        its own."""
        properties = merged(other.properties, survivor.properties)
        fits = size_of(properties) <= MAX_PROPERTIES_BYTES
        if fits:
            survivor.properties = properties
        survivor.created_at = min(survivor.created_at, other.created_at)
        survivor.last_seen_at = max(survivor.last_seen_at, other.last_seen_at)
        survivor.is_identified = True
        survivor.version = max(survivor.version, other.version) + 1
        survivor.changed = True
        for key in self.keys_of(other):
            link = self._link(key)
            assert link is not None  # noqa: S101
            link.person, link.version, link.changed = survivor.uuid, link.version + 1, True
            self._keys_of[survivor.id].add(key)
        self._keys_of[other.id].clear()
        other.version += DELETION_VERSIONS
        other.is_deleted, other.changed, other.properties = True, True, nothing()
        return fits

    def note_personless(self, key: PersonKey, is_merged: bool) -> None:
        """Remember that a distinct id has been seen without a person, or that a merge has met it."""
        stored = self._loaded.personless.get(key)
        before = self._personless[key].is_merged if key in self._personless else stored
        if before is None or (is_merged and not before):
            self._personless[key] = Personless(key, is_merged, stored)

    # --- telling again

    def retell(self, key: PersonKey) -> None:
        """Its person and its link are to be told of as they are: what told of them first may be lost."""
        if (link := self._seen_link(key)) is not None and (person := self._linked(key)) is not None:
            self._retold_links[key] = link
            self._retold_persons[person.id] = person

    def retell_merge(self, key: PersonKey) -> None:
        """As `retell`, and all distinct ids of its person with the persons these once had: a merge may have moved
        any of them. A person's uuid follows from its first distinct id, so no record of merges is needed."""
        self.retell(key)
        if (person := self._linked(key)) is None:
            return
        for each in self.keys_of(person):
            self.retell(each)
            former = self._person((each[0], person_uuid(*each).int))
            if former is not None and former.is_deleted:
                self._retold_persons[former.id] = former

    # --- what comes of it

    def changed_persons(self) -> list[Person]:
        """To be written."""
        return [person for person in self._copies.values() if person.changed]

    def changed_links(self) -> list[Link]:
        """To be written."""
        return [link for link in self._links.values() if link.changed]

    def changed_personless(self) -> list[Personless]:
        """To be written."""
        return list(self._personless.values())

    def told_persons(self) -> Iterable[Person]:
        """To be told of downstream, each once."""
        changed = self.changed_persons()
        if not self._retold_persons:
            return changed
        return {**self._retold_persons, **{person.id: person for person in changed}}.values()

    def told_links(self) -> Iterable[Link]:
        """To be told of downstream, each once."""
        changed = self.changed_links()
        if not self._retold_links:
            return changed
        return {**self._retold_links, **{link.key: link for link in changed}}.values()

    # --- copies of what was loaded

    @property
    def _keys_of(self) -> defaultdict[PersonId, set[PersonKey]]:
        if self._by_person is None:
            self._by_person = defaultdict(set, {name: set(keys) for name, keys in self._loaded.keys_of.items()})
            for key, link in self._links.items():
                if not link.is_deleted:
                    self._by_person[key[0], link.person.int].add(key)
        return self._by_person

    def _linked(self, key: PersonKey) -> Person | None:
        link = self._seen_link(key)
        return None if link is None or link.is_deleted else self._person((key[0], link.person.int))

    def _seen_link(self, key: PersonKey) -> Link | None:
        """To be looked at only."""
        return self._links.get(key) or self._known_links.get(key)

    def _link(self, key: PersonKey) -> Link | None:
        link = self._links.get(key)
        if link is None and (known := self._known_links.get(key)) is not None:
            link = self._links[key] = msgspec.structs.replace(known)
        return link

    def _person(self, identity: PersonId) -> Person | None:
        person = self._copies.get(identity)
        if person is None and (known := self._persons.get(identity)) is not None:
            person = self._copies[identity] = msgspec.structs.replace(known)
        return person
