"""The native protocol without sockets: packets cut anywhere, blocks of every layout, what is refused."""

import pytest

from hedgerow.embedded.clickhouse import native
from hedgerow.embedded.clickhouse.errors import ServerException


def read_all(data: bytes, step: int = 1) -> list[native.Packet]:
    """The packets in `data`, which comes in pieces of `step` bytes."""
    buffer, packets = native.Buffer(), []
    reading = native.read_packet(buffer, native.REVISION)
    for start in range(0, len(data), step):
        buffer.feed(data[start : start + step])
        while True:
            try:
                next(reading)
                break
            except StopIteration as done:
                packets.append(done.value)
                buffer.compact()
                reading = native.read_packet(buffer, native.REVISION)
                if not buffer.data:
                    break
    return packets


def block(*columns: tuple[str, str, bytes], rows: int) -> bytes:
    out = native.varint(len(columns)) + native.varint(rows)
    return out + b"".join(native.string(name) + native.string(kind) + data for name, kind, data in columns)


def u64(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in values)


def hello(revision: int = 54453) -> bytes:
    strings = native.string("db") + native.string("user") + native.string("pass word")
    return b"\x00" + native.string("ClickHouse asynch") + b"\x14\x0a" + native.varint(revision) + strings


def query(sql: str, settings: bytes = b"") -> bytes:
    client = b"\x01" + native.string("") * 2 + native.string("0.0.0.0:0") + b"\x01" + native.string("me") * 3
    client += b"\x14\x0a" + native.varint(54453) + native.string("") + b"\x02"
    return b"\x01" + native.string("id") + client + settings + b"\x00\x02\x00" + native.string(sql)


@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
def test_packets_may_be_cut_anywhere(step: int) -> None:
    settings = (
        native.string("max_threads") + b"\x00" + native.string("3") + native.string("x") + b"\x01" + native.string("y")
    )
    sent = native.varint(2) + native.string("") + native.BLOCK_INFO + block(("s", "String", b"\x01a\x02bc"), rows=2)
    data = hello() + b"\x04" + query("SELECT 'é'", settings) + sent + b"\x03"
    packets = read_all(data, step)
    assert packets[0] == native.Hello("ClickHouse asynch", 54453, "db", "user", "pass word")
    assert packets[1] == native.Ping()
    assert packets[2] == native.Query("id", {"max_threads": "3", "x": "y"}, frozenset("x"), False, "SELECT 'é'")
    assert packets[3] == native.Data("", 1, 2, block(("s", "String", b"\x01a\x02bc"), rows=2))
    assert packets[4] == native.Cancel()


LONG = native.varint(300) + b"x" * 300

LAYOUTS = [
    ("UInt8", 3, b"abc"),
    ("DateTime64(6, 'UTC')", 2, bytes(16)),
    ("DateTime('Europe/Berlin')", 2, bytes(8)),
    ("Decimal(18, 4)", 2, bytes(16)),
    ("Decimal(9, 4)", 2, bytes(8)),
    ("Decimal(76, 4)", 1, bytes(32)),
    ("FixedString(5)", 2, bytes(10)),
    ("Enum8('a(,' = 1, 'b\\'' = 2)", 2, bytes(2)),
    ("UUID", 2, bytes(32)),
    ("IntervalDay", 1, bytes(8)),
    ("String", 3, b"\x00" + LONG + b"\x01a"),
    ("Nullable(String)", 2, b"\x00\x01" + b"\x01a\x00"),
    ("Array(String)", 3, u64(1, 1, 3) + b"\x01a\x01b\x01c"),
    ("Array(Array(UInt16))", 2, u64(1, 3) + u64(2, 2, 3) + bytes(6)),
    ("Array(String)", 2, u64(0, 0)),
    ("Tuple(UInt8, String)", 2, b"ab" + b"\x01a\x00"),
    ("Tuple(a UInt8, `b c` Array(String), d Tuple(x Int8, y Int8))", 1, b"a" + u64(1) + b"\x01a" + b"xy"),
    ("Map(String, UInt64)", 2, u64(1, 1) + b"\x01k" + u64(5)),
    ("LowCardinality(String)", 2, u64(1) + u64(0x600, 2) + b"\x00\x01a" + u64(2) + b"\x01\x00"),
    ("LowCardinality(Nullable(String))", 1, u64(1) + u64(0x600, 2) + b"\x00\x00" + u64(1) + b"\x01"),
    ("Array(LowCardinality(String))", 1, u64(1) + u64(1) + u64(0x600, 1) + b"\x01a" + u64(1) + b"\x00"),
    ("Nested(a UInt8, b String)", 1, u64(2) + b"ab" + b"\x01x\x01y"),
    ("SimpleAggregateFunction(sum, UInt64)", 2, bytes(16)),
    ("Point", 1, bytes(16)),
]


@pytest.mark.parametrize(("kind", "rows", "data"), LAYOUTS, ids=[layout[0] for layout in LAYOUTS])
def test_a_block_is_walked_over_exactly(kind: str, rows: int, data: bytes) -> None:
    whole = block(("c", kind, data), ("after", "UInt8", b"z" * rows), rows=rows)
    sent = native.varint(2) + native.string("") + native.BLOCK_INFO + whole
    for step in (1, 5, 100_000):
        assert read_all(sent + b"\x04", step) == [native.Data("", 2, rows, whole), native.Ping()]
    assert native.columns_of(whole) == [("c", kind), ("after", "UInt8")]
    assert native.split_blocks(whole + whole, rows * 2) == [whole, whole]


@pytest.mark.parametrize("kind", ["JSON", "Dynamic", "Variant(Int8, String)", "AggregateFunction(sum, UInt64)"])
def test_blocks_that_cannot_be_walked_over_are_refused(kind: str) -> None:
    sent = native.varint(2) + native.string("") + native.BLOCK_INFO + block(("c", kind, bytes(64)), rows=1)
    with pytest.raises(ServerException) as raised:
        read_all(sent)
    assert raised.value.code == 48


@pytest.mark.parametrize(
    "data", [b"\x63", b"GET / HTTP/1.1\r\n", b"\x00" + b"\xff" * 12, b"\x00" + native.varint(2**40)]
)
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    with pytest.raises(ServerException) as raised:
        read_all(data)
    assert raised.value.code == 99
