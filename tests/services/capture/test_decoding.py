"""Decoding in pieces gives what decoding at once would."""

import gzip
import zlib
from urllib.parse import quote_plus, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture import decoding
from services.capture.answers import Refused
from services.capture.query import NOTHING, parse_query
from tests.support.scale import scaled

FORM = b"application/x-www-form-urlencoded"


def decode(body: bytes, query: bytes = b"", content_type: bytes = b"", encoding: bytes = b"") -> bytes:
    payload = decoding.decode_payload(parse_query(query), content_type, encoding, body, max_inflated=10_000)
    return bytes(payload.text())


@settings(max_examples=scaled(10_000, least=200))
@given(st.lists(st.sampled_from([b"%41", b"%", b"%4", b"+", b"a", b"%C3%A9", b"%zz"]), max_size=30))
def test_unquoting_in_pieces(parts: list[bytes]) -> None:
    text = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_PIECE", 5)
        assert decoding._unquote(text) == unquote_to_bytes(text.replace(b"+", b" "))


@settings(max_examples=scaled(10_000, least=200))
@given(st.binary(max_size=30) | st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_utf8_in_pieces(text: bytes) -> None:
    try:
        text.decode()
        valid = True
    except UnicodeDecodeError:
        valid = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_PIECE", 3)
        assert decoding.is_utf8(text) is valid


def test_a_large_escaped_form() -> None:
    text = '{"é":"%s"}' % ("ü+ &=" * 1000)
    assert decode(b"data=" + quote_plus(text).encode(), content_type=FORM) == text.encode()


@pytest.mark.parametrize("size", [0, 1, 5000, 10_000])
def test_inflating_up_to_the_limit(size: int) -> None:
    assert decoding.inflate(gzip.compress(b"x" * size), 10_000) == b"x" * size


FIRST = b"the first member" * 9
MEMBERS = {
    "alone": (gzip.compress(FIRST), True),
    "followed by nothing we know": (gzip.compress(FIRST) + b"xyz", True),
    "followed by a longer one": (gzip.compress(FIRST) + gzip.compress(FIRST * 3), True),
    "followed by a shorter one": (gzip.compress(FIRST) + gzip.compress(b"x"), True),
    "followed by a size of four gigabytes": (gzip.compress(FIRST) + b"\xff\xff\xff\xff", True),
    "followed by a size of nothing": (gzip.compress(FIRST) + bytes(4), True),
    "of a wrong size": (gzip.compress(FIRST)[:-4] + b"\x91\0\0\0", False),
    "with a wrong checksum": (gzip.compress(FIRST)[:-8] + bytes(4) + gzip.compress(FIRST)[-4:], False),
    "cut": (gzip.compress(FIRST)[:-9], False),
    "a header alone": (gzip.compress(FIRST)[:10], False),
    "a magic alone": (b"\x1f\x8b", False),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_the_first_member_counts_whatever_its_end_claims(name: str) -> None:
    raw, is_good = MEMBERS[name]
    if is_good:
        assert decoding.inflate(raw, 10_000) == FIRST
    else:
        with pytest.raises(Refused, match="invalid GZIP data"):
            decoding.inflate(raw, 10_000)


@pytest.mark.parametrize("size", [10_001, 3_000_000])
def test_inflating_past_the_limit(size: int) -> None:
    with pytest.raises(Refused, match="inflated payload is larger than 10000 bytes"):
        decoding.inflate(gzip.compress(b"x" * size), 10_000)


def test_only_the_first_member_counts() -> None:
    assert decode(gzip.compress(b"one") + gzip.compress(b"two")) == b"one"
    assert decode(gzip.compress(b"one") + b"tail") == b"one"


@pytest.mark.parametrize(
    "body", [b"\x1f\x8b", b"\x1f\x8b\x08", zlib.compress(b"{}"), gzip.compress(b"{}")[:-1], gzip.compress(b"{}")[:-5]]
)
def test_what_is_no_gzip(body: bytes) -> None:
    with pytest.raises(Refused, match="failed to decode request: invalid GZIP data"):
        decode(body, encoding=b"gzip")


def test_hints() -> None:
    assert decode(gzip.compress(b"{}"), b"compression=GZIP-JS") == b"{}"
    assert decode(b"{}", b"compression=lz4") == b"{}"
    assert decode(b"{}", encoding=b"GZIP") == b"{}"  # exactly in lower case, as there
    form = b"compression=gzip&data=" + quote_plus(b"{}").encode()
    with pytest.raises(Refused, match="invalid GZIP data"):
        decode(form, content_type=FORM)
    assert decode(form, content_type=FORM + b"; charset=utf-8") == form


def test_the_address_wins_over_the_body() -> None:
    assert decode(b"[]", b"data=%7B%7D") == b"{}"
    assert decode(b"[]", b"data=") == b"[]"
    assert parse_query(b"") is NOTHING


@pytest.mark.parametrize("again", range(2))  # the second time each is known by its form
@pytest.mark.parametrize(
    ("query", "compression", "sent_at_ms"),
    [
        (b"_=17", None, 17),
        (b"ip=1&_=1795262000123&ver=1.205.0", None, 1795262000123),
        (b"ip=1&_=0&ver=1.205.0", None, 0),
        (b"compression=gzip-js&ip=0&_=999999999999999&ver=1.205.0", "gzip", 999999999999999),
        (b"ip=1&ver=1.205.0", None, None),
        (b"ip=1&_=9999999999999999&ver=1.205.0", None, 9999999999999999),
        (b"ip=1&a_=12&ver=1.205.0", None, None),
        (b"ip=1&_=12&ver=1.205.0&compression=lz64", "lz64", 12),
    ],
)
def test_query_strings_that_differ_in_their_clock(
    query: bytes, compression: str | None, sent_at_ms: int | None, again: int
) -> None:
    found = parse_query(query)
    assert (found.data, found.compression, found.sent_at_ms, found.beacon) == (b"", compression, sent_at_ms, False)
