"""Who is calling: the address an event is counted for, and the CORS headers a browser needs to read the answer.

Compiled when there is a compiler (client.pxd).
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address

Headers = Mapping[bytes, bytes]

# Set by proxies, so as true as the proxy in front makes them: an address here places a visitor on a map and keys
# cookieless visitors; nothing is allowed or refused by it.
_SINGLE = (b"x-real-ip", b"cf-connecting-ip", b"true-client-ip", b"fly-client-ip", b"cloudfront-viewer-address")
_FORWARDING = frozenset((b"x-forwarded-for", b"forwarded", *_SINGLE))
_MOST_HOPS = 32  # what is looked at; a header can name thirty thousand
_REMEMBERED_BYTES = 128
_UNKNOWN = "127.0.0.1"


def client_ip(headers: Headers, peer: str | None) -> str:
    """Leftmost X-Forwarded-For that is an address, then single-address headers, Forwarded, and the socket."""
    if not _is_forwarded(headers):
        return peer or _UNKNOWN
    if (forwarded := headers.get(b"x-forwarded-for")) and (address := _leftmost(forwarded)):
        return address
    for name in _SINGLE:
        if (value := headers.get(name)) and (address := _address(value.decode("latin-1"))):
            return address
    if forwarded := headers.get(b"forwarded"):
        for part in forwarded.decode("latin-1").replace(",", ";").split(";", _MOST_HOPS)[:_MOST_HOPS]:
            name_, _, value_ = part.strip().partition("=")
            if name_.lower() == "for" and (address := _address(value_.strip('"'))):
                return address
    return peer or _UNKNOWN


def _is_forwarded(headers: Headers) -> bool:
    for name in headers:  # noqa: SIM110  # compiled, `any` makes a generator
        if name in _FORWARDING:
            return True
    return False


def _leftmost(forwarded: bytes) -> str | None:
    return _remembered(forwarded) if len(forwarded) <= _REMEMBERED_BYTES else _first_address(forwarded)


def _first_address(forwarded: bytes) -> str | None:
    for part in forwarded.decode("latin-1").split(",", _MOST_HOPS)[:_MOST_HOPS]:
        if address := _address(part):
            return address
    return None


_remembered = lru_cache(maxsize=4096)(_first_address)  # the same visitors and proxies come again and again


def _address(text: str) -> str | None:
    """An address without its port, in canonical form; None when it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def cors_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Mirror the caller: SDKs and proxies send credentials, for which browsers refuse a wildcard."""
    origin = headers.get(b"origin")
    if origin is None:
        return []
    allowed = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-methods", b"GET,POST,OPTIONS"),
        (b"vary", b"origin"),
    ]
    if requested := headers.get(b"access-control-request-headers"):
        allowed.append((b"access-control-allow-headers", requested))
    return allowed
