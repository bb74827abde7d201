"""A record of clickhouse_events_json -> a row of `events`, or the reason why it is none. No I/O, no clock."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from libs.kit.contracts.events import StoredEvent
from libs.kit.eventlog import Record
from libs.kit.schema.event_row import Unstorable, line, partition_month
from services.cdp.arrival import arrived_ms
from services.cdp.writer.copies import Identity, digest

_stored = msgspec.json.Decoder(StoredEvent)


@dataclass(frozen=True, slots=True)
class Row:
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
