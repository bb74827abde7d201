from hypothesis import given
from hypothesis import strategies as st

from libs.kit.eventlog.base import NewRecord, record_bytes
from libs.kit.eventlog.block import RecordBlock, joined

HEADERS = st.lists(st.tuples(st.text(), st.binary()), max_size=3).map(tuple)
RECORDS = st.lists(st.builds(NewRecord, st.none() | st.binary(), st.binary(), HEADERS), max_size=5)


@given(RECORDS)
def test_a_block_is_the_sequence_it_was_made_of(records: list[NewRecord]) -> None:
    block = RecordBlock.of(records)
    assert list(block) == records
    assert (len(block), block.size) == (len(records), record_bytes(records))
    assert [block[index] for index in range(len(block))] == records
    assert block[1:] == records[1:]
    assert RecordBlock.of(block) is block


@given(st.lists(st.tuples(RECORDS, st.booleans()), min_size=1, max_size=4))
def test_what_is_joined_keeps_its_order(parts: list[tuple[list[NewRecord], bool]]) -> None:
    whole = joined([RecordBlock.of(records) if as_block else records for records, as_block in parts])
    assert list(whole) == [record for records, _ in parts for record in records]
    assert isinstance(whole, RecordBlock) == all(as_block for _, as_block in parts)
