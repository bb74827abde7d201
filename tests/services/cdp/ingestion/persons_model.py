"""What persons are, slowly and obviously: one event after another, no batches, no versions, no stores.

Written from PostHog's rules, not from our code: it shares nothing with services/cdp but the formula of a uuid.
"""

import uuid
from dataclasses import dataclass, field
from typing import Any

NAMESPACE = uuid.UUID("932979b4-65c3-4424-8467-0b66ec27bc22")
NOISY = {"$current_url", "$browser"}
MERGING = {"$identify", "$create_alias", "$merge_dangerously"}


@dataclass(eq=False)
class ModelPerson:
    """One person."""

    uuid: str
    ids: set[str]
    created_at: int
    properties: dict[str, Any] = field(default_factory=dict)
    is_identified: bool = False


@dataclass(frozen=True)
class Said:
    """One event. at: seconds. other: the second distinct id of a merging event."""

    event: str
    distinct_id: str
    at: int = 0
    set: dict[str, Any] = field(default_factory=dict)
    set_once: dict[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    other: str | None = None
    personless: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a row must show."""

    person_id: str
    mode: str
    properties: dict[str, Any]


def uuid_of(distinct_id: str) -> str:
    """For team 1."""
    return str(uuid.uuid5(NAMESPACE, f"1:{distinct_id}"))


class Model:
    """All persons of one team."""

    def __init__(self) -> None:
        self.people: list[ModelPerson] = []
        self.seen_personless: set[str] = set()

    def owner(self, distinct_id: str) -> ModelPerson | None:
        """Whose it is."""
        return next((person for person in self.people if distinct_id in person.ids), None)

    def take(self, said: Said) -> Outcome | None:
        """One event; None when it is dropped."""
        if said.personless:
            return None if said.event in MERGING else self._personless(said)
        if said.event in MERGING and said.other is not None:
            self._merge(said, said.other)
        person = self.owner(said.distinct_id)
        if person is None:
            person = self._create(said, said.distinct_id)
        elif said.event != "$exception":
            self._update(said, person)
        return Outcome(person.uuid, "full", {**person.properties, **said.set})

    def _personless(self, said: Said) -> Outcome:
        person = self.owner(said.distinct_id)
        if person is None:
            self.seen_personless.add(said.distinct_id)
            return Outcome(uuid_of(said.distinct_id), "propertyless", {})
        return Outcome(person.uuid, "force_upgrade" if said.at > person.created_at + 60 else "propertyless", {})

    def _create(self, said: Said, distinct_id: str) -> ModelPerson:
        person = ModelPerson(uuid_of(distinct_id), {distinct_id}, said.at, {**said.set_once, **said.set})
        self.people.append(person)
        return person

    def _update(self, said: Said, person: ModelPerson) -> None:
        had = dict(person.properties)
        once = {
            name: value
            for name, value in said.set_once.items()
            if name not in said.set and (name not in had or (had[name] is None and value is not None))
        }
        latest = {name: value for name, value in said.set.items() if name not in had or had[name] != value}
        changes = {**once, **latest}
        removed = [name for name in said.unset if name in person.properties or name in changes]
        loud = any(name not in person.properties or name not in NOISY for name in changes)
        if removed or loud or said.event in MERGING or said.event == "$set":
            person.properties.update(changes)
            for name in removed:
                person.properties.pop(name, None)

    def _merge(self, said: Said, other_id: str) -> None:
        if other_id == said.distinct_id or other_id in ("null", "undefined", ""):
            return
        target, other = self.owner(said.distinct_id), self.owner(other_id)
        if target is None and other is None:
            only_other_seen = other_id in self.seen_personless and said.distinct_id not in self.seen_personless
            person = self._create(said, other_id if only_other_seen else said.distinct_id)
        elif target is None or other is None:
            person = target or other  # type: ignore[assignment]
        elif target is other:
            person = target
        elif other.is_identified and said.event != "$merge_dangerously":
            target.is_identified = True
            return
        else:
            person = target
            person.properties = {**other.properties, **person.properties}
            person.created_at = min(person.created_at, other.created_at)
            person.ids |= other.ids
            self.people.remove(other)
        person.ids |= {said.distinct_id, other_id}
        person.is_identified = True
