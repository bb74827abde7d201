"""A record of clickhouse_events_json -> a row of `events`, or the reason why it is none. No I/O, no clock."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import msgspec

from libs.fastpath import event_line
from libs.kit.contracts.arrival import arrived_ms
from libs.kit.contracts.events import StoredEvent
from libs.kit.eventlog import Record
from libs.kit.schema.event_row import Unstorable, line, partition_month
from services.cdp.writer.copies import Identity, digest

_stored = msgspec.json.Decoder(StoredEvent)
_DAY_MS = 86_400_000


class Row(msgspec.Struct, frozen=True, gc=False):
    """One line to insert. month: the table's partition it goes to. key: the digest of `identity`."""

    record: Record
    identity: Identity
    key: bytes
    arrived_ms: int
    month: str
    line: bytes

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
        moment = datetime.fromtimestamp(arrived / 1000, UTC)
        text = line(event, log_id=log_id, partition=record.partition, offset=record.offset, arrived=moment)
        month = partition_month(event.timestamp, moment)
        identity = (event.team_id, str(UUID(event.uuid)), event.event, event.distinct_id)
        return Row(record, identity, digest(identity), arrived, month, text)
    except Unstorable as exc:
        return Unusable(record, exc.attr or exc.code)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, OSError):
        return Unusable(record, "failed_parse_message")


def _ordinary(record: Record, log_id: str, arrived: int) -> Row | None:
    """What the scanner accepts; it is what `row` would make of it."""
    try:
        seconds, log_column = arrived // 1000, _log_column(log_id)
        place = b'%s,"_partition":%d,"_offset":%d,"_timestamp":%d' % (
            log_column,
            record.partition,
            record.offset,
            seconds,
        )
        if (found := event_line(record.value, place)) is None:
            return None
        team_id, uuid, event, distinct_id, timestamp, text = found
        month = _month(timestamp, arrived)
    except (ValueError, OverflowError, OSError):
        return None
    identity = (team_id, uuid, event, distinct_id)
    return Row(record, identity, digest(identity), arrived, month, text)


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
