"""ClickHouse's native protocol, as far as a client with revision 54440 speaks it: bytes in, packets out.

Reading is a generator that yields whenever it needs more bytes, so nothing here knows of sockets. The length of an
uncompressed block is only known by walking through its columns, so `skip_column` knows how each type is laid out.
"""

import struct
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from hedgerow.embedded.clickhouse.errors import NOT_IMPLEMENTED, UNKNOWN_PACKET, ServerException, refusal

# Clients lower their own revision to the server's. Up to here settings are strings and blocks need no later additions.
REVISION = 54440
_WITH_VERSION_PATCH = 54401
_WITH_SERVER_DISPLAY_NAME = 54372
_WITH_SERVER_TIMEZONE = 54058
_WITH_QUOTA_KEY = 54060
_WITH_WRITE_INFO = 54420
_WITH_CLIENT_INFO = 54032
_WITH_SETTINGS_AS_STRINGS = 54429
_MAX_STRING = 64 * 1024 * 1024

T = TypeVar("T")

BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
EMPTY_BLOCK = BLOCK_INFO + b"\x00\x00"


class Buffer:
    """Bytes that have come and have not been read."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.position = 0

    def feed(self, data: bytes) -> None:
        """More bytes from the client."""
        self.data += data

    def compact(self) -> None:
        """Forget what was read."""
        del self.data[: self.position]
        self.position = 0


@dataclass(frozen=True, slots=True)
class Hello:
    """A client introduces itself."""

    client: str
    revision: int
    database: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Query:
    """A statement; `important` names the settings a server may not ignore."""

    query_id: str
    settings: Mapping[str, str]
    important: frozenset[str]
    compression: bool
    sql: str


@dataclass(frozen=True, slots=True)
class Data:
    """A block, as FORMAT Native would have it. `rows` and `columns` are 0 at the end of data."""

    table: str
    columns: int
    rows: int
    block: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Is anyone there?"""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the running statement; no exception is expected for it."""


Packet = Hello | Query | Data | Ping | Cancel


def need(buffer: Buffer, count: int) -> Generator[None, None, None]:
    """Go on when `count` bytes are there."""
    while len(buffer.data) - buffer.position < count:
        yield


def read_varint(buffer: Buffer) -> Generator[None, None, int]:
    """An unsigned LEB128 number."""
    value = shift = 0
    while True:
        if buffer.position >= len(buffer.data):
            yield from need(buffer, 1)
        byte = buffer.data[buffer.position]
        buffer.position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
        if shift > 63:
            raise refusal(UNKNOWN_PACKET, "A number is too long")


def read_bytes(buffer: Buffer, count: int) -> Generator[None, None, bytes]:
    """Exactly `count` bytes."""
    yield from need(buffer, count)
    start = buffer.position
    buffer.position += count
    return bytes(buffer.data[start : buffer.position])


def read_string(buffer: Buffer) -> Generator[None, None, str]:
    """A string with its length in front. Broken UTF-8 is kept as surrogates."""
    length = yield from read_varint(buffer)
    if length > _MAX_STRING:
        raise refusal(UNKNOWN_PACKET, f"A string of {length} bytes is too long")
    return (yield from read_bytes(buffer, length)).decode("utf-8", "surrogateescape")


def read_packet(buffer: Buffer, revision: int) -> Generator[None, None, Packet]:
    """The next packet of a client that has agreed on `revision`."""
    kind = yield from read_varint(buffer)
    if kind == 0:
        return (yield from _read_hello(buffer))
    if kind == 1:
        return (yield from _read_query(buffer, revision))
    if kind == 2:
        return (yield from _read_data(buffer))
    if kind == 3:
        return Cancel()
    if kind == 4:
        return Ping()
    raise refusal(UNKNOWN_PACKET, f"Unknown packet {kind} from client")


def _read_hello(buffer: Buffer) -> Generator[None, None, Hello]:
    client = yield from read_string(buffer)
    yield from read_varint(buffer)
    yield from read_varint(buffer)
    revision = yield from read_varint(buffer)
    database = yield from read_string(buffer)
    user = yield from read_string(buffer)
    password = yield from read_string(buffer)
    return Hello(client, revision, database, user, password)


def _skip_client_info(buffer: Buffer, revision: int) -> Generator[None, None, None]:
    if (yield from read_bytes(buffer, 1)) == b"\x00":
        return
    for _ in range(3):  # initial user, query id, address
        yield from read_string(buffer)
    interface = yield from read_bytes(buffer, 1)
    if interface != b"\x01":
        raise refusal(UNKNOWN_PACKET, "Only TCP clients are served here")
    for _ in range(3):  # operating system user, host name, client name
        yield from read_string(buffer)
    for _ in range(3):  # version
        yield from read_varint(buffer)
    if revision >= _WITH_QUOTA_KEY:
        yield from read_string(buffer)
    if revision >= _WITH_VERSION_PATCH:
        yield from read_varint(buffer)


def _read_query(buffer: Buffer, revision: int) -> Generator[None, None, Query]:
    query_id = yield from read_string(buffer)
    if revision >= _WITH_CLIENT_INFO:
        yield from _skip_client_info(buffer, revision)
    settings: dict[str, str] = {}
    important = set()
    while name := (yield from read_string(buffer)):
        if (yield from read_bytes(buffer, 1)) != b"\x00":
            important.add(name)
        settings[name] = yield from read_string(buffer)
    yield from read_varint(buffer)  # the stage: everything is run to the end
    compression = yield from read_varint(buffer)
    sql = yield from read_string(buffer)
    return Query(query_id, settings, frozenset(important), bool(compression), sql)


def _read_data(buffer: Buffer) -> Generator[None, None, Data]:
    table = yield from read_string(buffer)
    while field_number := (yield from read_varint(buffer)):
        yield from read_bytes(buffer, {1: 1, 2: 4}.get(field_number, 0))
    start = buffer.position
    columns, rows = yield from skip_block(buffer)
    return Data(table, columns, rows, bytes(buffer.data[start : buffer.position]))


def skip_block(buffer: Buffer) -> Generator[None, None, tuple[int, int]]:
    """Walk over a block as FORMAT Native has it; gives its columns and rows."""
    columns = yield from read_varint(buffer)
    rows = yield from read_varint(buffer)
    for _ in range(columns):
        yield from read_string(buffer)
        type_name = yield from read_string(buffer)
        if rows:
            parsed = parse_type(type_name)
            yield from skip_prefix(buffer, parsed)
            yield from skip_column(buffer, parsed, rows)
    return columns, rows


@dataclass(frozen=True, slots=True)
class Type:
    """`Map(String, Array(Int8))` as a name and its arguments; names of tuple elements are left out."""

    name: str
    arguments: tuple[str, ...] = field(default=())

    def inner(self, index: int = 0) -> "Type":
        """The type that is this one's argument."""
        return parse_type(self.arguments[index])


_WIDTHS = {
    **dict.fromkeys(("UInt8", "Int8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("UInt16", "Int16", "Date", "Enum16", "BFloat16"), 2),
    **dict.fromkeys(("UInt32", "Int32", "Float32", "Date32", "DateTime", "IPv4", "Decimal32", "Time"), 4),
    **dict.fromkeys(("UInt64", "Int64", "Float64", "DateTime64", "Decimal64", "Time64"), 8),
    **dict.fromkeys(("UInt128", "Int128", "UUID", "IPv6", "Decimal128"), 16),
    **dict.fromkeys(("UInt256", "Int256", "Decimal256"), 32),
}
_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Tuple(Float64, Float64))",
    "LineString": "Array(Tuple(Float64, Float64))",
    "Polygon": "Array(Array(Tuple(Float64, Float64)))",
}


def parse_type(text: str) -> Type:
    """A type's name and arguments."""
    text = _ALIASES.get(text, text)
    name, bracket, rest = text.partition("(")
    if not bracket:
        return Type(name)
    return Type(name.strip(), tuple(_split_arguments(rest[:-1])))


def _split_arguments(text: str) -> list[str]:
    parts, depth, start, quote = [], 0, 0, ""
    index = 0
    while index < len(text):
        sign = text[index]
        if quote:
            if sign == "\\":
                index += 1
            elif sign == quote:
                quote = ""
        elif sign in "'`\"":
            quote = sign
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
        index += 1
    parts.append(text[start:].strip())
    return parts


def _tuple_element(text: str) -> Type:
    """The type of a tuple's element, which may have a name in front: `a Int8`, `` `b c` Array(String)``."""
    if text[0] in '`"':
        return parse_type(text[text.index(text[0], 1) + 1 :].strip())
    name, blank, rest = text.partition(" ")
    return parse_type(rest.strip() if blank and "(" not in name else text)


def _elements(kind: Type) -> list[Type]:
    if kind.name == "Map":
        return [Type("Tuple", kind.arguments)]
    if kind.name == "Nested":
        return [Type("Tuple", kind.arguments)]
    return [_tuple_element(argument) for argument in kind.arguments]


def skip_prefix(buffer: Buffer, kind: Type) -> Generator[None, None, None]:
    """Walk over what stands before a column's data: the version of each LowCardinality inside."""
    if kind.name == "LowCardinality":
        yield from read_bytes(buffer, 8)
    elif kind.name in ("Array", "Nullable"):
        yield from skip_prefix(buffer, kind.inner())
    elif kind.name in ("Tuple", "Map", "Nested"):
        for element in _elements(kind):
            yield from skip_prefix(buffer, element)


def skip_column(buffer: Buffer, kind: Type, rows: int) -> Generator[None, None, None]:
    """Walk over `rows` values."""
    width = _width(kind)
    if width:
        yield from need(buffer, width * rows)
        buffer.position += width * rows
    elif kind.name == "String":
        yield from _skip_strings(buffer, rows)
    elif kind.name == "Nullable":
        yield from read_bytes(buffer, rows)
        yield from skip_column(buffer, kind.inner(), rows)
    elif kind.name in ("Array", "Map", "Nested"):
        total = 0
        if rows:
            yield from need(buffer, 8 * rows)
            buffer.position += 8 * rows
            (total,) = struct.unpack_from("<Q", buffer.data, buffer.position - 8)
        yield from skip_column(buffer, kind.inner() if kind.name == "Array" else _elements(kind)[0], total)
    elif kind.name == "Tuple":
        for element in _elements(kind):
            yield from skip_column(buffer, element, rows)
    elif kind.name == "LowCardinality":
        yield from _skip_low_cardinality(buffer, kind, rows)
    elif kind.name == "SimpleAggregateFunction":
        yield from skip_column(buffer, kind.inner(1), rows)
    else:
        raise refusal(NOT_IMPLEMENTED, f"A native block with {kind.name} is not supported: insert it over HTTP")


def _width(kind: Type) -> int:
    if kind.name == "FixedString":
        return int(kind.arguments[0])
    if kind.name == "Decimal":
        precision = int(kind.arguments[0])
        return 4 if precision <= 9 else 8 if precision <= 18 else 16 if precision <= 38 else 32
    if kind.name.startswith("Interval"):
        return 8
    return _WIDTHS.get(kind.name, 0)


def _skip_strings(buffer: Buffer, rows: int) -> Generator[None, None, None]:
    data, position = buffer.data, buffer.position
    for _ in range(rows):
        if position < len(data) and data[position] < 0x80:  # the usual short string
            position += data[position] + 1
        else:
            buffer.position = position
            length = yield from read_varint(buffer)
            position = buffer.position + length
        if position > len(data):
            yield from need(buffer, position - buffer.position)
    buffer.position = position


def _skip_low_cardinality(buffer: Buffer, kind: Type, rows: int) -> Generator[None, None, None]:
    if not rows:
        return
    (flags,) = struct.unpack("<Q", (yield from read_bytes(buffer, 8)))
    inner = kind.inner()
    nested = inner.inner() if inner.name == "Nullable" else inner
    if flags & 0x300:  # a dictionary of its own, or added keys
        (keys,) = struct.unpack("<Q", (yield from read_bytes(buffer, 8)))
        yield from skip_column(buffer, nested, keys)
    (count,) = struct.unpack("<Q", (yield from read_bytes(buffer, 8)))
    yield from read_bytes(buffer, count * (1 << (flags & 0xF)))


def varint(value: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def string(text: str) -> bytes:
    """A string with its length in front."""
    data = text.encode("utf-8", "surrogateescape")
    return varint(len(data)) + data


def hello(version: tuple[int, int, int], revision: int, display_name: str) -> bytes:
    """The server introduces itself."""
    out = b"\x00" + string("ClickHouse") + varint(version[0]) + varint(version[1]) + varint(REVISION)
    if revision >= _WITH_SERVER_TIMEZONE:
        out += string("UTC")
    if revision >= _WITH_SERVER_DISPLAY_NAME:
        out += string(display_name)
    if revision >= _WITH_VERSION_PATCH:
        out += varint(version[2])
    return out


PONG = b"\x04"
END_OF_STREAM = b"\x05"


def data(block: bytes) -> bytes:
    """A block in FORMAT Native, as a packet."""
    return b"\x01\x00" + BLOCK_INFO + block


def header_block(columns: list[tuple[str, str]]) -> bytes:
    """A block of no rows that only says what the columns are."""
    return varint(len(columns)) + b"\x00" + b"".join(string(name) + string(kind) for name, kind in columns)


def exception(error: ServerException) -> bytes:
    """An exception, without a stack trace."""
    return (
        b"\x02"
        + struct.pack("<i", error.code)
        + string("DB::Exception")
        + string(f"DB::Exception: {error.message}")
        + string("")
        + b"\x00"
    )


def progress(
    read_rows: int, read_bytes: int, total_rows: int = 0, written_rows: int = 0, written_bytes: int = 0
) -> bytes:
    """What was done since the last progress packet."""
    return b"\x03" + b"".join(map(varint, (read_rows, read_bytes, total_rows, written_rows, written_bytes)))


def profile_info(rows: int, blocks: int, size: int) -> bytes:
    """Totals of the result itself."""
    return b"\x06" + varint(rows) + varint(blocks) + varint(size) + b"\x00" + varint(0) + b"\x00"


def columns_of(block: bytes) -> list[tuple[str, str]] | None:
    """Names and types of a block's columns; None when a type inside cannot be walked over."""
    buffer = Buffer()
    buffer.feed(block)
    found: list[tuple[str, str]] = []
    try:
        count, rows = _finish(read_varint(buffer)), _finish(read_varint(buffer))
        for _ in range(count):
            found.append((_finish(read_string(buffer)), _finish(read_string(buffer))))
            kind = parse_type(found[-1][1])
            _finish(skip_prefix(buffer, kind))
            _finish(skip_column(buffer, kind, rows))
    except ServerException:
        return None
    return found


def split_blocks(data: bytes, rows: int) -> list[bytes]:
    """The blocks in a piece of FORMAT Native. One chunk of a stream is one block, whose row count says so."""
    buffer = Buffer()
    buffer.feed(data)
    blocks = []
    try:
        _finish(read_varint(buffer))
        if _finish(read_varint(buffer)) == rows:
            return [data]
        buffer.position = 0
        while (start := buffer.position) < len(data):
            _finish(skip_block(buffer))
            blocks.append(data[start : buffer.position])
    except ServerException:
        return [data]
    return blocks


def _finish(reading: Generator[None, None, T]) -> T:
    try:
        next(reading)
    except StopIteration as done:
        result: T = done.value
        return result
    raise refusal(UNKNOWN_PACKET, "A block ends too early")
