"""What an event changes about its person: plain rules, no I/O."""

import uuid
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha1

from asyncpg.pgproto.pgproto import UUID

from libs.fastpath import Shape, members_of
from services.cdp.ingestion.properties import TO_PERSON, Normalised
from services.cdp.raw_json import Properties, encode, for_postgres, merged

NAMESPACE = uuid.UUID("932979b4-65c3-4424-8467-0b66ec27bc22").bytes
FAKE_CREATED_AT = datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
MAX_PROPERTIES_BYTES = 655_360
# what is left of a person who has more than that already
_TRIMMED_BYTES = 512 * 1024
_KEPT = frozenset({"email", "name", "id", "user_id", "$user_id", "distinct_id", "$creator_event_uuid", *TO_PERSON})

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
_GEOIP_TELLING = frozenset(
    {
        "$geoip_country_name",
        "$geoip_city_name",
        "$geoip_country_code",
        "$geoip_continent_name",
        "$geoip_continent_code",
    }
)


PersonKey = tuple[int, str]
# team and uuid; the uuid as its number, for Python takes long to hash a UUID
PersonId = tuple[int, int]


class Person:
    """A person as PostgreSQL has it, or will.

    Times are UTC. stored_version: the version in PostgreSQL; None when there is no row yet. is_deleted: the row is
    kept, without properties, so that its version can only grow; it may be brought back to life.
    """

    __slots__ = (
        "changed",
        "created_at",
        "is_deleted",
        "is_identified",
        "last_seen_at",
        "properties",
        "stored_version",
        "team_id",
        "uuid",
        "version",
    )

    def __init__(
        self,
        team_id: int,
        uuid: uuid.UUID,
        created_at: datetime,
        properties: Properties,
        version: int = 0,
        stored_version: int | None = None,
        is_deleted: bool = False,
        is_identified: bool = False,
        last_seen_at: datetime = FAKE_CREATED_AT,
        changed: bool = False,
    ):
        self.team_id = team_id
        self.uuid = uuid
        self.created_at = created_at
        self.properties = properties
        self.version = version
        self.stored_version = stored_version
        self.is_deleted = is_deleted
        self.is_identified = is_identified
        self.last_seen_at = last_seen_at
        self.changed = changed

    @property
    def id(self) -> PersonId:
        """What names it."""
        return self.team_id, self.uuid.int

    def copy(self) -> "Person":
        """The same, to be changed; the properties are shared."""
        mine = Person.__new__(Person)  # past __init__, which takes as long as all that follows here
        mine.team_id = self.team_id
        mine.uuid = self.uuid
        mine.created_at = self.created_at
        mine.properties = self.properties
        mine.version = self.version
        mine.stored_version = self.stored_version
        mine.is_deleted = self.is_deleted
        mine.is_identified = self.is_identified
        mine.last_seen_at = self.last_seen_at
        mine.changed = self.changed
        return mine


class Link:
    """A distinct id and whose it is. stored_version: the version in PostgreSQL; None when there is no row yet."""

    __slots__ = ("changed", "is_deleted", "key", "person", "stored_version", "version")

    def __init__(
        self,
        key: PersonKey,
        person: uuid.UUID,
        version: int = 0,
        stored_version: int | None = None,
        is_deleted: bool = False,
        changed: bool = False,
    ):
        self.key = key
        self.person = person
        self.version = version
        self.stored_version = stored_version
        self.is_deleted = is_deleted
        self.changed = changed

    def copy(self) -> "Link":
        """The same, to be changed."""
        return Link(self.key, self.person, self.version, self.stored_version, self.is_deleted, self.changed)


class Change:
    """What `$set`, `$set_once` and `$unset` come to. written: false when nothing changed, or only noise."""

    __slots__ = ("properties", "warnings", "written")

    def __init__(self, properties: Properties, written: bool, warnings: tuple[str, ...] = ()):
        self.properties = properties
        self.written = written
        self.warnings = warnings


@lru_cache(8192)
def person_uuid(team_id: int, distinct_id: str) -> uuid.UUID:
    """The same on every machine: a person made twice from one distinct id is one person. As PostgreSQL's driver has
    uuids: a UUID whose every method takes a fraction of the standard library's time."""
    digest = bytearray(sha1(NAMESPACE + f"{team_id}:{distinct_id}".encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50  # version 5
    digest[8] = digest[8] & 0x3F | 0x80
    made: uuid.UUID = UUID(bytes(digest))
    return made


def storable(properties: Properties) -> tuple[Properties, bool]:
    """Properties as PostgreSQL can hold them, and whether some had to be left out."""
    if properties.is_plain() and properties.shape.decision(_without_nul):
        return properties, False
    kept = {name.replace("\0", "\ufffd"): value for name in properties if (value := for_postgres(properties[name]))}
    return members_of(kept), len(kept) < len(properties)


def first_properties(event: Normalised, event_uuid: str) -> Change:
    """What a new person starts with."""
    once, lost_once = storable(event.set_once)
    latest, lost = storable(event.set)
    creator = members_of({"$creator_event_uuid": encode(event_uuid)})
    warnings = ("person_property_refused",) if lost or lost_once else ()
    properties = merged(once, latest, creator)
    if _too_large(properties):
        return Change(creator, True, (*warnings, "person_properties_size_violation"))
    return Change(properties, True, warnings)


def changed_properties(current: Properties, event: Normalised, event_name: str) -> Change:
    """What an event makes of an existing person's properties. `current` is not changed."""
    if event_name in NEVER_UPDATES:
        return Change(current, False)
    # most values of most events are what the person has already
    latest, once = current.differing(event.set), current.filling(event.set_once, event.set)
    if not latest and not once and not event.unset:
        return Change(current, False)
    if not once and not event.unset and _only_noise(current, latest, event_name) and latest.is_plain():
        return Change(current, False)
    stored_once, lost_once = storable(once)
    stored, lost = storable(latest)
    if stored is not latest or stored_once is not once:  # they may be what the person has after all
        latest, once = current.differing(stored), current.filling(stored_once, stored)
    warnings = ("person_property_refused",) if lost or lost_once else ()
    new = once.merged(latest) if once else latest
    removed = [name for name in event.unset if name in current or name in new] if event.unset else ()
    if not removed and (not new or not _worth_writing(current, new, event_name)):
        return Change(current, False, warnings)
    # too large already, as it came from elsewhere: refusing would never end
    properties = (_trimmed(current) if _too_large(current) else current).merged(new)
    properties.drop(removed)
    if _too_large(properties):
        return Change(current, False, (*warnings, "person_properties_size_violation"))
    return Change(properties, True, warnings)


def _trimmed(properties: Properties) -> Properties:
    """Without as many as it takes, by name, of those that nobody would look for first."""
    trimmed, size = properties.copy(), size_of(properties)
    for name in sorted(properties):
        if size <= _TRIMMED_BYTES:
            break
        if name not in _KEPT and not name.startswith("$initial_"):
            size -= len(name) + len(bytes(properties[name]))
            del trimmed[name]
    return trimmed


def _without_nul(shape: Shape) -> bool:
    return not any("\0" in name for name in shape.names)


def _only_noise(current: Properties, latest: Properties, event_name: str) -> bool:
    if event_name in ALWAYS_WRITTEN:
        return False
    names = latest.shape.names
    return NOISY.issuperset(names) and all(map(current.__contains__, names))


def _worth_writing(current: Properties, new: Properties, event_name: str) -> bool:
    return event_name in ALWAYS_WRITTEN or any(name not in current or not _noisy(name) for name in new)


def _noisy(name: str) -> bool:
    return name in NOISY or (name.startswith("$geoip_") and name not in _GEOIP_TELLING)


def same_properties(one: Properties, other: Properties) -> bool:
    """Whether two objects say the same, member by member; objects and arrays by their bytes."""
    return one.keys() == other.keys() and all(one.raw(name) == other.raw(name) for name in one.differing(other))


def size_of(properties: Properties) -> int:
    """About as many bytes as PostgreSQL needs."""
    return properties.size()


def hour_of(moment: datetime) -> datetime:
    """The hour in which a moment lies."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _too_large(properties: Properties) -> bool:
    return size_of(properties) > MAX_PROPERTIES_BYTES
