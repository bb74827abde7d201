"""Where an address is, from a database that the operator supplies in MaxMind's format. Without one, nothing is said.

The file is mapped into memory: put a new one in its place by renaming, as geoipupdate does, never by writing into it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import maxminddb
import msgspec

from libs.kit.logging import get_logger
from services.cdp.raw_json import encode, object_of

# What a developer's own machine looks like is shown with an address that has a place: MaxMind's own example.
_LOCAL, _EXAMPLE = "127.0.0.1", "89.160.20.129"
MAX_REMEMBERED = 20_000
log = get_logger(__name__)

Raws = Mapping[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Members:
    """Members of an object: by name, and as a whole."""

    raws: Raws
    whole: msgspec.Raw

    def over(self, raw: msgspec.Raw | None) -> msgspec.Raw:
        """The object with these in it; where it has one of them already, these count. What is no object gives way."""
        if raw is None:
            return self.whole
        given = bytes(raw).strip()
        if b"geoip_" not in given and b"\\" not in given and given[:1] == b"{":
            inside = given[1:].lstrip()
            return msgspec.Raw(bytes(self.whole)[:-1] + (b"," if inside != b"}" else b"") + inside)
        members = object_of(given)
        if members is None:
            return self.whole
        members.update(self.raws)
        return encode(members)


@dataclass(frozen=True, slots=True)
class Place:
    """What an address adds to an event, and what to `$set` and `$set_once` of it: there a fact that is not known is
    null, so that a person who has moved does not keep half of the old address."""

    event: Raws
    latest: Members
    first: Members


def place_of(found: Any) -> Place:
    """A record of a database -> properties. Databases of countries know less than those of cities."""
    facts = _facts(found if isinstance(found, dict) else {})
    raws = {name: encode(value) for name, value in facts.items()}
    return Place(
        {f"$geoip_{name}": raw for name, raw in raws.items() if facts[name] is not None},
        _members({f"$geoip_{name}": raw for name, raw in raws.items()}),
        _members({f"$initial_geoip_{name}": raw for name, raw in raws.items()}),
    )


def _members(raws: dict[str, msgspec.Raw]) -> Members:
    return Members(raws, encode(raws))


def _facts(found: dict[str, Any]) -> dict[str, Any]:
    subdivisions = found.get("subdivisions")
    first, second = ([*subdivisions, None, None] if isinstance(subdivisions, list) else [None, None])[:2]
    return {
        "city_name": _at(found, "city", "names", "en"),
        "city_confidence": _at(found, "city", "confidence"),
        "subdivision_1_name": _at(first, "names", "en"),
        "subdivision_1_code": _at(first, "iso_code"),
        "subdivision_2_name": _at(second, "names", "en"),
        "subdivision_2_code": _at(second, "iso_code"),
        "country_name": _at(found, "country", "names", "en"),
        "country_code": _at(found, "country", "iso_code"),
        "continent_name": _at(found, "continent", "names", "en"),
        "continent_code": _at(found, "continent", "code"),
        "postal_code": _at(found, "postal", "code"),
        "latitude": _at(found, "location", "latitude"),
        "longitude": _at(found, "location", "longitude"),
        "accuracy_radius": _at(found, "location", "accuracy_radius"),
        "time_zone": _at(found, "location", "time_zone"),
    }


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str | int | float) else None


class GeoIp:
    """The operator's database, read again when the file is another one. A file that cannot be read is reported, and
    the one before it stays in use."""

    def __init__(self, path: Path | None):
        self._path = path
        self._stands: tuple[int, int, int] | None = None
        self._reader: maxminddb.Reader | None = None
        self._places: OrderedDict[str, Place | None] = OrderedDict()

    def refresh(self) -> None:
        """Look whether there is another file now: one stat."""
        if self._path is None:
            return
        try:
            stat = self._path.stat()
        except OSError:
            return
        stands = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if stands == self._stands:
            return
        self._stands = stands
        try:
            reader = maxminddb.open_database(self._path)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as exc:
            log.error("geoip_database_unusable", path=str(self._path), error=str(exc))
            return
        if self._reader is not None:
            self._reader.close()
        self._reader = reader
        self._places.clear()
        log.info("geoip_database_read", path=str(self._path), type=reader.metadata().database_type)

    def place(self, ip: str) -> Place | None:
        """Where it is; None when nobody knows, or when it is no address."""
        if self._reader is None or not ip:
            return None
        if ip in self._places:
            self._places.move_to_end(ip)
            return self._places[ip]
        place = self._places[ip] = self._looked_up(self._reader, _EXAMPLE if ip == _LOCAL else ip)
        if len(self._places) > MAX_REMEMBERED:
            self._places.popitem(last=False)
        return place

    def _looked_up(self, reader: maxminddb.Reader, ip: str) -> Place | None:
        try:
            found = reader.get(ip)
        except ValueError:  # no address, or one of IPv6 in a database of IPv4
            return None
        except maxminddb.InvalidDatabaseError as exc:
            log.error("geoip_database_unusable", path=str(self._path), error=str(exc))
            return None
        return None if found is None else place_of(found)
