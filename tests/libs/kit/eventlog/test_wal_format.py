"""What a segment gives back after it was cut, or damaged, anywhere."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.wal_format import (
    HEADER_BYTES,
    VERSION,
    Entry,
    Frame,
    NewerFormat,
    frame_bytes,
    frames,
    is_segment,
    packed,
    segment_header,
)
from tests.support.scale import scaled

SEGMENT = 7
generated = settings(max_examples=scaled(2_000, least=30), deadline=None)
RECORDS = st.builds(
    NewRecord,
    st.none() | st.binary(max_size=20),
    st.binary(max_size=60),
    st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=3).map(tuple),
)
ENTRIES = st.lists(
    st.builds(Entry, st.text(max_size=12), st.lists(RECORDS, min_size=1, max_size=4)), min_size=1, max_size=5
)


def found_in(data: bytes, segment: int = SEGMENT) -> list[Frame]:
    return list(frames(segment, lambda length, offset: data[offset : offset + length], 0, len(data)))


def written(entries: Sequence[Entry]) -> tuple[bytes, list[int]]:
    """The frames of `entries`, and where each ends."""
    data, ends = b"", []
    for number, entry in enumerate(entries):
        data += frame_bytes(SEGMENT, packed(entry.topic, entry.records)[0], 1_000 + number)
        ends.append(len(data))
    return data, ends


@generated
@given(ENTRIES)
def test_what_was_written_is_read(entries: list[Entry]) -> None:
    data, ends = written(entries)
    found = found_in(data)
    assert [frame.entry() for frame in found] == entries
    assert [frame.end for frame in found] == ends
    assert [frame.arrived_ms for frame in found] == [1_000 + number for number in range(len(entries))]
    assert [frame.records for frame in found] == [len(entry.records) for entry in entries]


@generated
@given(ENTRIES)
def test_cut_at_every_byte_the_whole_frames_before_it_are_read(entries: list[Entry]) -> None:
    data, ends = written(entries)
    for cut in range(len(data) + 1):
        whole = sum(end <= cut for end in ends)
        assert [frame.entry() for frame in found_in(data[:cut])] == entries[:whole]


@generated
@given(ENTRIES, st.integers(1, 255))
def test_damage_at_every_byte_costs_no_frame_before_it_and_invents_none(entries: list[Entry], flip: int) -> None:
    data, ends = written(entries)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= flip
        hit = sum(end <= at for end in ends)
        found = found_in(bytes(damaged))
        assert [frame.entry() for frame in found[:hit]] == entries[:hit]
        # A damaged payload is passed over; behind a damaged header nothing can be followed.
        if len(found) > hit:
            assert found[hit].payload is None
            assert [frame.entry() for frame in found[hit + 1 :]] == entries[hit + 1 :]


@generated
@given(ENTRIES)
def test_a_damaged_payload_costs_one_frame(entries: list[Entry]) -> None:
    data, ends = written(entries)
    for hit, end in enumerate(ends):
        damaged = data[: end - 1] + bytes([data[end - 1] ^ 1]) + data[end:]
        found = found_in(damaged)
        assert len(found) == len(entries)
        assert [frame.payload is None for frame in found] == [number == hit for number in range(len(entries))]


@generated
@given(ENTRIES)
def test_frames_of_another_segment_are_not_taken(entries: list[Entry]) -> None:
    data, _ = written(entries)
    assert found_in(data, SEGMENT + 1) == []


@generated
@given(st.binary(max_size=200))
def test_bytes_of_nobody_hold_nothing(data: bytes) -> None:
    assert all(frame.payload is None for frame in found_in(data))
    assert found_in(b"\0" * 200) == []


def test_the_header_is_told_from_anything_else() -> None:
    header = segment_header(SEGMENT)
    assert len(header) == HEADER_BYTES
    assert is_segment(header, SEGMENT)
    assert not is_segment(header, SEGMENT + 1)
    for length in range(HEADER_BYTES):
        assert not is_segment(header[:length], SEGMENT)
    for at in range(HEADER_BYTES):
        damaged = bytearray(header)
        damaged[at] ^= 0x40
        assert not is_segment(bytes(damaged), SEGMENT)


def test_a_later_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.kit.eventlog.wal_format.VERSION", VERSION + 1)
    later = segment_header(SEGMENT)
    monkeypatch.undo()
    with pytest.raises(NewerFormat):
        is_segment(later, SEGMENT)
