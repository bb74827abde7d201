import json
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from libs.kit.eventlog import Record
from services.cdp.settings import WriterSettings
from services.cdp.writer.copies import Identity, SeenWindow, digest
from services.cdp.writer.decide import decide, in_doubt, inserts, linger, orphans
from services.cdp.writer.rows import Row, Unusable, row
from services.cdp.writer.store import query_id, touches
from tests.support.scale import scaled

HOUR = 3_600_000
START = 1_790_000_000_000


def stored_value(**changes: object) -> bytes:
    event = {
        "uuid": "0190a0a0-0000-7000-8000-00000000000a", "event": "e", "properties": {"a": 1},
        "timestamp": "2026-09-20 10:00:00.000", "team_id": 1, "project_id": 1, "distinct_id": "u", "elements_chain": "",
        "created_at": "2026-09-20 10:00:00.000", "captured_at": None, "person_id": str(uuid.uuid4()),
        "person_properties": {}, "person_created_at": "2026-09-20 10:00:00", "person_mode": "full", **changes,
    }  # fmt: skip
    return json.dumps(event).encode()


def record(offset: int = 0, *, arrived: int = START, value: bytes | None = None, **changes: object) -> Record:
    headers = (("arrived", str(arrived).encode()),)
    return Record(
        "clickhouse_events_json",
        0,
        offset,
        b"k",
        stored_value(**changes) if value is None else value,
        headers,
        START + 99,
    )


def made(offset: int = 0, **more: object) -> Row:
    one = row(record(offset, **more), "log")  # type: ignore[arg-type]
    assert isinstance(one, Row)
    return one


def a_row(identity: Identity, offset: int = 0, arrived: int = START, month: str = "202611") -> Row:
    return Row(record(offset), identity, digest(identity), arrived, month, "log", b"")


def test_row_carries_where_it_came_from() -> None:
    one = made(7)
    line = json.loads(one.line)
    assert (line["_log_id"], line["_partition"], line["_offset"]) == ("log", 0, 7)
    assert line["_timestamp"] == START // 1000, "when the captured event arrived, not its copy"
    assert one.month == "202609"
    assert one.identity == (1, "0190a0a0-0000-7000-8000-00000000000a", "e", "u")


def test_one_uuid_written_in_two_ways_is_one_identity() -> None:
    assert made(uuid="0190A0A0-0000-7000-8000-00000000000A").key == made().key
    assert made(distinct_id="v").key != made().key


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "failed_parse_message"),
        (b"[]", "failed_parse_message"),
        (stored_value(uuid="x"), "uuid"),
        (stored_value(timestamp="soon"), "timestamp"),
        (stored_value(timestamp="2026-02-30 00:00:00.000"), "timestamp"),
        (stored_value(team_id=2**63), "team_id"),
    ],
)
def test_what_is_no_row(value: bytes, reason: str) -> None:
    one = row(record(value=value), "log")
    assert isinstance(one, Unusable)
    assert one.reason == reason


def test_first_copy_wins() -> None:
    one, two = (1, "u", "e", "d"), (2, "u", "e", "d")
    decision = decide([a_row(one, 0), a_row(two, 1), a_row(one, 2)], set())
    assert [each.record.offset for each in decision.fresh] == [0, 1]
    assert [each.record.offset for each in decision.copies] == [2]
    assert decide([a_row(one)], {one}).fresh == []


def test_copy_of_a_refused_row_gets_its_own_turn() -> None:
    one, two = a_row((1, "u", "e", "d"), 0), a_row((1, "u", "e", "d"), 1)
    other = a_row((1, "v", "e", "d"), 2)
    assert orphans([two, other], [one]) == [two]


def test_only_what_the_filter_does_not_know_as_new_is_looked_up_and_only_once() -> None:
    seen = SeenWindow(24 * HOUR, 4096)
    old, new = a_row((1, "old", "e", "d")), a_row((1, "new", "e", "d"))
    assert in_doubt([new, new], seen) == [new], "nothing is certain before the refill"
    seen.refilled(seen.refill_from(START))
    seen.add(old.key, START)
    assert in_doubt([old, new, replace(old, arrived_ms=START + 1)], seen) == [old]


@given(
    months=st.lists(st.sampled_from([f"{year}{month:02}" for year in range(2000, 2030) for month in range(1, 13)])),
    limit=st.integers(1, 100),
)
@settings(max_examples=scaled(2000, least=50), deadline=None)
def test_inserts_hold_every_row_once_and_few_months(months: list[str], limit: int) -> None:
    rows = [a_row((1, str(n), "e", "d"), n, month=month) for n, month in enumerate(months)]
    pieces = list(inserts(rows, limit))
    assert sorted(one.record.offset for piece in pieces for one in piece) == list(range(len(rows)))
    assert all(len({one.month for one in piece}) <= limit for piece in pieces)
    assert len(pieces) <= len(set(months)) // limit + 1


class Reference:
    """What a filter may never forget: every row that arrived less than a window before the one asked about."""

    def __init__(self, window: int):
        self.window = window
        self.rows: list[tuple[bytes, int]] = []

    def may_be_new(self, key: bytes, arrived: int) -> bool:
        return not any(k == key and arrived - self.window <= at <= arrived for k, at in self.rows)


@settings(max_examples=scaled(5000, least=150), deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 30), st.integers(-40, 60), st.booleans()), max_size=120),
    refill=st.integers(0, 3),
)
def test_never_certain_of_a_row_that_is_stored_within_the_window(
    steps: list[tuple[int, int, bool]], refill: int
) -> None:
    """Time goes on in jumps, arrivals are out of order, and the filter is refilled from what is stored now and then."""
    window = 10 * HOUR
    seen, truth = SeenWindow(window, 512), Reference(window)
    now = START
    for number, jump, restart in steps:
        now += max(0, jump) * HOUR // 2
        arrived = now + min(0, jump) * HOUR // 2
        if restart and refill:
            seen = SeenWindow(window, 512)
            since = seen.refill_from(now)
            seen.add_packed(b"".join(key for key, at in truth.rows if at >= since))
            seen.refilled(since)
        key = digest((1, str(number), "e", "d"))
        if seen.certainly_new(key, arrived):
            assert truth.may_be_new(key, arrived)
        seen.add(key, arrived)
        truth.rows.append((key, arrived))


def test_filter_says_new_again_once_a_key_is_out_of_every_window() -> None:
    seen = SeenWindow(10 * HOUR, 4096)
    seen.refilled(seen.refill_from(START))
    key = digest((1, "u", "e", "d"))
    seen.add(key, START)
    for hours in range(1, 60):
        seen.add(digest((1, str(hours), "e", "d")), START + hours * HOUR)
    assert seen.certainly_new(key, START + 60 * HOUR)
    assert not seen.certainly_new(key, START), "a late record is not covered any more, so it is looked up"


def test_window_shorter_than_the_log_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than the 24 hours"):
        WriterSettings(duplicate_window_hours=23)
    assert WriterSettings(duplicate_window_hours=24).duplicate_window_hours == 24


def test_query_id_tells_its_partitions() -> None:
    name = query_id("cluster/topic id", {0, 3, 120})
    assert len(name) < 128
    assert touches(name, "cluster/topic id", {3})
    assert touches(name, "cluster/topic id", {7, 120})
    assert not touches(name, "cluster/topic id", {1, 2, 4, 60})
    assert not touches(name, "another", {3})
    assert not touches("hedgerow-other", "cluster/topic id", {3})
    assert query_id("l", {1}) != query_id("l", {1})


def test_a_small_batch_waits_as_long_as_the_last_one_took_within_limits() -> None:
    assert linger(0.0, 0.1, 0.5) == 0.1
    assert linger(0.3, 0.1, 0.5) == 0.3
    assert linger(9.0, 0.1, 0.5) == 0.5
    assert linger(9.0, 0.7, 0.5) == 0.7
