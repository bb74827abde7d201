"""What ClickHouse's error codes mean to us. The one table; both ways in use it.

A read that is refused is the statement's fault unless the table says otherwise. For an insert it is the other way
round: only codes known to speak of the data do so (the writer bisects on them, down to a dead letter), for a table that
is missing must never look like ten thousand bad rows.
"""

import re
from dataclasses import dataclass

from libs.kit.errors import DeadlineExceeded, Fenced, HedgerowError, OutcomeUnknown, QueryRefused, Unavailable

TIMEOUTS = frozenset({159, 160})  # TIMEOUT_EXCEEDED, TOO_SLOW

# Nothing was done, and later it may work.
BUSY_OR_DOWN = frozenset(
    {
        192,  # UNKNOWN_USER: while a cluster's access rules are being rolled out
        193,  # WRONG_PASSWORD
        194,  # REQUIRED_PASSWORD
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        225,  # NO_ZOOKEEPER
        242,  # TABLE_IS_READ_ONLY: a replica that lost its keeper
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        369,  # ALL_REPLICAS_ARE_STALE
        384,  # PART_IS_TEMPORARILY_LOCKED
        425,  # SYSTEM_ERROR
        516,  # AUTHENTICATION_FAILED
        692,  # TOO_MANY_MUTATIONS
        733,  # TABLE_IS_BEING_RESTARTED
    }
)

# A read failed half-way for a reason outside of it. An insert may have been done, in part or whole.
BROKEN_OFF = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE
        32,  # ATTEMPT_TO_READ_AFTER_EOF: the connection between two nodes ended
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        236,  # ABORTED: the server shuts down
        243,  # NOT_ENOUGH_SPACE
        319,  # UNKNOWN_STATUS_OF_INSERT
        999,  # KEEPER_EXCEPTION
    }
)

# The rows themselves are at fault, and none was stored (see statement_settings.INSERT: one block per insert).
DATA_AT_FAULT = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        7,  # INCORRECT_NUMBER_OF_COLUMNS
        25,  # CANNOT_PARSE_ESCAPE_SEQUENCE
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        33,  # CANNOT_READ_ALL_DATA
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        167,  # TOO_DEEP_AST
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        306,  # TOO_DEEP_RECURSION
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        376,  # CANNOT_PARSE_UUID
        407,  # DECIMAL_OVERFLOW
        441,  # CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING
        467,  # CANNOT_PARSE_BOOL
        469,  # VIOLATED_CONSTRAINT
        636,  # CANNOT_EXTRACT_TABLE_STRUCTURE
        675,  # CANNOT_PARSE_IPV4
        676,  # CANNOT_PARSE_IPV6
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    }
)

# Raised while a statement is analysed, before it runs: nothing was stored, and no row is to blame.
NEVER_STARTED = frozenset({16, 46, 47, 60, 62, 73, 81, 115, 164, 291, 497})

TOO_MANY_PARTS = 252
TOO_MANY_BYTES = 307
MEMORY_LIMIT = 241
CANCELLED = 394
THROWN_BY_THE_STATEMENT = 395
# what a conditional insert says when its condition does not hold
NO_SUCH_ROWS = "The rows that this insert depends on are not there"

_TEXT = re.compile(r"Code: (\d+)\. (DB::Exception: .*)", re.DOTALL)
_VERSION = re.compile(r"\s*\(version [^()]*(\([^()]*\))?\)\s*$")


@dataclass(frozen=True, slots=True)
class ServerError:
    """What the server said."""

    code: int
    message: str


def parse(text: str) -> ServerError | None:
    """The exception in a response body, in a broken-off stream or in a driver's message."""
    if not (found := _TEXT.search(text)):
        return None
    message = found[2].split("\n__exception__")[0].removeprefix("DB::Exception: ").strip()
    return ServerError(int(found[1]), _VERSION.sub("", message))


def of_read(error: ServerError) -> HedgerowError:
    """A statement that reads, or DDL."""
    if error.code in TIMEOUTS:
        return DeadlineExceeded("The query took longer than its limit.")
    if error.code in BUSY_OR_DOWN or error.code in BROKEN_OFF or _server_is_full(error):
        return Unavailable(f"ClickHouse {error.code}: {error.message[:300]}")
    return QueryRefused(error.message, clickhouse_code=error.code)


def of_insert(error: ServerError) -> HedgerowError:
    """An insert. What is neither known to be the data's fault nor known to have stored nothing is in doubt."""
    if error.code == TOO_MANY_PARTS:
        # two errors under one code: this insert touches too many partitions, or merges have fallen behind
        if "for single INSERT block" in error.message:
            return QueryRefused(error.message, clickhouse_code=error.code)
        return Unavailable(f"ClickHouse {error.code}: {error.message[:300]}")
    if error.code == TOO_MANY_BYTES and error.message.startswith("An insert is larger than"):
        # the embedded server's limit on what it holds: in halves it fits
        return QueryRefused(error.message, clickhouse_code=error.code)
    if error.code == THROWN_BY_THE_STATEMENT and error.message.startswith(NO_SUCH_ROWS):
        return Fenced(error.message[:300])
    cut_off_row = error.code in BROKEN_OFF and "RowInputFormat" in error.message
    if error.code in DATA_AT_FAULT or cut_off_row:
        return QueryRefused(error.message, clickhouse_code=error.code)
    if error.code in BUSY_OR_DOWN or error.code in NEVER_STARTED:
        return Unavailable(f"ClickHouse {error.code}: {error.message[:300]}")
    return OutcomeUnknown(f"ClickHouse {error.code}: {error.message[:300]}")


def _server_is_full(error: ServerError) -> bool:
    return error.code == MEMORY_LIMIT and "(total)" in error.message
