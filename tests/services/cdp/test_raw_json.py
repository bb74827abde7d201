import json

import msgspec
import pytest

from services.cdp.raw_json import for_postgres, object_of, repaired

Raw = msgspec.Raw


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (rb'"a\u0000b"', rb'"a\ufffdb"'),
        (rb'"\ud800x"', rb'"\ufffdx"'),
        (rb'"\udc00\ud800"', rb'"\ufffd\ufffd"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"a\\u0000b"', rb'"a\\u0000b"'),  # a backslash, then text: no escape
        (rb'"abe12345"', rb'"abe12345"'),
        (b"1.50", b"1.50"),
        (b"1e400", b"1e400"),
    ],
)
def test_what_postgres_takes(sent: bytes, kept: bytes) -> None:
    value = for_postgres(Raw(sent))
    assert value is not None
    assert bytes(value) == kept


@pytest.mark.parametrize("sent", [b"1e99999", b"[1E-70000]", b"9" * 200_000, b"[" * 600 + b"]" * 600])
def test_what_postgres_would_refuse(sent: bytes) -> None:
    assert for_postgres(Raw(sent)) is None


def test_brackets_inside_strings_are_no_nesting() -> None:
    assert for_postgres(Raw(json.dumps("[" * 2000).encode())) is not None


def test_repair_keeps_everything_but_what_no_reader_takes() -> None:
    assert repaired(rb'{"a":"\ud800","b":"\u0000","c":"' + b"\xff" + b'"}') == (
        rb'{"a":"\ufffd","b":"\u0000","c":"' + "\ufffd".encode() + b'"}'
    )


def test_only_objects_are_objects() -> None:
    assert object_of(None) is None
    assert object_of(Raw(b"[1]")) is None
    assert object_of(Raw(b" {}")) == {}
