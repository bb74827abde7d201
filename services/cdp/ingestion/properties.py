"""What happens to an event's properties on the way to its row: added, moved, removed; never re-printed.

`normalised` is the list of steps in order, by the numbers of PostHog's own pipeline.
"""

import re
from dataclasses import dataclass

import msgspec

from services.cdp.ingestion.parse import Incoming
from services.cdp.raw_json import Properties, array_of, encode, is_null, object_of, text_of

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
CAMPAIGN_TO_PERSON = [
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_name",
    "utm_term",
    "gclid",
    "gad_source",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "fbclid",
    "msclkid",
    "twclid",
    "li_fat_id",
    "mc_cid",
    "igshid",
    "ttclid",
    "rdt_cid",
    "irclid",
    "_kx",
    "epik",
    "qclid",
    "sccid",
]
_TO_PERSON = {name: f"$initial_{name.removeprefix('$')}" for name in (*EVENT_TO_PERSON, *CAMPAIGN_TO_PERSON)}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Normalised:
    """An event's properties as they will be stored, and what they say about its person.

    personless: no person profile is kept for it. warnings: PostHog's ingestion warning types.
    """

    properties: Properties
    set: Properties
    set_once: Properties
    unset: tuple[str, ...]
    personless: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """An event that is not stored, with PostHog's word for why."""

    reason: str


def normalised(event: Incoming, *, anonymize_ips: bool, opted_out: bool = False) -> Normalised | Dropped:
    """The properties of the row. `event.properties` are not changed. opted_out: the team keeps no profiles at all."""
    properties = dict(event.properties)
    if opted_out:
        properties["$process_person_profile"] = msgspec.Raw(b"false")
    _add_transport(properties, event)
    personless, warnings = _personless(properties, event)
    if personless and event.event in PERSONAL_EVENTS and not event.force_personless:
        return Dropped("invalid_event_when_process_person_profile_is_false")
    if personless:
        for name in (*PERSON_KEYS, *GROUP_KEYS):
            properties.pop(name, None)
    elif event.event == "$groupidentify":
        for name in PERSON_KEYS:
            properties.pop(name, None)
    _fill_os(properties)
    if not personless and event.event not in WITHOUT_AUTOMATIC:
        _add_automatic(properties)
    for name in BLOAT:
        properties.pop(name, None)
    if anonymize_ips:
        properties.pop("$ip", None)
    return Normalised(
        properties,
        object_of(properties.get("$set")) or {},
        object_of(properties.get("$set_once")) or {},
        _unset(properties.get("$unset")),
        personless,
        warnings,
    )


def _add_transport(properties: Properties, event: Incoming) -> None:
    if event.ip and "$ip" not in properties:
        properties["$ip"] = encode(event.ip)
    if event.sent_at:
        properties["$sent_at"] = encode(event.sent_at)
    session = text_of(properties.get("$session_id"))
    if session and session != session.lower() and _UUID.fullmatch(session):
        properties["$session_id"] = encode(session.lower())


def _personless(properties: Properties, event: Incoming) -> tuple[bool, tuple[str, ...]]:
    flag = properties.get("$process_person_profile")
    if event.force_personless or (flag is not None and bytes(flag).strip() == b"false"):
        properties["$process_person_profile"] = msgspec.Raw(b"false")
        return True, ()
    if flag is None:
        return False, ()
    del properties["$process_person_profile"]
    return False, () if bytes(flag).strip() == b"true" else ("invalid_process_person_profile",)


def _fill_os(properties: Properties) -> None:
    """`$os_name` is an alias of `$os`."""
    if "$os_name" in properties and is_null(properties.get("$os")):
        properties["$os"] = properties["$os_name"]


def _add_automatic(properties: Properties) -> None:
    """What the event says about the browser and the campaign also says something about the person."""
    server = properties.get("$is_server")
    skipped = {"$os_name"}
    if server is not None and bytes(server).strip() == b"true":
        skipped |= {"$os", "$os_version"}
    found = [name for name in _TO_PERSON if name in properties and name not in skipped]
    if not found:
        return
    latest = object_of(properties.get("$set")) or {}
    first = object_of(properties.get("$set_once")) or {}
    for name in found:
        latest.setdefault(name, properties[name])
        first.setdefault(_TO_PERSON[name], properties[name])
    properties["$set"] = encode(latest)
    properties["$set_once"] = encode(first)


def _unset(raw: msgspec.Raw | None) -> tuple[str, ...]:
    """An array of names, or an object whose keys count."""
    if (members := object_of(raw)) is not None:
        return tuple(members)
    return tuple(name for item in array_of(raw) or () if (name := text_of(item)) is not None)
