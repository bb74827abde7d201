"""When a captured event came to us.

Copies made later (by a crash, a slow stage, a write-ahead log that waited for days, a replay) keep the first arrival:
the window in which copies are found must not depend on how long we were down.
"""

from libs.kit.eventlog.base import Headers, Record

_HEADER = "arrived"


def arrival_header(arrived_ms: int) -> tuple[str, bytes]:
    """The header that carries it on; epoch milliseconds. It is the last one of a record."""
    return _HEADER, b"%d" % arrived_ms


def with_arrival(headers: Headers, arrived_ms: int) -> Headers:
    """Headers that carry this arrival, unless they carry one."""
    return headers if headers and headers[-1][0] == _HEADER else (*headers, arrival_header(arrived_ms))


def arrived_ms(record: Record) -> int:
    """Epoch milliseconds; the record's own time when it carries none."""
    headers = record.headers
    if headers:
        name, value = headers[-1]
        if name == _HEADER and value.isdigit():
            return int(value)
    return record.timestamp_ms
