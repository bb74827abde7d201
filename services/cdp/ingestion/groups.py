"""The groups of one batch: which types a project has, and what `$groupidentify` says about a group. No I/O.

A working state like that of people.py: loaded at once, never changed where it was loaded, written at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.cdp.ingestion.merging import javascript_truthy_text
from services.cdp.ingestion.parse import MAX_DISTINCT_ID
from services.cdp.ingestion.persons import same_properties, size_of, storable
from services.cdp.raw_json import Properties, merged, nothing, object_of

MAX_TYPES = 5
MAX_TYPE_NAME = 400
# each of many events may add to a group: what it comes to must still be a record of the log
MAX_PROPERTIES_BYTES = 1_000_000
IDENTIFY = "$groupidentify"

# team, type, key
GroupKey = tuple[int, str, str]


@dataclass(slots=True)
class Group:
    """A group as PostgreSQL has it, or will. stored_version: None when there is no row yet."""

    team_id: int
    type_index: int
    key: str
    created_at: datetime
    properties: Properties
    version: int = 1
    stored_version: int | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class LoadedGroups:
    """What PostgreSQL knows: the types of the teams of a batch, and the groups that it identifies."""

    types: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    groups: Mapping[GroupKey, Group] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """What one `$groupidentify` says. properties: None when `$group_set` is there, but no object."""

    type: str
    key: str
    properties: Properties | None


def group_said(properties: Properties) -> Said | None:
    """None when it names no group."""
    kind = javascript_truthy_text(properties.get("$group_type"))
    key = javascript_truthy_text(properties.get("$group_key"))
    if not kind or not key:
        return None
    raw = properties.get("$group_set")
    return Said(kind.replace("\0", "\ufffd"), key.replace("\0", "\ufffd"), nothing() if raw is None else object_of(raw))


def key_too_long(properties: Properties) -> bool:
    """Whether `$group_key` is beyond what can be stored."""
    return len(javascript_truthy_text(properties.get("$group_key")) or "") > MAX_DISTINCT_ID


def types_named(properties: Properties) -> Iterator[str]:
    """The group types that an event speaks of."""
    yield from (name.replace("\0", "\ufffd") for name in object_of(properties.raw("$groups")) or ())


class Groups:
    """See the module."""

    def __init__(self, loaded: LoadedGroups):
        self._loaded = loaded
        self._new_types: defaultdict[int, dict[str, int]] = defaultdict(dict)
        self._groups: dict[GroupKey, Group] = {}
        self._retold: dict[GroupKey, Group] = {}

    def index(self, team_id: int, name: str, *, may_add: bool) -> int | None:
        """The number of a type. A new one gets the lowest that is free; a sixth gets none."""
        known = {**self._loaded.types.get(team_id, {}), **self._new_types[team_id]}
        if name in known or not may_add or not name or len(name) > MAX_TYPE_NAME:
            return known.get(name)
        free = next((number for number in range(MAX_TYPES) if number not in known.values()), None)
        if free is not None:
            self._new_types[team_id][name] = free
        return free

    def add_columns(self, team_id: int, properties: Properties, *, may_add: bool) -> None:
        """`$group_N` for each known type in `$groups`."""
        if (groups := object_of(properties.raw("$groups"))) is None:
            return
        for name, value in groups.items():
            number = self.index(team_id, name.replace("\0", "\ufffd"), may_add=may_add)
            if number is not None:
                properties[f"$group_{number}"] = value

    def identify(self, team_id: int, said: Said, happened: datetime) -> str | None:
        """Take in what is said of a group. A warning, when some value cannot be stored, or all of it would be too much:
        then the group stays as it is."""
        index = self.index(team_id, said.type, may_add=True)
        if index is None:
            return None
        values, lost = storable(said.properties or nothing())
        key = (team_id, said.type, said.key)
        group = self._group(key)
        warning = "person_property_refused" if lost else None
        properties = merged(group.properties, values) if group else values
        if size_of(properties) > MAX_PROPERTIES_BYTES:
            return "group_upsert_message_size_too_large"
        if group is None:
            self._groups[key] = Group(team_id, index, said.key, happened, values, changed=True)
            return warning
        if not same_properties(group.properties, properties):
            group.properties = properties
            if not group.changed:
                group.version += 1
                group.changed = True
        return warning

    def retell(self, team_id: int, said: Said) -> None:
        """The group is to be told of as it is."""
        key = (team_id, said.type, said.key)
        if (group := self._group(key)) is not None:
            self._retold[key] = group

    def changed(self) -> list[Group]:
        """To be written."""
        return [group for group in self._groups.values() if group.changed]

    def told(self) -> Iterable[Group]:
        """To be told of downstream, each once."""
        changed = {key: group for key, group in self._groups.items() if group.changed}
        return {**self._retold, **changed}.values()

    def new_types(self) -> list[tuple[int, str, int]]:
        """Team, name, number; to be written."""
        return [(team, name, number) for team, types in self._new_types.items() for name, number in types.items()]

    def _group(self, key: GroupKey) -> Group | None:
        if key not in self._groups and (known := self._loaded.groups.get(key)) is not None:
            self._groups[key] = replace(known)
        return self._groups.get(key)
