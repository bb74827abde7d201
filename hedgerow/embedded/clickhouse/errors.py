"""ClickHouse's errors: the code and text the engine raises, as both protocols give them to a client."""

import re

UNKNOWN_PACKET = 99
UNEXPECTED_PACKET = 101
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
UNKNOWN_QUERY_PARAMETER = 456
BAD_REQUEST = 36
LOGICAL_ERROR = 49
TOO_LARGE = 307
NOT_ENOUGH_SPACE = 243
CANNOT_WRITE = 75
INTO_OUTFILE_NOT_ALLOWED = 169
ACCESS_DENIED = 497
AUTHENTICATION_FAILED = 516
TOO_MANY_SIMULTANEOUS_QUERIES = 202
QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING = 216
QUERY_WAS_CANCELLED = 394
STD_EXCEPTION = 1001

NAMES = {
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    BAD_REQUEST: "BAD_ARGUMENTS",
    LOGICAL_ERROR: "LOGICAL_ERROR",
    UNKNOWN_PACKET: "UNKNOWN_PACKET_FROM_CLIENT",
    UNEXPECTED_PACKET: "UNEXPECTED_PACKET_FROM_CLIENT",
    TOO_LARGE: "TOO_MANY_BYTES",
    CANNOT_WRITE: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
    NOT_ENOUGH_SPACE: "NOT_ENOUGH_SPACE",
    INTO_OUTFILE_NOT_ALLOWED: "INTO_OUTFILE_NOT_ALLOWED",
    ACCESS_DENIED: "ACCESS_DENIED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    TOO_MANY_SIMULTANEOUS_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING: "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING",
    QUERY_WAS_CANCELLED: "QUERY_WAS_CANCELLED",
    STD_EXCEPTION: "STD_EXCEPTION",
}

_CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")
_VERSION = re.compile(r"\s*\(version [0-9.]+(?: \([^)]*\))?\)\s*$")


class ServerException(Exception):
    """What a client is told. `code` is ClickHouse's number; `str()` is the text without code or version."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code
        self.message = message

    def text(self, version: str) -> str:
        """The line ClickHouse sends over HTTP."""
        return f"Code: {self.code}. DB::Exception: {self.message} (version {version})"


def refusal(code: int, message: str) -> ServerException:
    """An error of this server's own, in the engine's shape: text, then the code's name."""
    return ServerException(code, f"{message}. ({NAMES[code]})")


def from_engine(error: BaseException) -> ServerException:
    """The engine's error with its own code. Streams wrap the text twice: the innermost is the real one."""
    text = str(error)
    found = list(_CODE.finditer(text))
    if not found:
        return ServerException(STD_EXCEPTION, f"{type(error).__name__}: {text}. (STD_EXCEPTION)")
    last = found[-1]
    message = text[last.end() :]
    if len(found) > 1:  # "Code: 5. DB::Exception: Code: 5. DB::Exception: text (NAME) (version v). (NAME)"
        message = re.sub(r"\.? \([A-Z_0-9]+\)\s*$", "", message)
    return ServerException(int(last.group(1)), _VERSION.sub("", message).strip())


def http_status(code: int) -> int:
    """The status ClickHouse gives an error over HTTP."""
    return HTTP_STATUSES.get(code, 500)


# As ClickHouse's exceptionCodeToHTTPStatus has them; 307 is this server's own limit on what it holds in memory.
_BAD = (6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676)
_MISSING = (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511)
_FORBIDDEN = (192, 193, ACCESS_DENIED, 512, AUTHENTICATION_FAILED)
HTTP_STATUSES = {
    **dict.fromkeys(_BAD, 400),
    **dict.fromkeys(_MISSING, 404),
    **dict.fromkeys(_FORBIDDEN, 403),
    194: 401,
    NOT_IMPLEMENTED: 501,
    76: 503,
    209: 503,
    439: 503,
    229: 413,
    TOO_LARGE: 413,
    381: 411,
    159: 408,
    779: 415,
}
