"""What a project's events and properties are called, and of what type they look. No I/O.

A worker meets the same names over and over: a `Catalogue` remembers what is written already, by whole shapes (an event
with its property names), so that an ordinary event costs one look-up. It only saves work: what it has forgotten is
written again, which changes nothing.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

import msgspec

from services.cdp.ingestion.groups import IDENTIFY
from services.cdp.ingestion.ordinary import Form
from services.cdp.raw_json import Properties, merged, nothing, object_of

PropertyType = Literal["String", "Numeric", "Boolean", "DateTime"]
# team, name, kind (EVENT, PERSON, GROUP), number of the group type or -1
PropertyName = tuple[int, str, int, int]
# team, event, number of the group type or -1; the names it has of its own, and of others
Shape = tuple[int, str, int, bytes, bytes]

EVENT, PERSON, GROUP = 1, 2, 3
NO_GROUP = -1
MAX_NAME_BYTES = 200
MAX_PROPERTIES = 1_000
MAX_SHAPES = 20_000
SEEN_EVERY = timedelta(hours=1)
_TIMESTAMPS_FROM = timedelta(days=182.5)
_NOT_DEFINED = frozenset({"$set", "$set_once", "$unset", "$groups", *(f"$group_{number}" for number in range(5))})
# how values open that have no type: missing, object, array, null
_NEVER_TYPED = frozenset(b"\0{[n")
_NOT_OF_EVENTS = ("$feature/", "$feature_enrollment/")
_STRINGS = ("utm_", "$initial_utm_", "$feature/", "$survey_response")
_TIME_WORDS = ("time", "date", "_at", "-at", "createdat", "updatedat")
_DATE = (
    r"(?:\d{4}[-/](?:0[1-9]|1[0-2])[-/](?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|[12]\d|3[01])[-/](?:0[1-9]|1[0-2])[-/]\d{4})"
)
_DATE_TIME = re.compile(rf"{_DATE}(?:[T ]\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?(?:Z|[+-]\d{{2}}:?\d{{2}})?)?")
_RFC_2822 = re.compile(r"(?:[A-Za-z]{3}, )?\d{1,2} [A-Za-z]{3} \d{4} \d{2}:\d{2}.*")


@dataclass(slots=True)
class Findings:
    """What a batch has shown that may not be written yet.

    properties: with their type, None where none can be told. shapes: what to remember once this is written: the names
    without a type in each.
    """

    events: dict[tuple[int, str], datetime] = field(default_factory=dict)
    properties: dict[PropertyName, PropertyType | None] = field(default_factory=dict)
    event_properties: set[tuple[int, str, str]] = field(default_factory=set)
    shapes: dict[Shape, frozenset[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.events or self.properties or self.event_properties)


class Catalogue:
    """See the module. Holds at most `MAX_SHAPES` shapes and as many event names."""

    def __init__(self) -> None:
        self._shapes: OrderedDict[Shape, frozenset[str]] = OrderedDict()
        self._seen: OrderedDict[tuple[int, str], datetime] = OrderedDict()

    def untyped(self, shape: Shape) -> frozenset[str] | None:
        """The names of a shape whose type is not known yet; None when the shape is new."""
        return self._shapes.get(shape)

    def seen_at(self, event: tuple[int, str]) -> datetime | None:
        """When it was last written that this event had been seen."""
        return self._seen.get(event)

    def remember(self, findings: Findings) -> None:
        """These findings are written."""
        for shape, untyped in findings.shapes.items():
            self._shapes[shape] = untyped
            self._shapes.move_to_end(shape)
        for event, at in findings.events.items():
            self._seen[event] = at
            self._seen.move_to_end(event)
        for memory in (self._shapes, self._seen):
            while len(memory) > MAX_SHAPES:
                memory.popitem(last=False)


class Finder:
    """Collects the findings of one batch."""

    def __init__(self, catalogue: Catalogue, now: datetime):
        self._catalogue = catalogue
        self._now = now
        self._met: set[tuple[int, str]] = set()
        self._quiet: dict[tuple[int, str, Form], tuple[str, ...]] = {}
        # as `_quiet`, for events without a form: by team, event, group type and shapes, what has no type yet
        self._quiet_shapes: dict[tuple[object, ...], frozenset[str]] = {}
        self.findings = Findings()

    def is_known(
        self, team_id: int, event: str, form: Form, properties: Properties, of_person: tuple[Properties, ...] = ()
    ) -> bool:
        """Whether an event with a form has nothing to say that is not written or found already. of_person: its $set and
        $set_once, if these are not all of its other properties."""
        untyped = self._quiet.get((team_id, event, form))
        if untyped is None:
            if (team_id, event) not in self._met:
                return False
            left = self._untyped((team_id, event, NO_GROUP, form.own, form.theirs))
            if left is None:
                return False
            untyped = tuple(left.union(*[form.sources[name] for name in left]))
            self._quiet[team_id, event, form] = untyped
        return not _typed(untyped, properties, of_person)

    def take(
        self,
        team_id: int,
        event: str,
        properties: Properties,
        of_person: tuple[Properties, ...],
        group_index: int | None,
    ) -> None:
        """One event as it is stored. of_person: its $set and $set_once, if it has a person. group_index: of a
        `$groupidentify`."""
        if event == "$$plugin_metrics" or len(properties) > MAX_PROPERTIES:
            return
        if (team_id, event) not in self._met:
            if not _nameable(event):
                return
            self._see(team_id, event)
        if event == IDENTIFY:
            group = object_of(properties.raw("$group_set")) or nothing()
            if group_index is not None:
                self._shape(team_id, event, group_index, nothing(), (group,), GROUP)
            return
        self._shape(team_id, event, NO_GROUP, properties, of_person, PERSON)

    def _see(self, team_id: int, event: str) -> None:
        self._met.add((team_id, event))
        last = self._catalogue.seen_at((team_id, event))
        if last is None or self._now - last >= SEEN_EVERY:
            self.findings.events[team_id, event] = self._now

    def _shape(
        self, team_id: int, event: str, index: int, own: Properties, others: tuple[Properties, ...], kind: int
    ) -> None:
        shapes = (team_id, event, index, own.shape, *[each.shape for each in others])
        quiet = self._quiet_shapes.get(shapes)
        if quiet is not None and not _typed(quiet, own, others):
            return
        shape = (team_id, event, index, own.shape.digest, b"".join([each.shape.digest for each in others]))
        untyped = self._untyped(shape)
        if untyped is None:
            for name in own:
                if _defined(name) and not name.startswith(_NOT_OF_EVENTS):
                    self.findings.event_properties.add((team_id, event, name))
        elif not _typed(untyped, own, others):
            self._quiet_shapes[shapes] = untyped
            return
        left = set()
        for values, what in ((own, EVENT), (merged(nothing(), *others), kind)):
            for name in values if untyped is None else untyped & frozenset(values):
                if _defined(name) and not self._property((team_id, name, what, index), values[name]):
                    left.add(name)
        if untyped is None or left != untyped:
            self.findings.shapes[shape] = frozenset(left)

    def _untyped(self, shape: Shape) -> frozenset[str] | None:
        found = self.findings.shapes.get(shape)
        return self._catalogue.untyped(shape) if found is None else found

    def _property(self, name: PropertyName, value: msgspec.Raw) -> bool:
        """Whether its type is known now."""
        found = property_type(name[1], value, self._now)
        if self.findings.properties.get(name) is None:
            self.findings.properties[name] = found
        return self.findings.properties[name] is not None


def _typed(names: Iterable[str], own: Properties, others: Sequence[Properties]) -> bool:
    """Whether some value of these names may have a type."""
    for name in names:
        if own.opens(name) not in _NEVER_TYPED:
            return True
        for each in others:
            if each.opens(name) not in _NEVER_TYPED:
                return True
    return False


def property_type(name: str, raw: msgspec.Raw, now: datetime) -> PropertyType | None:
    """As what a property looks; None for objects, arrays and null."""
    text, low = bytes(raw).strip(), name.lower()
    if text[:1] in (b"{", b"[") or text == b"null":
        return None
    if low.startswith(_STRINGS) or low == "$feature_flag_response":
        return "String"
    if text in (b"true", b"false"):
        return "Boolean"
    if text[:1] != b'"':
        return "DateTime" if _looks_like_time(low, text, now) else "Numeric"
    value = msgspec.json.decode(text, type=str)
    if value in ("true", "false", "TRUE", "FALSE"):
        return "Boolean"
    return "DateTime" if is_date(value) else "String"


def _looks_like_time(name: str, number: bytes, now: datetime) -> bool:
    if not any(word in name for word in _TIME_WORDS) or not number.isdigit() or len(number) > 20:
        return False
    return int(number) >= (now - _TIMESTAMPS_FROM).timestamp()


def is_date(text: str) -> bool:
    """Whether a string looks like a day, or a moment of one."""
    if len(text) > 50:
        return False
    if _DATE_TIME.fullmatch(text):
        return True
    if not _RFC_2822.fullmatch(text):
        return False
    try:
        parsedate_to_datetime(text)
    except ValueError:
        return False
    return True


def _defined(name: str) -> bool:
    return name not in _NOT_DEFINED and _nameable(name)


def _nameable(name: str) -> bool:
    return bool(name) and "\0" not in name and len(name.encode()) <= MAX_NAME_BYTES
