"""Who a visitor without cookies is: for one day, by a hash of what every request says, under a salt that is then lost.

Plain functions; what they need from the state store is fetched by `cookieless_state.py`. In this order: `visit_of` says
what an event tells of its visitor, `digest` hashes it, `identified` gives the event its ids.
"""

import base64
import ipaddress
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from publicsuffixlist import PublicSuffixList

from libs.fastpath import utc_moment
from libs.kit.eventlog import Record
from libs.kit.teams import Team
from services.cdp.ingestion.parse import Incoming
from services.cdp.ingestion.siphash import siphash128
from services.cdp.raw_json import Properties, encode, object_of, text_of

SENTINEL = "$posthog_cookieless"
MODE = "$cookieless_mode"
STATELESS, STATEFUL = 1, 2
SESSION_IDLE = timedelta(minutes=30)
# A day begins somewhere 14 hours before it does in UTC, and ends somewhere 12 hours after; events may be 72 hours late.
_EARLIEST, _LATEST = timedelta(hours=-12), timedelta(hours=14 + 72)
_NEVER = frozenset({"$create_alias", "$merge_dangerously"})
_MAX_EXTRA = 100
_suffixes = lru_cache(1)(PublicSuffixList)


# Topic, partition and offset: what a record is.
Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Refused:
    """The event is dropped. warned: the reason is also a warning."""

    reason: str
    warned: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """What an event says of its visitor. day: the calendar date where the visitor is; midnight: when it began there."""

    team_id: int
    ip: str
    domain: str
    user_agent: str
    extra: str
    day: date
    midnight: datetime
    happened: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """What the event is to be stored under. device: the same for all of the day, whoever signed in meanwhile."""

    visitor: bytes
    device: bytes
    session: uuid.UUID


def is_cookieless(properties: Properties) -> bool:
    """Whether the sender asks for it."""
    raw = properties.get(MODE)
    return raw is not None and bytes(raw).strip() not in (b"false", b"null", b"0", b'""')


def visit_of(event: Incoming, team: Team, now: datetime) -> Visit | Refused:
    """What is needed for the hash, or why the event cannot be taken."""
    mode = team.cookieless_server_hash_mode
    if mode not in (STATELESS, STATEFUL):
        return Refused("cookieless_team_disabled")
    if event.event in _NEVER:
        return Refused("cookieless_unsupported_event_type")
    if event.event == "$identify" and mode == STATELESS:
        return Refused("cookieless_stateless_unsupported_identify")
    said = event.properties
    agent, ip, host = (
        text_of(said.get("$raw_user_agent")),
        text_of(said.get("$ip")) or event.ip,
        text_of(said.get("$host")),
    )
    for name, value in (("user_agent", agent), ("ip", ip), ("host", host)):
        if not value:
            return Refused(f"cookieless_missing_{name}", warned=True)
    sent_at = utc_moment(event.sent_at) if event.sent_at else None
    happened = event.timestamp or sent_at or event.now
    if happened is None:
        return Refused("cookieless_missing_timestamp", warned=True)
    zone = _zone(text_of(said.get("$timezone"))) or _zone(team.timezone) or UTC
    midnight = datetime.combine(happened.astimezone(zone).date(), time(), zone)
    start = datetime.combine(midnight.date(), time(), UTC)
    if not start + _EARLIEST <= now < start + _LATEST:
        return Refused("cookieless_timestamp_out_of_range", warned=True)
    extra = (text_of(said.get("$cookieless_extra")) or "")[:_MAX_EXTRA]
    return Visit(
        team.id, ip, root_domain(host or ""), agent or "", extra, midnight.date(), midnight.astimezone(UTC), happened
    )


def place_of(record: Record) -> Place:
    """What no other record is."""
    return record.topic, record.partition, record.offset


def salt_until(day: date) -> datetime:
    """From when on no event of that day is taken any more."""
    return datetime.combine(day, time(), UTC) + _LATEST


def digest(visit: Visit, salt: bytes, number: int = 0) -> bytes:
    """16 bytes. number: how many people have signed in on this device today, so that the next is another visitor."""
    text = f"{visit.team_id}-{visit.ip}-{visit.domain}-{visit.user_agent}-{number}-{visit.extra}"
    return siphash128(salt, text.encode())


def short(hashed: bytes) -> str:
    """As ids hold it: base64, no padding."""
    return base64.b64encode(hashed).decode().rstrip("=")


def stateless_session(visit: Visit, hashed: bytes) -> uuid.UUID:
    """One session a day: a UUIDv7 of its beginning and of the hash."""
    return uuid7(visit.midnight, hashed[:10])


def uuid7(at: datetime, rest: bytes) -> uuid.UUID:
    """rest: 10 bytes, of which 74 bits count."""
    milliseconds = max(0, int(at.timestamp() * 1000)) & 0xFFFFFFFFFFFF
    raw = bytearray(milliseconds.to_bytes(6, "big") + rest)
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return uuid.UUID(bytes=bytes(raw))


def identified(event: Incoming, identity: Identity, *, stateful: bool) -> tuple[str, Properties]:
    """The distinct id and the properties of the event. What could tell who the visitor was is gone."""
    properties = event.properties.copy()
    visitor = f"cookieless_{short(identity.visitor)}"
    distinct_id = visitor if not stateful or event.distinct_id == SENTINEL else event.distinct_id
    if event.event == "$identify":
        properties["$anon_distinct_id"] = encode(visitor)
    properties["$device_id"] = encode(f"cookielessd_{short(identity.device)}")
    properties["$session_id"] = encode(str(identity.session))
    for name in ("$ip", "$raw_user_agent", "$cookieless_extra"):
        properties.pop(name, None)
    for name, inside in (("$set", "$raw_user_agent"), ("$set_once", "$initial_raw_user_agent")):
        members = object_of(properties.get(name))
        if members is not None and inside in members:
            del members[inside]
            properties[name] = encode(members)
    return distinct_id, properties


@lru_cache(4096)
def root_domain(host: str) -> str:
    """What one site is for a visitor: the registrable domain, with the port if there is one."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name, port = host, ""
    name = name.strip("[]").lower().rstrip(".")
    tail = f":{port}" if port else ""
    if name == "localhost":
        return f"127.0.0.1{tail}"
    try:
        return f"{ipaddress.ip_address(name)}{tail}"
    except ValueError:
        return f"{_suffixes().privatesuffix(name) or name}{tail}"


@lru_cache(1024)
def _zone(name: str | None) -> tzinfo | None:
    if not name:
        return None
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone, or no name of one
        return None


def decoded_session(raw: bytes) -> tuple[uuid.UUID, int]:
    """A stored session: its id, and when it was last heard of in epoch milliseconds. Raises ValueError."""
    return uuid.UUID(bytes=raw[:16]), int.from_bytes(raw[16:24], "little")


def encoded_session(session: uuid.UUID, last_ms: int) -> bytes:
    """As it is stored: 16 bytes, and 8 of the time, least significant first."""
    return session.bytes + max(0, last_ms).to_bytes(8, "little")


def set_key(team_id: int, device: bytes) -> str:
    """Where it is kept who signed in on a device."""
    return f"cklsi:{team_id}:{short(device)}"


def session_key(team_id: int, visitor: bytes) -> str:
    """Where a visitor's session is kept."""
    return f"cklss:{team_id}:{short(visitor)}"
