import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.cdp.ingestion.geoip import GeoIp, Place, place_of
from tests.support.ingested import Ingested
from tests.support.mmdb import mmdb

BERLIN = {
    "city": {"names": {"en": "Berlin", "de": "Berlin"}, "confidence": 80},
    "subdivisions": [{"iso_code": "BE", "names": {"en": "State of Berlin"}}],
    "country": {"iso_code": "DE", "names": {"en": "Germany"}},
    "continent": {"code": "EU", "names": {"en": "Europe"}},
    "postal": {"code": "10115"},
    "location": {"latitude": 52.53, "longitude": 13.38, "accuracy_radius": 20, "time_zone": "Europe/Berlin"},
}
ABROAD = {"country": {"iso_code": "SE", "names": {"en": "Sweden"}}}
EVENT = {
    "$geoip_city_name": "Berlin",
    "$geoip_city_confidence": 80,
    "$geoip_subdivision_1_name": "State of Berlin",
    "$geoip_subdivision_1_code": "BE",
    "$geoip_country_name": "Germany",
    "$geoip_country_code": "DE",
    "$geoip_continent_name": "Europe",
    "$geoip_continent_code": "EU",
    "$geoip_postal_code": "10115",
    "$geoip_latitude": 52.53,
    "$geoip_longitude": 13.38,
    "$geoip_accuracy_radius": 20,
    "$geoip_time_zone": "Europe/Berlin",
}
UNKNOWN = {"$geoip_subdivision_2_name": None, "$geoip_subdivision_2_code": None}


class FromFile(dict[str, Place]):
    """The database, where `Ingested` wants a mapping."""

    def __init__(self, geoip: GeoIp):
        self.geoip = geoip

    def get(self, ip: str, default: Any = None) -> Any:
        return self.geoip.place(ip) or default


def put(path: Path, networks: dict[str, Any]) -> None:
    """As geoipupdate does it: a new file, renamed into place."""
    new = path.with_suffix(".new")
    new.write_bytes(mmdb(networks))
    os.replace(new, path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    put(tmp_path / "places.mmdb", {"203.0.113.0/24": BERLIN, "89.160.20.128/25": ABROAD})
    return tmp_path / "places.mmdb"


@pytest.fixture
def ingested(path: Path) -> Ingested:
    geoip = GeoIp(path)
    geoip.refresh()
    return Ingested(places=FromFile(geoip))


def geo(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if "geoip_" in name and name != "$geoip_disable"}


def test_event_and_person_say_where(ingested: Ingested) -> None:
    row = ingested.event()
    assert row is not None
    assert geo(row["properties"]) == EVENT
    person = ingested.person()
    assert person is not None
    latest = EVENT | UNKNOWN
    assert geo(person) == latest | {f"$initial_{name[1:]}": value for name, value in latest.items()}


def test_a_person_who_moves_keeps_no_half_of_the_old_address(ingested: Ingested) -> None:
    ingested.event()
    ingested.event(ip="127.0.0.1")  # somebody's own machine is shown as MaxMind's example
    person = ingested.person()
    assert person is not None
    assert (person["$geoip_country_code"], person["$geoip_city_name"]) == ("SE", None)
    assert person["$initial_geoip_city_name"] == "Berlin"


@pytest.mark.parametrize(
    "more",
    [
        {"ip": ""},
        {"ip": "198.51.100.1"},
        {"ip": "no address"},
        {"ip": "2001:db8::1"},
        {"properties": {"$geoip_disable": True}},
        {"properties": {"$ip": "198.51.100.1"}},
        {"properties": {"$ip": None}},
        {"properties": {"$ip": 5}},
    ],
)
def test_nothing_is_said_of_what_is_not_known(ingested: Ingested, more: dict[str, Any]) -> None:
    row = ingested.event(**more)
    assert row is not None
    assert geo(row["properties"]) == {}
    assert geo(ingested.person() or {}) == {}


def test_the_senders_address_and_its_own_set_count(ingested: Ingested) -> None:
    row = ingested.event(
        ip="198.51.100.1", properties={"$ip": "203.0.113.9", "$geoip_disable": False, "$set": {"a": 1}}
    )
    assert row is not None
    assert row["properties"]["$ip"] == "203.0.113.9"
    assert row["properties"]["$set"]["a"] == 1
    assert row["properties"]["$set"]["$geoip_city_name"] == "Berlin"


def test_personless_events_say_where_too(ingested: Ingested) -> None:
    row = ingested.event(properties={"$process_person_profile": False})
    assert row is not None
    assert geo(row["properties"]) == EVENT
    assert "$set" not in row["properties"]


def known(geoip: GeoIp) -> set[str]:
    place = geoip.place("203.0.113.7")
    assert place is not None
    return set(place.event)


def test_another_file_is_read_and_a_broken_one_is_not(path: Path) -> None:
    geoip = GeoIp(path)
    geoip.refresh()
    assert "$geoip_city_name" in known(geoip)
    put(path, {"203.0.113.0/24": ABROAD})
    geoip.refresh()
    assert known(geoip) == {"$geoip_country_name", "$geoip_country_code"}
    broken = path.with_suffix(".broken")
    broken.write_bytes(b"no database")
    os.replace(broken, path)
    geoip.refresh()
    assert known(geoip)
    path.unlink()
    geoip.refresh()
    assert known(geoip)


def test_without_a_file_nothing_is_said(tmp_path: Path) -> None:
    for path in (None, tmp_path / "to come.mmdb"):
        geoip = GeoIp(path)
        geoip.refresh()
        assert geoip.place("203.0.113.7") is None


@pytest.mark.parametrize(
    "found", [None, "text", [], {"city": 5}, {"subdivisions": [5]}, {"location": {"latitude": {}}}]
)
def test_a_database_of_anything(found: Any) -> None:
    assert place_of(found).event == {}


@pytest.mark.parametrize(
    "given", ['{"a":1}', " { } ", '{"$geoip_city_name":"mine","a":[1.0]}', '{"\\u0024geoip_x":1}', "5", ""]
)
def test_what_a_set_had_already_stays(given: str) -> None:
    """Spliced or merged, it is the same."""
    latest = place_of(BERLIN).latest
    made = bytes(latest.over(msgspec.Raw(given.encode()) if given else None))
    had = json.loads(given) if "{" in given else {}
    pairs = json.loads(made, object_pairs_hook=list)
    assert dict(pairs) == had | {name: json.loads(bytes(raw)) for name, raw in latest.raws.items()}
    assert len(dict(pairs)) == len(pairs)
