"""The pure half of storing an event; tests/contract/test_events_storage.py holds it against the engine."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.kit.schema.event_row import MAX_DEPTH, quoted, readable, split


@given(st.binary(max_size=200))
def test_quoted_text_reads_back(raw: bytes) -> None:
    text = raw.decode("latin-1").encode()  # any characters, as UTF-8
    if any(byte < 32 and byte not in b"\n\r\t\0" for byte in text):
        return
    assert msgspec.json.decode(b'"%s"' % quoted(text), type=str).encode() == text


@pytest.mark.parametrize(
    ("raw", "copy"),
    [
        (b'{"a":1.0,"b":[1e3]}', b'{"a":1.0,"b":[1e3]}'),
        (b'{ "a" : {} }', b'{ "a" : {} }'),
        (b'{"a":1e400,"b":-1e999,"c":1e308}', b'{"a":"1e400","b":"-1e999","c":1e308}'),
        (b'{"a":"\\ud800x"}', b'{"a":"\\ufffdx"}'),
        (b'{"\\udc00":"\\ud83d\\ude00"}', b'{"\\ufffd":"\\ud83d\\ude00"}'),
        (b'{"a":"1e400","b":1e400}', b'{"a":"1e400","b":"1e400"}'),
        (b'{"a":"\xff"}', '{"a":"\ufffd"}'.encode()),
        (b"[1]", b"{}"),
        (b"", b"{}"),
        (b'{"a"', b"{}"),
    ],
)
def test_only_what_is_wrong_is_repaired(raw: bytes, copy: bytes) -> None:
    assert readable(raw)[0] == copy


def test_what_is_too_deep_becomes_its_text() -> None:
    deep = b'{"a":' + b"[" * 3000 + b'"\\n"' + b"]" * 3000 + b',"b":{"c":1}}'
    copy, objects = readable(deep)
    assert objects == ["b"]
    value = msgspec.json.decode(copy)["a"]
    for _ in range(MAX_DEPTH - 1):
        value = value[0]
    assert value == "[" * (3001 - MAX_DEPTH) + '"\\n"' + "]" * (3001 - MAX_DEPTH)


@given(st.lists(st.integers(0, 30)), st.integers(1, 5))
def test_a_split_loses_nothing_and_keeps_the_order(partitions: list[int], limit: int) -> None:
    rows = [(str(partition), b"%d" % place) for place, partition in enumerate(partitions)]
    inserts = list(split(rows, limit))
    assert sorted(row for insert in inserts for row in insert) == sorted(row for _, row in rows)
    partition_of = {row: partition for partition, row in rows}
    for insert in inserts:
        assert len({partition_of[row] for row in insert}) <= limit
        assert insert == sorted(insert, key=int)
    assert all(inserts)
