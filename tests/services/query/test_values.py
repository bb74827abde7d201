"""ClickHouse's values as the API writes them."""

from typing import Any

import pytest

from services.query.values import converted

TIME = "2024-10-27T00:30:00.500Z"  # 02:30 in Berlin, the first of two


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("DateTime64(3, 'Europe/Berlin')", TIME, "2024-10-27T02:30:00.500000+02:00"),
        ("DateTime64(3, 'Europe/Berlin')", "2024-10-27T01:30:00.000Z", "2024-10-27T02:30:00+01:00"),
        ("DateTime('UTC')", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"),
        ("DateTime", "2024-05-01T10:00:00Z", "2024-05-01T12:00:00+02:00"),
        ("Nullable(DateTime('UTC'))", None, None),
        ("Array(Nullable(DateTime('UTC')))", ["2024-05-01T10:00:00Z", None], ["2024-05-01T10:00:00Z", None]),
        ("Tuple(String, DateTime('UTC'))", ["a", "2024-05-01T10:00:00Z"], ["a", "2024-05-01T10:00:00Z"]),
        ("Tuple(a String, b DateTime('Asia/Tokyo'))", {"a": "x", "b": "2024-05-01T10:00:00Z"},
         {"a": "x", "b": "2024-05-01T19:00:00+09:00"}),
        ("Map(String, DateTime('UTC'))", {"k": "2024-05-01T10:00:00Z"}, {"k": "2024-05-01T10:00:00Z"}),
        ("LowCardinality(Nullable(String))", "x", "x"),
        ("Enum8('a, (' = 1)", "a, (", "a, ("),
        ("UInt64", 2**64 - 1, 2**64 - 1),
    ],
)  # fmt: skip
def test_converted(kind: str, value: Any, expected: Any) -> None:
    assert converted([[value]], [kind], "Europe/Berlin") == [[expected]]
