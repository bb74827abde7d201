"""What an event changes about its person: plain rules, no I/O."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from services.cdp.ingestion.properties import Normalised
from services.cdp.raw_json import Properties, encode, for_postgres, is_null, merged, same_value

NAMESPACE = uuid.UUID("932979b4-65c3-4424-8467-0b66ec27bc22")
FAKE_CREATED_AT = datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
MAX_PROPERTIES_BYTES = 655_360

ALWAYS_WRITTEN = frozenset({"$identify", "$create_alias", "$merge_dangerously", "$set"})
NEVER_UPDATES = frozenset({"$exception", "$$heatmap"})
NOISY = frozenset(
    [
        "$current_url",
        "$pathname",
        "$referring_domain",
        "$referrer",
        "$screen_height",
        "$screen_width",
        "$viewport_height",
        "$viewport_width",
        "$browser",
        "$browser_version",
        "$device_type",
        "$raw_user_agent",
        "$os",
        "$os_name",
        "$os_version",
    ]
)
_GEOIP_TELLING = ("$geoip_country_name", "$geoip_city_name")


PersonKey = tuple[int, str]
PersonId = tuple[int, uuid.UUID]


@dataclass(slots=True)
class Person:
    """A person as PostgreSQL has it, or will.

    stored_version: the version in PostgreSQL; None when there is no row yet. is_deleted: the row is kept, without
    properties, so that its version can only grow; it may be brought back to life.
    """

    team_id: int
    uuid: uuid.UUID
    created_at: datetime
    properties: Properties
    version: int = 0
    stored_version: int | None = None
    is_deleted: bool = False
    is_identified: bool = False
    last_seen_at: datetime = FAKE_CREATED_AT
    changed: bool = False

    @property
    def id(self) -> PersonId:
        """What names it."""
        return self.team_id, self.uuid


@dataclass(slots=True)
class Link:
    """A distinct id and whose it is. stored_version: the version in PostgreSQL; None when there is no row yet."""

    key: PersonKey
    person: uuid.UUID
    version: int = 0
    stored_version: int | None = None
    is_deleted: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What `$set`, `$set_once` and `$unset` come to. written: false when nothing changed, or only noise."""

    properties: Properties
    written: bool
    warnings: tuple[str, ...] = field(default=())


def person_uuid(team_id: int, distinct_id: str) -> uuid.UUID:
    """The same on every machine: a person made twice from one distinct id is one person."""
    return uuid.uuid5(NAMESPACE, f"{team_id}:{distinct_id}")


def storable(properties: Properties) -> tuple[Properties, bool]:
    """Properties as PostgreSQL can hold them, and whether some had to be left out."""
    kept = {name.replace("\0", "\ufffd"): value for name, raw in properties.items() if (value := for_postgres(raw))}
    return kept, len(kept) < len(properties)


def first_properties(event: Normalised, event_uuid: str) -> Change:
    """What a new person starts with."""
    once, lost_once = storable(event.set_once)
    latest, lost = storable(event.set)
    creator = {"$creator_event_uuid": encode(event_uuid)}
    warnings = ("person_property_refused",) if lost or lost_once else ()
    properties = merged(once, latest, creator)
    if _too_large(properties):
        return Change(creator, True, (*warnings, "person_properties_size_violation"))
    return Change(properties, True, warnings)


def changed_properties(current: Properties, event: Normalised, event_name: str) -> Change:
    """What an event makes of an existing person's properties. `current` is not changed."""
    if event_name in NEVER_UPDATES or not (event.set or event.set_once or event.unset):
        return Change(current, False)
    once, lost_once = storable(event.set_once)
    latest, lost = storable(event.set)
    warnings = ("person_property_refused",) if lost or lost_once else ()
    new = {name: value for name, value in once.items() if name not in latest and _fills(current.get(name), value)}
    new.update({name: raw for name, raw in latest.items() if name not in current or not same_value(raw, current[name])})
    removed = [name for name in event.unset if name in current or name in new]
    if not removed and (not new or not _worth_writing(current, new, event_name)):
        return Change(current, False, warnings)
    properties = {name: value for name, value in merged(current, new).items() if name not in removed}
    if _too_large(properties):
        return Change(current, False, (*warnings, "person_properties_size_violation"))
    return Change(properties, True, warnings)


def _fills(present: msgspec.Raw | None, value: msgspec.Raw) -> bool:
    return present is None or (is_null(present) and not is_null(value))


def _worth_writing(current: Properties, new: Properties, event_name: str) -> bool:
    return event_name in ALWAYS_WRITTEN or any(name not in current or not _noisy(name) for name in new)


def _noisy(name: str) -> bool:
    return name in NOISY or (name.startswith("$geoip_") and name not in _GEOIP_TELLING)


def same_properties(one: Properties, other: Properties) -> bool:
    """Whether two objects say the same, member by member; objects and arrays by their bytes."""
    return one.keys() == other.keys() and all(
        bytes(value) == bytes(other[name]) or same_value(value, other[name]) for name, value in one.items()
    )


def size_of(properties: Properties) -> int:
    """About as many bytes as PostgreSQL needs."""
    return sum(len(name) + len(bytes(value)) + 4 for name, value in properties.items())


def hour_of(moment: datetime) -> datetime:
    """The hour in which a moment lies."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _too_large(properties: Properties) -> bool:
    return size_of(properties) > MAX_PROPERTIES_BYTES
