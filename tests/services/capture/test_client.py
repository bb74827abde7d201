"""Whose address counts."""

import pytest

from services.capture.client import client_ip, cors_headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "192.0.2.1"),
        ({b"x-forwarded-for": b"198.51.100.7, 10.0.0.1"}, "198.51.100.7"),
        ({b"x-forwarded-for": b"unknown, 198.51.100.8:4711"}, "198.51.100.8"),
        ({b"x-forwarded-for": b"[2001:DB8::1]:443"}, "2001:db8::1"),
        ({b"x-forwarded-for": b"2001:db8:0::1"}, "2001:db8::1"),
        ({b"x-forwarded-for": b"nonsense", b"x-real-ip": b"198.51.100.9"}, "198.51.100.9"),
        ({b"cf-connecting-ip": b"198.51.100.10"}, "198.51.100.10"),
        ({b"forwarded": b'proto=https;for="[2001:db8::2]:80";by=x, for=192.0.2.60'}, "2001:db8::2"),
        ({b"forwarded": b"for=_hidden"}, "192.0.2.1"),
        ({b"x-forwarded-for": b"\xff\x00"}, "192.0.2.1"),
    ],
)
def test_client_ip(headers: dict[bytes, bytes], expected: str) -> None:
    assert client_ip(headers, "192.0.2.1") == expected


def test_a_socket_without_an_address_is_local() -> None:
    assert client_ip({}, None) == "127.0.0.1"


def test_cors_is_only_for_browsers_and_never_a_wildcard() -> None:
    assert cors_headers({}) == []
    answered = dict(cors_headers({b"origin": b"null"}))
    assert answered[b"access-control-allow-origin"] == b"null"
    assert answered[b"vary"] == b"origin"
