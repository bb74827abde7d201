"""When a captured event came into the log. Copies made later, by a crash or a slow stage, keep the first arrival, so
that the window in which copies are found does not depend on how long we were down."""

from libs.kit.eventlog import Record

_HEADER = "arrived"


def arrival_header(arrived_ms: int) -> tuple[str, bytes]:
    """The header that carries it on; epoch milliseconds."""
    return _HEADER, str(arrived_ms).encode()


def arrived_ms(record: Record) -> int:
    """Epoch milliseconds; the record's own time when the header is missing or no number."""
    for name, value in record.headers:
        if name == _HEADER and value.isdigit():
            return int(value)
    return record.timestamp_ms
