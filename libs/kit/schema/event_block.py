"""Stored events as one block of ClickHouse's Native format, for `events`: docs/adr/0022-events-travel-as-columns.md.

The engine takes a row's JSON columns ten times cheaper as columns than as text. What has no plain column form is left
out of the block and travels as a line (`event_row.line`); both give the same row.
"""

from collections.abc import Sequence

from libs.fastpath import event_block
from libs.kit.schema.clickhouse.migrations import m0001_events, m0008_paths
from libs.kit.schema.clickhouse.operations import CreateTable

_SENT_AS = {
    # sent plain: the engine makes dictionaries of its own
    "properties_objects": "Array(String)",
    "_log_id": "String",
    **{one.column: one.kind for one in m0008_paths.JSON_COLUMNS},
}


def _header() -> tuple[tuple[bytes, bytes], ...]:
    """Names and types of what a block holds. A type that is not quite the table's is converted, which for JSON goes
    through text and takes all the time that was saved."""
    table = next(one for one in m0001_events.operations if isinstance(one, CreateTable))
    columns = [column.split(" ", 1) for column in table.columns if " DEFAULT " not in column]
    return tuple((name.encode(), _SENT_AS.get(name, kind.split(" CODEC(")[0]).encode()) for name, kind in columns)


_HEADER = _header()
_TYPED = tuple(sorted(path.encode() for path in m0001_events.HOT_PATHS))

# name to type, as sent
COLUMNS = {name.decode(): kind.decode() for name, kind in _HEADER}


def block(records: Sequence[tuple[bytes, int, int, int]], log_id: str) -> tuple[bytes, list[int]]:
    """The block, and the indexes of the records that are not in it. It is empty when none is.

    records: a StoredEvent's JSON, partition, offset, arrival in seconds since 1970."""
    return event_block(list(records), log_id.encode(), _HEADER, _TYPED)
