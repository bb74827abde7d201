"""The persons of one batch as its events so far have left them: a working state, loaded at once and written at once.

Nothing here asks a database. What was loaded is never changed, so that the same batch may be planned again.
Every change of who owns a distinct id also changes the version of each person concerned: a writer that compares
versions thus notices that the distinct ids it knew of a person are no longer all of them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from libs.fastpath import near
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
    places: of the distinct ids of the batch, from 1; owners: by place, the one of `persons` that `links` link it to,
    None where they link it to none. Events know the place of theirs, so that most need no look-up; a distinct id
    without a place, or with None for an owner, is looked up.
    """

    persons: Mapping[PersonId, Person] = field(default_factory=dict)
    links: Mapping[PersonKey, Link] = field(default_factory=dict)
    personless: Mapping[PersonKey, bool] = field(default_factory=dict)
    keys_of: Mapping[PersonId, Collection[PersonKey]] = field(default_factory=dict)
    places: Mapping[PersonKey, int] = field(default_factory=dict)
    owners: Sequence[Person | None] = ()


class Personless:
    """A row of posthog_personlessdistinctid to write. stored: its is_merged now, None when there is no row."""

    __slots__ = ("is_merged", "key", "stored")

    def __init__(self, key: PersonKey, is_merged: bool, stored: bool | None):
        self.key = key
        self.is_merged = is_merged
        self.stored = stored


class People:
    """See the module."""

    def __init__(self, loaded: Loaded):
        self._loaded = loaded
        self._persons, self._known_links, self._known_personless = loaded.persons, loaded.links, loaded.personless
        # what has become of each that was touched: of one that was loaded our copy, of ours itself, of one that came
        # back to life its successor. By the objects: these are hashed in no time, their names are not.
        self._current: dict[Person, Person] = {}
        self._made: dict[PersonId, Person] = {}
        self._links: dict[PersonKey, Link] = {}
        # by place: the persons that distinct ids are linked to, as they were before `_current`
        self._places = loaded.places
        self._owners = list(loaded.owners)
        # made when it is first asked for: most batches merge few
        self._by_person: defaultdict[PersonId, set[PersonKey]] | None = None
        self._personless: dict[PersonKey, Personless] = {}
        # persons and links to be told of again although nothing about them changes
        self._retold_persons: dict[PersonId, Person] = {}
        self._retold_links: dict[PersonKey, Link] = {}

    # --- looking

    def owner(self, key: PersonKey, place: int = 0) -> Person | None:
        """The living person of a distinct id. place: that of the distinct id, 0 when it is not known."""
        person = self._owners[place] if place < len(self._owners) else None
        if person is not None:
            person = self._ours(person)
            if not person.is_deleted:
                return person
        person = self._linked(key) or self._person((key[0], person_uuid(*key).int))
        return None if person is None or person.is_deleted else person

    def place(self, key: PersonKey) -> int:
        """Where a distinct id stands in what was loaded; 0 when it does not."""
        return self._places.get(key, 0)

    def at(self, place: int) -> Person | None:
        """The living person of the distinct id of this place, to be looked at only; None: it has to be looked up."""
        person = self._owners[place] if place < len(self._owners) else None
        if person is None:
            return None
        person = self._current.get(person, person)
        return None if person.is_deleted else person

    def near(self, place: int) -> int:
        """Have the person of this place brought near, as `Members.warm` does."""
        return near(self._owners, place)

    def warm(self, place: int) -> int:
        """Have the properties of the person of this place brought near."""
        person = self._owners[place] if place < len(self._owners) else None
        return 0 if person is None else person.properties.warm()

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
        name = made.id
        for before in (self._persons.get(name), self._person(name)):
            if before is not None:
                self._current[before] = made
        self._made[name] = self._current[made] = made
        self._retold_persons.pop(name, None)
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

    def give(self, key: PersonKey, person: Person, at_least: int = 0, place: int = 0) -> None:
        """Make a distinct id this person's. at_least: the lowest version that may get, 1 when events of it were
        stored under another uuid. place: as for `owner`."""
        before = self._owners[place] if place < len(self._owners) else None
        if before is not None and self._current.get(before) is person:
            return
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
        self._point(key, person)
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
            self._point(key, survivor)
        self._keys_of[other.id].clear()
        other.version += DELETION_VERSIONS
        other.is_deleted, other.changed, other.properties = True, True, nothing()
        return fits

    def note_personless(self, key: PersonKey, is_merged: bool) -> bool:
        """Remember that a distinct id has been seen without a person, or that a merge has met it. Whether that had
        been so before."""
        stored, noted = self._known_personless.get(key), self._personless.get(key)
        before = stored if noted is None else noted.is_merged
        if before is None or (is_merged and not before):
            self._personless[key] = Personless(key, is_merged, stored)
        return before is not None

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
        changed = []
        for before, person in self._current.items():
            if before is person and person.changed:
                changed.append(person)
        return changed

    def changed_links(self) -> list[Link]:
        """To be written."""
        return list(self._links.values())

    def changed_personless(self) -> list[Personless]:
        """To be written."""
        return list(self._personless.values())

    def told_persons(self, changed: list[Person]) -> Iterable[Person]:
        """To be told of downstream, each once: besides those that changed the ones to be told of again."""
        if not self._retold_persons:
            return changed
        return {**self._retold_persons, **{person.id: person for person in changed}}.values()

    def told_links(self, changed: list[Link]) -> Iterable[Link]:
        """To be told of downstream, each once: besides those that changed the ones to be told of again."""
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
        """To be changed."""
        link = self._links.get(key)
        if link is None and (known := self._known_links.get(key)) is not None:
            link = self._links[key] = known.copy()
        return link

    def _point(self, key: PersonKey, person: Person) -> None:
        if (place := self._places.get(key)) is not None:
            self._owners[place] = person

    def _person(self, identity: PersonId) -> Person | None:
        known = self._persons.get(identity)
        return self._made.get(identity) if known is None else self._ours(known)

    def _ours(self, person: Person) -> Person:
        current = self._current.get(person)
        if current is None:
            current = person.copy()
            self._current[person] = self._current[current] = current
        return current
