"""Requests at random, most of them nearly right: what SDKs send, packed in every way, then bent and broken.

Not by hypothesis: a million of these are to be sent in minutes. A seed gives the same requests again.
"""

import base64
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes

import brotli
import zstandard

from libs.kit.contracts.routes import CAPTURE_AI_PATH, CAPTURE_PATHS, CAPTURE_V1_PATHS

LZ = b"N4IghgDglg+g1gUwJ4gFwggCwMYwC4gA0ICAbggHYHphEgAmUAznlBdnjFPWiAK50IAJwD2EBENYImaUBV4BLwKemgXg3AAHsgAvpqA="
UUID = "0190a1b2-0000-7000-8000-0000000000ab"
TEXTS = (
    *(
        "phc_t",
        "a",
        "u",
        "",
        " ",
        "\0",
        "é日😀",
        "$identify",
        "$$heatmap",
        "$performance_event",
        "$ai_generation",
        "phx_a",
    ),
    *("2026-11-21T11:00:00Z", "2026-11-21", "1700000000", "9999-12-31T23:59:59-10:00", "garbage", UUID, "x" * 300),
)
KEYS = (
    *(
        "event",
        "distinct_id",
        "$distinct_id",
        "token",
        "$token",
        "api_key",
        "uuid",
        "properties",
        "timestamp",
        "offset",
    ),
    *("$set", "$set_once", "batch", "sent_at", "historical_migration", "created_at", "options", "session_id", "x"),
    *("$cookieless_mode", "$ignore_sent_at", "$heatmap_data", "$prev_pageview_pathname", "$current_url"),
    *("capture_internal", "$session_id", "$ai_model", "process_person_profile", "cookieless_mode", "product_tour_id"),
)
TYPES = (
    *(b"application/json", b"text/plain", b"application/x-www-form-urlencoded", b"", b"multipart/form-data"),
    *(b"application/json; charset=utf-8", b"multipart/form-data; boundary=edge", b"image/png"),
)
CODINGS = (b"gzip", b"deflate", b"br", b"zstd", b"lz64", b"GZIP", b"identity", b"gzip, gzip")
PACKERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": lambda text: gzip.compress(text, 1),
    b"deflate": zlib.compress,
    b"br": lambda text: brotli.compress(text, quality=1),
    b"zstd": zstandard.compress,
    b"base64": base64.b64encode,
    b"form": lambda text: b"data=" + quote_from_bytes(text).encode(),
    b"base64 form": lambda text: b"data=" + base64.b64encode(text) + b"&compression=base64",
    b"lz form": lambda _: b"data=" + LZ + b"&compression=lz64",
}
HEADERS = (b"x-forwarded-for", b"forwarded", b"origin", b"access-control-request-headers", b"x-request-id")


@dataclass(frozen=True, slots=True)
class HostileRequest:
    """One request. `pieces` are the body as it arrives; `leaves`: the sender is gone before the last one."""

    method: str
    path: str
    query: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    leaves: bool = False


def hostile_requests(seed: int, count: int) -> Iterator[HostileRequest]:
    """`count` requests, the same for the same seed."""
    chance = random.Random(seed)
    for _ in range(count):
        yield _request(chance)


def _request(chance: random.Random) -> HostileRequest:
    path = chance.choice(CAPTURE_PATHS)
    headers, text = _sent_to(path, chance)
    how = chance.choice((*(None,) * len(PACKERS), b"gzip", b"base64", b"form", *PACKERS))
    if how is not None:
        text = PACKERS[how](text)
        if how in CODINGS and chance.random() < 0.8:
            headers[b"content-encoding"] = how
        if b"form" in how and chance.random() < 0.9:
            headers[b"content-type"] = b"application/x-www-form-urlencoded"
    if chance.random() < 0.15:
        text = _bent(text, chance)
    _bend_headers(headers, chance)
    return HostileRequest(
        chance.choice(("POST",) * 24 + ("GET", "OPTIONS", "HEAD", "PUT", "DELETE", "BREW")),
        path + chance.choice(("", "/") * 15 + ("//", "/x", "\0", "%2f")),
        _query(chance),
        _repeated(headers, chance),
        _pieces(text, chance),
        leaves=chance.random() < 0.01,
    )


def _sent_to(path: str, chance: random.Random) -> tuple[dict[bytes, bytes], bytes]:
    """Headers and body that an SDK sends there, more or less."""
    if path in CAPTURE_V1_PATHS:
        headers = {
            b"authorization": b"Bearer phc_t",
            b"content-type": b"application/json",
            b"user-agent": b"x",
            b"posthog-sdk-info": b"posthog-node/1.2",
            b"posthog-attempt": b"1",
            b"posthog-request-id": UUID.encode(),
            b"posthog-request-timestamp": b"2026-11-21T12:00:00Z",
        }
        batch = [_event_v1(chance) for _ in range(chance.randrange(4))]
        return headers, _json({"created_at": "2026-11-21T12:00:00Z", "batch": batch}, chance)
    if path == CAPTURE_AI_PATH:
        headers = {b"authorization": b"Bearer phc_t", b"content-type": b"multipart/form-data; boundary=edge"}
        return headers, _multipart(chance)
    events = [_event_v0(chance) for _ in range(chance.randrange(4))]
    shape = chance.randrange(4)
    sent: Any = {"api_key": "phc_t", "batch": events, "sent_at": chance.choice(TEXTS)}
    if shape == 1:
        sent = events
    elif shape == 2:
        sent = _event_v0(chance)
    elif shape == 3:
        sent = _object(chance)
    kind = chance.choice(TYPES if chance.random() < 0.2 else TYPES[:2])
    return {b"content-type": kind}, _json(sent, chance)


def _event_v0(chance: random.Random) -> dict[str, Any]:
    event = {"event": "a", "distinct_id": "u", "properties": _object(chance)}
    return _spoilt(event, chance)


def _event_v1(chance: random.Random) -> dict[str, Any]:
    event = {
        "event": "a",
        "uuid": f"0190a1b2-0000-7000-8000-{chance.getrandbits(48):012x}",
        "distinct_id": "u",
        "timestamp": "2026-11-21T11:00:00Z",
        "properties": _object(chance),
    }
    return _spoilt(event, chance)


def _multipart(chance: random.Random) -> bytes:
    parts = [("event", _json({"event": "$ai_span", "distinct_id": "u", "properties": {"$ai_model": "m"}}, chance))]
    parts += [
        (f"event.properties.{chance.choice(KEYS)}", chance.choice(TEXTS).encode()) for _ in range(chance.randrange(3))
    ]
    text = b""
    for name, content in parts:
        text += b'--edge\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n'
        text += b"Content-Type: " + chance.choice(TYPES) + b"\r\n\r\n" + content + b"\r\n"
    return text + b"--edge--\r\n"


def _spoilt(event: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    while chance.random() < 0.2:
        event[chance.choice(KEYS)] = _value(chance)
    if chance.random() < 0.05:
        event.pop(chance.choice(list(event)))
    return event


def _object(chance: random.Random) -> dict[str, Any]:
    return {chance.choice(KEYS): _value(chance) for _ in range(chance.randrange(4))}


def _value(chance: random.Random, levels: int = 2) -> Any:
    kind = chance.randrange(8)
    if kind == 0:
        return chance.choice((None, True, False, 0, 1, -1, 2**63, 2**70, 1.5, -1e300))
    if kind == 1 and levels:
        return [_value(chance, levels - 1) for _ in range(chance.randrange(3))]
    if kind == 2 and levels:
        return {chance.choice(KEYS): _value(chance, levels - 1) for _ in range(chance.randrange(3))}
    if kind == 3:
        return chance.randrange(-(10**6), 10**13)
    return chance.choice(TEXTS)


def _json(value: Any, chance: random.Random) -> bytes:
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode()
    if chance.random() < 0.05:
        text = text.replace(
            b'"u"', chance.choice((b"1e400", rb'"\ud800"', b"[" * 2000, b'"\xff"', b"NaN", b"-", b"{}"))
        )
    return text


def _bent(text: bytes, chance: random.Random) -> bytes:
    bent = bytearray(text)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(bent) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            bent[at : at + 1] = chance.randbytes(chance.randrange(3))
        elif kind == 1:
            del bent[at : at + chance.randrange(40)]
        elif kind == 2:
            bent[at:at] = bent[chance.randrange(len(bent) + 1) :][:30]
        else:
            del bent[at:]
    return bytes(bent)


def _bend_headers(headers: dict[bytes, bytes], chance: random.Random) -> None:
    if chance.random() < 0.1:
        headers.pop(chance.choice(list(headers)))
    if chance.random() < 0.1:
        headers[chance.choice((*headers, b"content-encoding", b"content-length"))] = chance.choice(
            (b"", b"\xff\xfe", b"0", b"-1", b"99999999999999999999", b"gzip", b"bearer x", b"Basic", *TYPES, *CODINGS)
        )
    if chance.random() < 0.2:
        value = chance.choice((b"https://a.example", b"1.2.3.4, 5.6.7.8", b"for=[::1]:80", b"\xff", b"," * 50, b"::1"))
        headers[chance.choice(HEADERS)] = value


def _repeated(headers: dict[bytes, bytes], chance: random.Random) -> list[tuple[bytes, bytes]]:
    given = list(headers.items())
    return [*given, chance.choice(given)] if given and chance.random() < 0.05 else given


def _query(chance: random.Random) -> bytes:
    if chance.random() < 0.6:
        return b""
    values = (
        b"1",
        b"0",
        b"x",
        b"",
        b"gzip",
        b"gzip-js",
        b"lz64",
        b"base64",
        b"1795262410000",
        b"%ff",
        b"9" * 30,
        b"%7B%7D",
        LZ,
    )
    names = (b"_", b"sent_at", b"beacon", b"compression", b"data", b"ip", b"ver", b"retry_count", b"%00")
    pairs = [chance.choice(names) + b"=" + chance.choice(values) for _ in range(chance.randrange(1, 4))]
    return chance.choice((b"&", b"&", b"&", b"&&", b";")).join(pairs)


def _pieces(body: bytes, chance: random.Random) -> list[bytes]:
    if len(body) < 2 or chance.random() < 0.8:
        return [body]
    cuts = sorted(chance.randrange(len(body)) for _ in range(chance.randrange(1, 5)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
