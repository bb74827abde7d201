"""Small databases in MaxMind's format, for tests: none that knows real places may be shipped here."""

import ipaddress
import struct
from collections.abc import Mapping
from typing import Any

_MARK = b"\xab\xcd\xefMaxMind.com"
_SEPARATOR = 16


class U16(int):
    """A number of two bytes: readers insist on the types of what describes a database."""


class U64(int):
    """Likewise, of eight."""


def mmdb(networks: Mapping[str, Any], *, kind: str = "GeoLite2-City") -> bytes:
    """A database of IPv4 networks and what is known of each."""
    data, places = b"", {}
    for network, value in networks.items():
        places[network] = len(data)
        data += _encoded(value)
    nodes: list[list[int | str | None]] = [[None, None]]
    for network in networks:
        _insert(nodes, ipaddress.IPv4Network(network), network)
    count = len(nodes)
    tree = b"".join(_record(side, count, places).to_bytes(4, "big") for node in nodes for side in node)
    metadata = {
        "node_count": count,
        "record_size": U16(32),
        "ip_version": U16(4),
        "database_type": kind,
        "languages": ["en"],
        "binary_format_major_version": U16(2),
        "binary_format_minor_version": U16(0),
        "build_epoch": U64(1_790_000_000),
        "description": {"en": "test"},
    }
    return tree + bytes(_SEPARATOR) + data + _MARK + _encoded(metadata)


def _insert(nodes: list[list[int | str | None]], network: ipaddress.IPv4Network, name: str) -> None:
    at, address = 0, int(network.network_address)
    for depth in range(network.prefixlen):
        bit = address >> (31 - depth) & 1
        if depth == network.prefixlen - 1:
            nodes[at][bit] = name
            return
        below = nodes[at][bit]
        if not isinstance(below, int):
            nodes.append([None, None])
            below = nodes[at][bit] = len(nodes) - 1
        at = below


def _record(side: int | str | None, count: int, places: Mapping[str, int]) -> int:
    if side is None:
        return count
    return side if isinstance(side, int) else count + _SEPARATOR + places[side]


def _encoded(value: Any) -> bytes:
    match value:
        case str():
            return _control(2, len(value.encode())) + value.encode()
        case bool():
            return _control(14, int(value))
        case float():
            return _control(3, 8) + struct.pack(">d", value)
        case int():
            raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
            return _control({U16: 5, U64: 9}.get(type(value), 6), len(raw)) + raw
        case dict():
            return _control(7, len(value)) + b"".join(_encoded(key) + _encoded(each) for key, each in value.items())
        case list():
            return _control(11, len(value)) + b"".join(map(_encoded, value))
    raise TypeError(value)


def _control(kind: int, size: int) -> bytes:
    assert size < 285
    low, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([kind << 5 | low]) + more if kind <= 7 else bytes([low, kind - 7]) + more
