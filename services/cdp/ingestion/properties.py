"""What happens to an event's properties on the way to its row: added, moved, removed; never re-printed.

`normalised` is the list of steps in order, by the numbers of PostHog's own pipeline.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from libs.fastpath import Picker, Shape
from libs.kit.contracts import campaign
from services.cdp.ingestion.parse import Incoming
from services.cdp.raw_json import Properties, array_of, encode, is_null, nothing, object_of, text_of

if TYPE_CHECKING:
    from services.cdp.ingestion.ordinary import Form

PERSONAL_EVENTS = frozenset({"$identify", "$create_alias", "$merge_dangerously", "$groupidentify"})
WITHOUT_AUTOMATIC = frozenset({"$snapshot", "$performance_event"})
PERSON_KEYS = ("$set", "$set_once", "$unset")
BLOAT = (
    "ph_product_tours",
    "$session_recording_remote_config",
    "$product_tours_activated",
    "$product_tours_enabled_server_side",
    "$surveys_activated",
    "$feature_flag_payloads",
    "$override_feature_flag_payloads",
)
FLAG_CALLED = "$feature_flag_called"
GROUP_KEYS = tuple(f"$group_{index}" for index in range(5))

EVENT_TO_PERSON = [
    "$app_build",
    "$app_name",
    "$app_namespace",
    "$app_version",
    "$browser",
    "$browser_version",
    "$device_type",
    "$current_url",
    "$pathname",
    "$os",
    "$os_name",
    "$os_version",
    "$referring_domain",
    "$referrer",
    "$screen_height",
    "$screen_width",
    "$viewport_height",
    "$viewport_width",
    "$raw_user_agent",
]
TO_PERSON = {name: f"$initial_{name.removeprefix('$')}" for name in (*EVENT_TO_PERSON, *campaign.OF_PERSONS)}
# what a server says of its own system says nothing about the person
_OF_SERVERS = frozenset({"$os", "$os_version"})
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FALSE = b"false"
_json = msgspec.json.Encoder().encode


class Normalised:
    """An event's properties as they will be stored, and what they say about its person.

    personless: no person profile is kept for it. warnings: PostHog's ingestion warning types. form: what becomes of
    the properties, when these are still as they were sent.
    """

    __slots__ = ("form", "personless", "properties", "set", "set_once", "unset", "warnings")

    def __init__(
        self,
        properties: Properties,
        latest: Properties,
        first: Properties,
        unset: tuple[str, ...],
        personless: bool,
        warnings: tuple[str, ...] = (),
        form: "Form | None" = None,
    ):
        self.properties = properties
        self.set = latest
        self.set_once = first
        self.unset = unset
        self.personless = personless
        self.warnings = warnings
        self.form = form


@dataclass(frozen=True, slots=True)
class Dropped:
    """An event that is not stored, with PostHog's word for why."""

    reason: str


def normalised(event: Incoming, anonymize_ips: bool, opted_out: bool = False) -> Normalised | Dropped:
    """The properties of the row. `event.properties` are not changed. opted_out: the team keeps no profiles at all."""
    properties = event.properties.copy()
    if opted_out:
        properties["$process_person_profile"] = _FALSE
    _add_transport(properties, event)
    personless, warnings = _personless(properties, event)
    if personless and event.event in PERSONAL_EVENTS and not event.force_personless:
        return Dropped("invalid_event_when_process_person_profile_is_false")
    if personless:
        properties.drop((*PERSON_KEYS, *GROUP_KEYS))
    elif event.event == "$groupidentify":
        properties.drop(PERSON_KEYS)
    if "$os_name" in properties:
        _fill_os(properties)
    said = None
    if not personless and event.event not in WITHOUT_AUTOMATIC:
        said = _add_automatic(properties)
    properties.drop(properties.shape.decision(_bloat))
    if anonymize_ips:
        properties.pop("$ip", None)
    latest, first = said or (object_of(properties.raw("$set")), object_of(properties.raw("$set_once")))
    unset = _unset(properties.get("$unset")) if "$unset" in properties else ()
    return Normalised(properties, latest or nothing(), first or nothing(), unset, personless, warnings)


def may_stay_personless(properties: Properties) -> bool:
    """Whether an event asks for no person by itself: it does not want one in so many words, and is of no group."""
    if properties.raw("$process_person_profile") == b"true":
        return False
    groups = properties.raw("$groups")
    return groups is None or not object_of(groups)


def _add_transport(properties: Properties, event: Incoming) -> None:
    if event.ip and "$ip" not in properties:
        properties["$ip"] = _json(event.ip)
    if event.sent_at:
        properties["$sent_at"] = _json(event.sent_at)
    raw = properties.raw("$session_id")
    if raw and raw != raw.lower():
        session = text_of(raw)
        if session and _UUID.fullmatch(session):
            properties["$session_id"] = encode(session.lower())


def _personless(properties: Properties, event: Incoming) -> tuple[bool, tuple[str, ...]]:
    flag = properties.raw("$process_person_profile")
    if event.force_personless or flag == _FALSE:
        properties["$process_person_profile"] = _FALSE
        return True, ()
    if flag is None:
        return False, ()
    del properties["$process_person_profile"]
    return False, () if flag == b"true" else ("invalid_process_person_profile",)


def _fill_os(properties: Properties) -> None:
    """`$os_name` is an alias of `$os`."""
    if is_null(properties.raw("$os")):
        properties["$os"] = properties["$os_name"]


def _add_automatic(properties: Properties) -> tuple[Properties, Properties] | None:
    """What the event says about the browser and the campaign also says something about the person: `$set` and
    `$set_once` as they are now; None when it says nothing."""
    server = properties.raw("$is_server") == b"true"
    pickers = properties.shape.decision(_of_server if server else _of_client)
    if pickers is None:
        return None
    latest, first = properties.picked(pickers[0]), properties.picked(pickers[1])
    if given := object_of(properties.raw("$set")):
        latest = given.completed(latest)
    if given := object_of(properties.raw("$set_once")):
        first = given.completed(first)
    if "$os_name" in properties and not server:
        latest.drop(("$os_name",))
        first.drop(("$initial_os_name",))
    properties["$set"] = latest.encoded()
    properties["$set_once"] = first.encoded()
    return latest, first


def _bloat(shape: Shape) -> tuple[str, ...]:
    return tuple(name for name in BLOAT if name in shape.names)


def _of_client(shape: Shape) -> tuple[Picker, Picker] | None:
    return _pickers(shape, skipped=())


def _of_server(shape: Shape) -> tuple[Picker, Picker] | None:
    return _pickers(shape, skipped=_OF_SERVERS)


def _pickers(shape: Shape, *, skipped: Collection[str]) -> tuple[Picker, Picker] | None:
    there = frozenset(shape.names) - {"$os_name", *skipped}
    found = [name for name in TO_PERSON if name in there]
    if not found:
        return None
    return shape.picker([(name, name) for name in found]), shape.picker([(name, TO_PERSON[name]) for name in found])


def _unset(raw: msgspec.Raw | None) -> tuple[str, ...]:
    """An array of names, or an object whose keys count."""
    if (members := object_of(raw)) is not None:
        return tuple(members)
    return tuple(name for item in array_of(raw) or () if (name := text_of(item)) is not None)
