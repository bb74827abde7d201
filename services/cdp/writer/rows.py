"""A record of clickhouse_events_json -> a row of `events`, or the reason why it is none. No I/O, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec

from libs.fastpath import event_head, event_line
from libs.kit.contracts.arrival import arrived_ms
from libs.kit.contracts.events import StoredEvent
from libs.kit.eventlog import Record
from libs.kit.schema.event_block import block
from libs.kit.schema.event_row import Unstorable, line, partition_month
from services.cdp.writer.copies import Identity, digest

_stored = msgspec.json.Decoder(StoredEvent)
_DAY_MS = 86_400_000


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row to insert. month: the table's partition it goes to. key: the digest of `identity`.

    made: the row as a line, where only the slow way could make it; the others may travel in a block.
    """

    record: Record
    identity: Identity
    key: bytes
    arrived_ms: int
    month: str
    log_id: str
    made: bytes | None

    @property
    def line(self) -> bytes:
        """The row as a line of JSONEachRow."""
        return self.made if self.made is not None else _line(self.record, self.log_id, self.arrived_ms)

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset in the log."""
        return self.record.partition, self.record.offset


@dataclass(frozen=True, slots=True)
class Unusable:
    """A record for the dead letters."""

    record: Record
    reason: str


def row(record: Record, log_id: str) -> Row | Unusable:
    """Every record gives one of the two; nothing is raised."""
    arrived = arrived_ms(record)
    if (made := _ordinary(record, log_id, arrived)) is not None:
        return made
    try:
        event = _stored.decode(record.value)
        text = _slow_line(event, record, log_id, arrived)
        month = partition_month(event.timestamp, datetime.fromtimestamp(arrived / 1000, UTC))
        identity = (event.team_id, str(UUID(event.uuid)), event.event, event.distinct_id)
        return Row(record, identity, digest(identity), arrived, month, log_id, text)
    except Unstorable as exc:
        return Unusable(record, exc.attr or exc.code)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, OSError):
        return Unusable(record, "failed_parse_message")


class Packed(NamedTuple):
    """Rows on their way: a block of Native, empty when no row is in it; the rows in it; those to be sent as lines."""

    block: bytes
    inside: Sequence[Row]
    lines: Sequence[Row]


def packed(rows: Sequence[Row]) -> Packed:
    """As many rows as can be in a block."""
    able = [one for one in rows if one.made is None]
    if not able:
        return Packed(b"", [], rows)
    places = [(one.record.value, one.record.partition, one.record.offset, one.arrived_ms // 1000) for one in able]
    data, declined = block(places, able[0].log_id)
    left = set(declined)
    out = [one for at, one in enumerate(able) if at in left]
    inside = [one for at, one in enumerate(able) if at not in left] if left else able
    return Packed(data, inside, out + [one for one in rows if one.made is not None])


def _ordinary(record: Record, log_id: str, arrived: int) -> Row | None:
    """What the scanner accepts; it is what `row` would make of it."""
    if (found := event_head(record.value)) is None:
        return None
    team_id, uuid, event, distinct_id, timestamp = found
    try:
        month = _month(timestamp, arrived)
    except (ValueError, OverflowError, OSError):
        return None
    identity = (team_id, uuid, event, distinct_id)
    return Row(record, identity, digest(identity), arrived, month, log_id, None)


def _line(record: Record, log_id: str, arrived: int) -> bytes:
    place = b'%s,"_partition":%d,"_offset":%d,"_timestamp":%d' % (
        _log_column(log_id),
        record.partition,
        record.offset,
        arrived // 1000,
    )
    if (made := event_line(record.value, place)) is not None:
        return made
    return _slow_line(_stored.decode(record.value), record, log_id, arrived)


def _slow_line(event: StoredEvent, record: Record, log_id: str, arrived: int) -> bytes:
    moment = datetime.fromtimestamp(arrived / 1000, UTC)
    return line(event, log_id=log_id, partition=record.partition, offset=record.offset, arrived=moment)


@lru_cache(16)
def _log_column(log_id: str) -> bytes:
    return b',"_log_id":' + msgspec.json.encode(log_id)


def _month(timestamp: str, arrived_ms: int) -> str:
    """`partition_month`, which most often needs no look at the clock."""
    if "2000" <= timestamp < _day(arrived_ms // _DAY_MS):
        return timestamp[:4] + timestamp[5:7]
    return partition_month(timestamp, datetime.fromtimestamp(arrived_ms / 1000, UTC))


@lru_cache(16)
def _day(number: int) -> str:
    """YYYY-MM-DD of the day after."""
    return datetime.fromtimestamp((number + 1) * _DAY_MS / 1000, UTC).strftime("%Y-%m-%d")
