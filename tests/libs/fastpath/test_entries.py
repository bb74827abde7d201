"""Both twins of `_entries`: what they share out is what was given, and they agree on any bytes."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.fastpath import _entries_py
from libs.fastpath._murmur2_py import partition_of
from tests.support.require import require
from tests.support.scale import scaled

try:
    from libs.fastpath import _entries
except ImportError:  # built without a compiler
    _entries = None  # type: ignore[assignment]

Plain = tuple[bytes | None, bytes, tuple[tuple[str, bytes], ...]]
HEAD = b"\xcf" + (1_700_000_000_000).to_bytes(8, "big")
SIZES = st.sampled_from((0, 1, 5, 31, 32, 255, 256, 65_535, 65_536))
VALUES = st.one_of(st.binary(max_size=20), SIZES.map(bytes))
NAMES = st.one_of(st.text(max_size=8), SIZES.map(lambda size: "n" * size))
HEADERS = st.one_of(
    st.lists(st.tuples(NAMES, VALUES), max_size=3),
    st.lists(st.sampled_from((("v", b"1"), ("v", b"2"), ("token", b"phc"), ("", b""))), max_size=20),
).map(tuple)
KEYS = st.one_of(st.none(), st.binary(max_size=3), VALUES)
SMALL = st.binary(max_size=4)
SMALL_RECORDS = st.lists(
    st.tuples(st.none() | SMALL, SMALL, st.lists(st.tuples(st.text(max_size=2), SMALL), max_size=2).map(tuple)),
    max_size=4,
)
MARKS = st.lists(
    st.tuples(
        st.integers(0, 60), st.sampled_from((0, 1, 0x90, 0x92, 0x93, 0xA1, 0xC0, 0xC4, 0xC6, 0xDB, 0xDC, 0xDD, 0xFF))
    ),
    max_size=3,
)
RECORDS = st.lists(st.tuples(KEYS, VALUES, HEADERS), max_size=12)


@pytest.fixture(params=["cython", "python"])
def entries(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "python":
        return _entries_py
    require(_entries, "libs/fastpath is not compiled")
    return _entries


def twins() -> list[ModuleType]:
    return [module for module in (_entries_py, _entries) if module]


def packed(records: Sequence[Plain]) -> bytes:
    return b"".join([msgspec.msgpack.encode(record) for record in records])


def outcome(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except ValueError:
        return ValueError


def made(*fields: Any) -> tuple[Any, ...]:
    return fields


@settings(max_examples=scaled(5000, least=100), deadline=None)
@given(
    records=RECORDS,
    partitions=st.integers(1, 7),
    turn=st.integers(0, 20),
    most=st.integers(1, 5),
    size=st.integers(0, 400),
)
def test_records_are_shared_out_in_order_and_come_back(
    records: list[Plain], partitions: int, turn: int, most: int, size: int
) -> None:
    payload = packed(records)
    answers = [twin.pieces(payload, HEAD, partitions, turn, most, size) for twin in twins()]
    assert answers[0] == answers[-1]
    pieces, after = answers[0]
    assert after == turn + sum(key is None for key, _, _ in records)
    expected: dict[int, list[Plain]] = {partition: [] for partition in range(partitions)}
    for record in records:
        if record[0] is None:
            expected[turn % partitions].append(record)
            turn += 1
        else:
            expected[partition_of(record[0], partitions)].append(record)
    for partition, its in expected.items():
        offset, found = 0, []
        for _, count, piece in [one for one in pieces if one[0] == partition]:
            offset += count
            lists = [twin.records(piece, made, "t", partition, offset) for twin in twins()]
            assert lists[0] == lists[-1]
            assert msgspec.msgpack.decode(piece)[0] == 1_700_000_000_000
            assert count == len(lists[0]) <= most
            assert count == 1 or len(piece) - 15 <= size
            found += lists[0]
        assert found == [("t", partition, n, *record, 1_700_000_000_000) for n, record in enumerate(its)]


@settings(max_examples=scaled(20_000, least=80), deadline=None)
@given(records=SMALL_RECORDS, framed=st.booleans(), marks=MARKS, share=st.floats(0, 1))
def test_the_twins_agree_on_what_are_no_records(
    records: list[Plain], framed: bool, marks: list[tuple[int, int]], share: float
) -> None:
    whole = packed(records)
    if framed:
        whole = HEAD.join([b"\x92", b"\xdd" + len(records).to_bytes(4, "big") + whole])
    spoiled = bytearray(whole)
    for at, mark in marks:
        if at < len(spoiled):
            spoiled[at] = mark
    cut = bytes(spoiled[: int(share * len(spoiled))])
    for payload in (bytes(spoiled), cut):
        answers = [
            (outcome(twin.pieces, payload, HEAD, 3, 0, 4, 100), outcome(twin.records, payload, made, "t", 0, 10))
            for twin in twins()
        ]
        assert answers[0] == answers[-1]


@settings(max_examples=scaled(5000, least=200), deadline=None)
@given(payload=st.binary(max_size=60))
def test_the_twins_agree_on_any_bytes(payload: bytes) -> None:
    for data in (payload, b"\x92" + HEAD + b"\xdd\0\0\0\1" + payload):
        answers = [
            (outcome(twin.pieces, data, HEAD, 3, 0, 4, 100), outcome(twin.records, data, made, "t", 0, 10))
            for twin in twins()
        ]
        assert answers[0] == answers[-1]


def test_equal_headers_of_neighbours_come_back_as_they_were(entries: ModuleType) -> None:
    records: list[Plain] = [(b"k", b"%d" % n, (("v", b"1"), ("n", b"%d" % n))) for n in range(3)]
    ((_, _, piece),), _ = entries.pieces(packed(records), HEAD, 1, 0, 10, 10_000)
    assert [one[5] for one in entries.records(piece, made, "t", 0, 3)] == [record[2] for record in records]


def test_a_name_that_is_no_text_is_refused(entries: ModuleType) -> None:
    bad = b"\x93\xc0\xc4\0\x91\x92\xa1\xff\xc4\0"
    ((_, _, piece),), _ = entries.pieces(bad, HEAD, 1, 0, 10, 10_000)
    with pytest.raises(UnicodeDecodeError):
        entries.records(piece, made, "t", 0, 1)


def test_more_records_than_offsets_are_refused(entries: ModuleType) -> None:
    ((_, _, piece),), _ = entries.pieces(packed([(None, b"", ())] * 3), HEAD, 1, 0, 10, 10_000)
    with pytest.raises(ValueError, match="not records"):
        entries.records(piece, made, "t", 0, 2)


def test_no_partitions_are_refused(entries: ModuleType) -> None:
    with pytest.raises(ValueError, match="at least one"):
        entries.pieces(b"", HEAD, 0, 0, 1, 1)
