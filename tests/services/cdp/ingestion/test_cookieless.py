"""Visitors without cookies: vectors, days and rules; on a real state store, what follows from the order of events."""

import base64
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from libs.kit.errors import Unavailable
from libs.kit.runtime import Runtime
from libs.kit.teams import Team
from services.cdp.ingestion import cookieless
from services.cdp.ingestion.cookieless import SENTINEL, Identity, Refused, Visit, root_domain, visit_of
from services.cdp.ingestion.cookieless_state import CookielessState
from services.cdp.ingestion.parse import Incoming, parse
from services.cdp.ingestion.prepare import prepared
from services.cdp.ingestion.siphash import siphash128
from services.cdp.ingestion.surroundings import Surroundings
from services.cdp.settings import IngestionSettings
from tests.support.captured import captured_record
from tests.support.ingested import NOW, Ingested

FIRST = cookieless.place_of(captured_record())
SALT = bytes(range(16))
STATELESS = Team(1, "phc_one", timezone="Europe/Berlin", cookieless_server_hash_mode=1)
STATEFUL = Team(1, "phc_one", cookieless_server_hash_mode=2)
SAID = {"$cookieless_mode": True, "$raw_user_agent": "UA", "$host": "www.example.com", "$ip": "1.2.3.4"}


def incoming(offset: int = 0, event: str = "a", distinct_id: str = SENTINEL, **more: Any) -> Incoming:
    properties = {**SAID, **more.pop("properties", {})}
    kept = {name: value for name, value in properties.items() if value is not None}
    parsed = parse(captured_record(offset, event=event, distinct_id=distinct_id, properties=kept, **more))
    assert isinstance(parsed, Incoming)
    return parsed


def visit(event: Incoming, team: Team = STATELESS, now: datetime = NOW) -> Visit:
    found = visit_of(event, team, now)
    assert isinstance(found, Visit), found
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-1.2.3.4-example.com-UA-0-", "d262d95cdd572c48304f12fcfd1b0135"),
        ("", "c75502936df67214ba25a8e6a3817f04"),
    ],
)
def test_vectors(text: str, expected: str) -> None:
    assert siphash128(SALT, text.encode()).hex() == expected


def test_what_is_hashed() -> None:
    assert cookieless.digest(visit(incoming()), SALT).hex() == "d262d95cdd572c48304f12fcfd1b0135"
    more = visit(incoming(properties={"$cookieless_extra": "x" * 200}))
    assert cookieless.digest(more, SALT, 2) == siphash128(SALT, b"1-1.2.3.4-example.com-UA-2-" + b"x" * 100)


@pytest.mark.parametrize(
    ("host", "root"),
    [
        ("www.example.com", "example.com"),
        ("a.b.example.co.uk:8080", "example.co.uk:8080"),
        ("LOCALHOST:3000", "127.0.0.1:3000"),
        ("localhost", "127.0.0.1"),
        ("10.0.0.5:80", "10.0.0.5:80"),
        ("[::1]:80", "::1:80"),
        ("intranet", "intranet"),
        ("co.uk", "co.uk"),
    ],
)
def test_what_one_site_is(host: str, root: str) -> None:
    assert root_domain(host) == root


@pytest.mark.parametrize(
    ("more", "reason", "warned"),
    [
        ({"properties": {"$raw_user_agent": None}}, "cookieless_missing_user_agent", True),
        ({"properties": {"$ip": None}, "ip": ""}, "cookieless_missing_ip", True),
        ({"properties": {"$host": ""}}, "cookieless_missing_host", True),
        ({"timestamp": "?", "now": "?"}, "cookieless_missing_timestamp", True),
        ({"timestamp": "2026-11-01T00:00:00Z"}, "cookieless_timestamp_out_of_range", True),
        ({"event": "$create_alias"}, "cookieless_unsupported_event_type", False),
        ({"event": "$merge_dangerously"}, "cookieless_unsupported_event_type", False),
        ({"event": "$identify"}, "cookieless_stateless_unsupported_identify", False),
    ],
)
def test_what_cannot_be_taken(more: dict[str, Any], reason: str, warned: bool) -> None:
    event = incoming(**more)
    refused = visit_of(event, STATELESS, NOW)
    assert refused == Refused(reason, warned)
    ingested = Ingested(STATELESS, identities={FIRST: refused})
    ingested.take(event.record)
    assert (ingested.rows, ingested.outcomes) == ([], [("dropped", reason)])
    assert ingested.warnings == ([reason] if warned else [])


def test_projects_that_do_not_want_it() -> None:
    assert visit_of(incoming(), Team(1, "phc_one"), NOW) == Refused("cookieless_team_disabled")


@pytest.mark.parametrize(
    ("timezone", "day", "midnight"),
    [
        (None, date(2026, 11, 5), "2026-11-04T23:00:00+00:00"),  # the project's: Berlin
        ("Pacific/Auckland", date(2026, 11, 5), "2026-11-04T11:00:00+00:00"),
        ("Pacific/Niue", date(2026, 11, 4), "2026-11-04T11:00:00+00:00"),
        ("America/Los_Angeles", date(2026, 11, 5), "2026-11-05T08:00:00+00:00"),
        ("Nowhere/Atall", date(2026, 11, 5), "2026-11-04T23:00:00+00:00"),
        ("../etc/passwd", date(2026, 11, 5), "2026-11-04T23:00:00+00:00"),
    ],
)
def test_the_day_is_the_visitors(timezone: str | None, day: date, midnight: str) -> None:
    found = visit(incoming(properties={"$timezone": timezone}))
    assert (found.day, found.midnight.isoformat()) == (day, midnight)


@pytest.mark.parametrize(("hours", "taken"), [(-12.01, False), (-12, True), (85.99, True), (86, False)])
def test_how_early_and_how_late(hours: float, taken: bool) -> None:
    now = datetime(2026, 11, 5, tzinfo=UTC) + timedelta(hours=hours)
    found = visit_of(incoming(properties={"$timezone": "UTC"}), STATELESS, now)
    assert isinstance(found, Visit) == taken


def test_a_row_keeps_nothing_of_who_it_was() -> None:
    device, session = siphash128(SALT, b"x"), cookieless.uuid7(NOW, bytes(10))
    ingested = Ingested(STATELESS, identities={FIRST: Identity(device, device, session)})
    more = {"$set": {"$raw_user_agent": "UA", "a": 1}, "$set_once": {"$initial_raw_user_agent": "UA"}}
    ingested.take(incoming(properties={**more, "$cookieless_extra": "x", "$process_person_profile": False}).record)
    [row] = ingested.rows
    assert row["distinct_id"] == "cookieless_" + base64.b64encode(device).decode().rstrip("=")
    assert row["properties"]["$device_id"] == "cookielessd_" + base64.b64encode(device).decode().rstrip("=")
    assert row["properties"]["$session_id"] == str(session)
    assert (session.version, session.variant) == (7, "specified in RFC 4122")
    assert b"UA" not in str(row).encode()
    assert "1.2.3.4" not in str(row)
    assert "203.0.113.7" not in str(row), "what capture saw is not put back"


async def identities(runtime: Runtime, events: Sequence[Incoming], team: Team = STATEFUL) -> list[Identity]:
    found = await CookielessState(runtime.state).identities(events, {"phc_one": team}, NOW)
    answers = [found[cookieless.place_of(event.record)] for event in events]
    assert all(isinstance(one, Identity) for one in answers)
    return [one for one in answers if isinstance(one, Identity)]


async def test_a_day_has_one_salt_for_everybody_and_not_for_longer(runtime: Runtime) -> None:
    [one] = await identities(runtime, [incoming()], STATELESS)
    [other] = await identities(runtime, [incoming(7)], STATELESS)  # another worker
    assert one == other
    assert one.session.bytes[:6] == int(datetime(2026, 11, 4, 23, tzinfo=UTC).timestamp() * 1000).to_bytes(6, "big")
    assert len(base64.b64decode(await runtime.state.get("cookieless_salt:2026-11-05") or b"")) == 16
    left = (datetime(2026, 11, 8, 14, tzinfo=UTC) - NOW).total_seconds()
    assert left - 600 < await runtime.state.ttl("cookieless_salt:2026-11-05") <= left


def signing_in(offset: int, who: str, number: int) -> Incoming:
    return incoming(offset, "$identify", who, uuid_=f"0190a0a0-0000-7000-8000-{number:012x}")


async def test_who_signs_in_takes_the_visitor_along(runtime: Runtime) -> None:
    history = [incoming(0), signing_in(1, "u", 1), incoming(2, distinct_id="u"), incoming(3), signing_in(4, "v", 2)]
    first, identify, signed_in, next_one, second = await identities(runtime, history)
    assert first.visitor == identify.visitor == signed_in.visitor, "until somebody signs in it is one visitor"
    assert next_one.visitor != first.visitor, "afterwards an unknown visitor is another one"
    assert second.visitor == next_one.visitor
    assert {one.device for one in (first, identify, next_one)} == {first.device} == {first.visitor}
    assert {one.session for one in (first, identify, signed_in)} == {first.session}
    ingested = Ingested(STATEFUL)
    for event, identity in zip(history[:3], (first, identify, signed_in), strict=True):
        ingested.identities = {cookieless.place_of(event.record): identity}
        ingested.take(event.record)
    anonymous, identified, last = ingested.rows
    assert identified["properties"]["$anon_distinct_id"] == anonymous["distinct_id"]
    assert (identified["distinct_id"], last["distinct_id"]) == ("u", "u")
    assert len({row["person_id"] for row in ingested.rows}) == 1


async def test_a_record_that_is_read_again_is_the_same_visitor(runtime: Runtime) -> None:
    history = [incoming(0, uuid_="0190a0a0-0000-7000-8000-00000000000a"), signing_in(1, "u", 1), incoming(2)]
    together = await identities(runtime, history)
    assert await identities(runtime, history) == together
    assert [(await identities(runtime, [event]))[0] for event in history] == together


async def test_a_session_ends_after_half_an_hour(runtime: Runtime) -> None:
    at = ["10:00:00", "10:30:00", "11:00:00.001", "11:05:00"]
    history = [incoming(n, timestamp=f"2026-11-05T{clock}Z") for n, clock in enumerate(at)]
    one, two, three, four = [found.session for found in await identities(runtime, history)]
    assert one == two != three == four
    assert int.from_bytes(three.bytes[:6], "big") == 1_793_876_400_001


async def test_a_store_that_is_away_stops_the_batch(runtime: Runtime) -> None:
    from redis.asyncio import Redis

    nobody: Redis = Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=1)
    with pytest.raises(Unavailable):
        await CookielessState(nobody).identities([incoming()], {"phc_one": STATELESS}, NOW)
    assert await CookielessState(nobody).identities([incoming(properties={"$cookieless_mode": False})], {}, NOW) == {}


async def test_an_operator_may_refuse_them_all(runtime: Runtime) -> None:
    events = [incoming(), incoming(1, properties={"$cookieless_mode": False})]
    teams = {"phc_one": STATEFUL}
    around = await Surroundings(runtime, IngestionSettings(cookieless_disabled=True)).of(events, teams, {}, NOW)
    done = prepared(events, teams, around)
    assert done.outcomes == {("dropped", "cookieless_globally_disabled"): 1}
    assert (done.events, done.warned) == ([events[1]], [])
    assert await runtime.state.keys("cookieless_salt:*") == []
