"""One line of an export -> one event as capture takes it. Plain functions; what cannot be used raises Unusable.

posthog    JSON lines of a PostHog batch export (`properties` nested, or as text), or events as an SDK sends them
mixpanel   Mixpanel's raw export: `{"event", "properties": {"time", "distinct_id", "$insert_id", ...}}`
amplitude  Amplitude's export: `{"event_type", "user_id", "device_id", "event_time", "event_properties", ...}`
"""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

Event = dict[str, Any]
Format = Literal["posthog", "mixpanel", "amplitude"]

# An event without a uuid gets one that follows from its line: sent again, it is the same event.
_NAMESPACE = uuid.UUID("6a4b8f5e-5c0d-4f0a-9d2f-6f0f4f0e7b11")
_MILLISECONDS_FROM = 100_000_000_000


class Unusable(ValueError):
    """Why a line gives no event; for people."""


def event_of(line: bytes, number: int, form: Format | None) -> Event:
    """The event of a line. `number` tells equal lines apart; form None: whichever the line looks like."""
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise Unusable(f"not JSON: {exc}") from None
    if not isinstance(said, dict):
        raise Unusable("not a JSON object")
    event = _FORMATS[form or looks_like(said)](said)
    event["uuid"] = _uuid(event.get("uuid") or f"{number}:{line.decode(errors='replace')}")
    return event


def _uuid(name: str) -> str:
    """The uuid that this is, or one that follows from it."""
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, name))


def looks_like(said: Mapping[str, Any]) -> Format:
    """Which tool wrote it."""
    if "event_type" in said and "event" not in said:
        return "amplitude"
    properties = said.get("properties")
    if isinstance(properties, dict) and "time" in properties and "timestamp" not in said and "distinct_id" not in said:
        return "mixpanel"
    return "posthog"


def _posthog(said: Mapping[str, Any]) -> Event:
    properties = dict(_object(said, "properties"))
    chain = said.get("elements_chain")
    if isinstance(chain, str) and chain and "$elements" not in properties:
        properties.setdefault("$elements_chain", chain)
    for name in ("$set", "$set_once"):
        if isinstance(said.get(name), dict):
            properties.setdefault(name, said[name])
    event = {
        "event": _text(said, "event"),
        "distinct_id": _distinct_id(said.get("distinct_id", properties.get("distinct_id"))),
        "timestamp": _text(said, "timestamp"),
        "properties": properties,
    }
    return event | ({"uuid": str(said["uuid"])} if said.get("uuid") else {})


def _mixpanel(said: Mapping[str, Any]) -> Event:
    properties = dict(_object(said, "properties"))
    at = _instant(properties.pop("time", None))
    distinct_id = _distinct_id(properties.pop("distinct_id", None))
    insert_id = properties.pop("$insert_id", None)
    renamed = {_MIXPANEL.get(name, name): value for name, value in properties.items()}
    event = {"event": _text(said, "event"), "distinct_id": distinct_id, "timestamp": at, "properties": renamed}
    if insert_id is not None:
        event["uuid"] = f"mixpanel:{insert_id}:{distinct_id}:{at}"
    return event


def _amplitude(said: Mapping[str, Any]) -> Event:
    user, device = said.get("user_id"), said.get("device_id")
    properties = dict(_object(said, "event_properties"))
    if known := _object(said, "user_properties"):
        properties["$set"] = dict(known)
    if user and device:
        properties["$device_id"] = str(device)
    for theirs, ours in _AMPLITUDE.items():
        if said.get(theirs) is not None:
            properties.setdefault(ours, said[theirs])
    event = {
        "event": _text(said, "event_type"),
        "distinct_id": _distinct_id(user or device),
        "timestamp": _instant(said.get("event_time") or said.get("time")),
        "properties": properties,
    }
    return event | ({"uuid": str(said["uuid"])} if said.get("uuid") else {})


_FORMATS: Mapping[Format, Callable[[Mapping[str, Any]], Event]] = {
    "posthog": _posthog,
    "mixpanel": _mixpanel,
    "amplitude": _amplitude,
}
_MIXPANEL = {
    "$city": "$geoip_city_name",
    "$region": "$geoip_subdivision_1_name",
    "mp_country_code": "$geoip_country_code",
    "mp_lib": "$lib",
}
_AMPLITUDE = {
    "ip_address": "$ip",
    "country": "$geoip_country_name",
    "city": "$geoip_city_name",
    "os_name": "$os",
    "os_version": "$os_version",
    "device_type": "$device_type",
    "library": "$lib",
    "version_name": "$app_version",
}


def _object(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = said.get(name)
    if isinstance(value, str):  # Parquet-like exports have JSON as text
        try:
            value = orjson.loads(value) if value else {}
        except orjson.JSONDecodeError:
            raise Unusable(f"{name} is text, but not of JSON") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unusable(f"{name} is not an object")
    return value


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise Unusable(f"{name} is missing")
    return value


def _distinct_id(value: object) -> str:
    if value is None or value == "" or isinstance(value, (dict, list, bool)):
        raise Unusable("distinct_id is missing")
    return str(value)


def _instant(value: object) -> str:
    """Seconds or milliseconds since 1970, or text, as ISO 8601."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            seconds = value / 1000 if value > _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC).isoformat()
        except (OverflowError, ValueError, OSError):
            raise Unusable("time is out of range") from None
    if isinstance(value, str) and value:
        return value if value.endswith("Z") or "T" in value else f"{value.replace(' ', 'T')}Z"
    raise Unusable("time is missing")
