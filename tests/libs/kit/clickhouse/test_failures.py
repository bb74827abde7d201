"""What a code means differs between a read and an insert."""

import pytest

from libs.kit.clickhouse.failures import NO_SUCH_ROWS, ServerError, of_insert, of_read, parse
from libs.kit.errors import DeadlineExceeded, Fenced, HedgerowError, OutcomeUnknown, QueryRefused, Unavailable

PARTITIONS = "Too many partitions for single INSERT block (more than 100)."
PARTS = "Too many parts (3000 with average size of 1.00 KiB). Merges are processing significantly slower than inserts."


@pytest.mark.parametrize(
    ("code", "message", "read", "insert"),
    [
        (62, "Syntax error", QueryRefused, Unavailable),
        (60, "Table x does not exist", QueryRefused, Unavailable),
        (117, "Cannot parse JSON object here", QueryRefused, QueryRefused),
        (376, "Cannot parse uuid", QueryRefused, QueryRefused),
        (32, "Attempt to read after eof", Unavailable, OutcomeUnknown),
        (32, "Attempt to read after eof: While executing JSONEachRowRowInputFormat.", Unavailable, QueryRefused),
        (159, "Timeout exceeded", DeadlineExceeded, OutcomeUnknown),
        (202, "Too many simultaneous queries", Unavailable, Unavailable),
        (210, "Connection reset by peer", Unavailable, OutcomeUnknown),
        (241, "Query memory limit exceeded", QueryRefused, OutcomeUnknown),
        (241, "(total) memory limit exceeded", Unavailable, OutcomeUnknown),
        (242, "Table is in readonly mode", Unavailable, Unavailable),
        (243, "Cannot reserve 1.00 MiB, not enough space", Unavailable, OutcomeUnknown),
        (252, PARTITIONS, QueryRefused, QueryRefused),
        (252, PARTS, QueryRefused, Unavailable),
        (307, "An insert is larger than 268435456 bytes: send it in parts", QueryRefused, QueryRefused),
        (307, "Limit for rows or bytes to read exceeded", QueryRefused, OutcomeUnknown),
        (319, "Unknown status of insert", Unavailable, OutcomeUnknown),
        (394, "Query was cancelled", QueryRefused, OutcomeUnknown),
        (395, f"{NO_SUCH_ROWS}: while executing 'FUNCTION throwIf'", QueryRefused, Fenced),
        (395, "a column of the table throws", QueryRefused, OutcomeUnknown),
        (1001, "std::bad_alloc", QueryRefused, OutcomeUnknown),
    ],
)
def test_what_a_code_means(code: int, message: str, read: type[HedgerowError], insert: type[HedgerowError]) -> None:
    assert type(of_read(ServerError(code, message))) is read
    assert type(of_insert(ServerError(code, message))) is insert


def test_the_message_is_found_wherever_it_stands() -> None:
    text = "Code: 395. DB::Exception: half-way: while executing. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)"
    for around in (
        "{}",
        "{} (version 26.9.2.1)",
        "{} (version 25.8.1.1 (official build))\n",
        "1\t2\n3\t__exception__\r\n{}",
    ):
        found = parse(around.format(text))
        assert found
        assert found.code == 395
        assert found.message == "half-way: while executing. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)"
    assert parse("Code of conduct") is None
