"""lz-string: texts and what the JavaScript library (1.5.0) makes of them; then anything at all."""

import base64
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.capture.answers import Refused
from services.capture.decoding import decode_payload
from services.capture.lz_string import BrokenText, TooLong, decompress_from_base64
from services.capture.query import Query
from tests.support.scale import scaled

PAIRS = [
    ("", "Q==="),
    ("a", "IZA="),
    ("é", "JdA="),
    ("😀", "rwbgA9o="),
    ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "IY18ZVkA"),
    ("abcabcabcabcd 日本語 abcabc", "IYIwxqHpAmAEhT00DTmg8qLpSQ=="),
    (
        '{"event":"a","properties":{"x":[1,2,3],"y":null}}',
        "N4IgpgbmB2AuIC4QEMQBoQAcBOB7TY2sAlmAM6KgAeiA2gIxoBMaAzALoYCei0ArgBsBAX2FA===",
    ),
    (
        " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxy",
        "AQQgRAxAJApAZAcgBQEoBUBqANAWgHQD0ADAIwBMAzACwCsAbAOwAcAnAFwDcAPALwB8AfgACAQQBCAYQAiAUQBiAcQASASQBSAaQAyAWQByAeQAKARQBKAZQAqAVQBqAdQAaATQBaAbQA6AXQB6APoABgCGAEYAxgAmAKYAZgDmABYAlgBWANYANgC2AHYA9gAOAI4ATgDOAC4ArgBuAO4AHgCeQA==",
    ),
]
LONG = (
    "IYI17SOrZ+6IcpqXrZj2u5/vQg4o0k8syi6q2m+uxh5p1l9tzj7r3n/voIHChokeLGSJ0qbJny5ihcqWqV6tZo3a"
    "tunfr2GDxo6ZPmzli9au2b9u44fOnrl+7eeP3r75/+/QIDgoNCQ8LDIiOio2Jj4uMSE5KTUlPS0zIzsrNyc/LzCg"
    "uKi0pLyssqK6qramvq6xobmptaW9rbOju6u3p7+vsGB4aHRkfGxyYnpqdmZ+bnFheWl1ZX1tc2N7a3dnf29w4Pjo"
    "9OT87PLi+ur25v7u8eH56fXl/e3z4/vr9+f/7+gIBwKBoJB4LBkIh0KhsJh8LhiIRyKRqJR6LRmIx2KxuJx+LxhI"
    "JxKJpJJ5LJlIp1KptJp9LpjIZzKZrJZ7LZnI53K5vJ5/L5goFwqFopF4rFkol0qlspl8rlioVyqVqpV6rVmo12q1"
    "up1+r1hoNxqNppN5rNlot1qttpt9rtjodzqdrpd7rdno93q9vp9/r9gYDwaDoZD4bDkYj0ajsZj8bjiYTyaTqZT6"
    "bTmYz2azuZz+bzhYLxaLpZL5bLlYr1artZr9brjYbzabrZb7bbnY73a7vZ7/b7g4Hw6Ho5H47Hk4n06ns5n87ni4"
    "Xy6Xq5X67Xm43263u53+73h4Px6Pp5P57Pl4v16vt5v97vj4fz6fr5f77fn4/36/v5//7/QCAOAoDQJA8CwMgiDo"
    "Kg2CYPguDEIQ5CkNQlD0LQzCMOwrDcJw/C8MIgjiKI0iSPIsjKIo6iqNomj6LoxiGOYpjWJY9i2M4jjuK43ieP4v"
    "jBIE4ShNEkTxLEySJOkqTZJk+S5MUhTlKU1SVPUtTNI07StN0nT9L0wyDOMozTJM8yzMsizrKs2ybPsuzHIc5ynN"
    "clz3LczyPIJIA==="
)
HALF = "rwbQ"


@pytest.mark.parametrize(("text", "packed"), PAIRS)
def test_what_the_library_packs(text: str, packed: str) -> None:
    assert decompress_from_base64(packed.encode(), 1000) == text


def test_a_text_that_unfolds() -> None:
    assert decompress_from_base64(LONG.encode(), 100_000) == "ab" * 50_000
    with pytest.raises(TooLong):
        decompress_from_base64(LONG.encode(), 99_999)


@pytest.mark.parametrize("packed", [HALF, LONG[:-8], "not base64!", "", "////"])
def test_what_is_broken(packed: str) -> None:
    with pytest.raises(BrokenText):
        decompress_from_base64(packed.encode(), 1_000_000)


@settings(max_examples=scaled(20_000, least=200), deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", *(base64.b64decode(packed) for _, packed in PAIRS[2:6])]))
def test_any_bytes(tail: bytes, start: bytes) -> None:
    with suppress(BrokenText, TooLong):
        assert len(decompress_from_base64(base64.b64encode(start[: len(start) // 2] + tail), 500)) <= 500


@pytest.mark.parametrize("limit", [99_999, 4800])
def test_limits_are_those_of_the_payload(limit: int) -> None:
    """Of what comes out, and of what goes in: Python reads this, so a byte costs as much as many inflated ones."""
    with pytest.raises(Refused) as refused:
        unpacked(LONG.encode(), limit)
    assert (refused.value.status, refused.value.reason) == (413, "inflated_too_large")


def unpacked(raw: bytes, limit: int) -> Any:
    return decode_payload(Query(compression="lz64"), b"", b"", raw, max_inflated=limit).text()
