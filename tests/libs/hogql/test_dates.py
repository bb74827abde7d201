"""Dates as filters write them."""

from datetime import UTC, datetime

import pytest

from libs.hogql.dates import NotADate, date_of

NOW = datetime(2024, 3, 31, 15, 30, 45, 5, UTC)

CASES = [
    ("-7d", "UTC", "2024-03-24T00:00:00+00:00"),
    ("7d", "UTC", "2024-03-24T00:00:00+00:00"),
    ("-24h", "UTC", "2024-03-30T15:30:45.000005+00:00"),
    ("-5M", "UTC", "2024-03-31T15:25:45.000005+00:00"),
    ("-1m", "UTC", "2024-02-29T00:00:00+00:00"),
    ("-1y", "UTC", "2023-03-31T00:00:00+00:00"),
    ("-1q", "UTC", "2023-12-31T00:00:00+00:00"),
    ("-2w", "UTC", "2024-03-17T00:00:00+00:00"),
    ("dStart", "UTC", "2024-03-31T00:00:00+00:00"),
    ("-1dEnd", "UTC", "2024-03-30T23:59:59.999999+00:00"),
    ("mStart", "UTC", "2024-03-01T00:00:00+00:00"),
    ("-1mEnd", "UTC", "2024-02-29T23:59:59.999999+00:00"),
    ("yStart", "UTC", "2024-01-01T00:00:00+00:00"),
    ("hStart", "UTC", "2024-03-31T15:00:00+00:00"),
    ("hEnd", "UTC", "2024-03-31T15:59:59.999999+00:00"),
    ("-1d", "Europe/Berlin", "2024-03-30T00:00:00+01:00"),  # the clocks had changed since
    ("dStart", "Asia/Tokyo", "2024-04-01T00:00:00+09:00"),
    ("2024-05-01", "Europe/Berlin", "2024-05-01T00:00:00+02:00"),
    ("2024-05-01T10:00:00Z", "Europe/Berlin", "2024-05-01T12:00:00+02:00"),
]


@pytest.mark.parametrize(("text", "zone", "moment"), CASES)
def test_dates(text: str, zone: str, moment: str) -> None:
    assert date_of(text, NOW, zone).isoformat() == moment


@pytest.mark.parametrize("text", ["", "soon", "-d7", "2024-13-01", "-999999y", "7", "dEndStart", "-1x"])
def test_no_dates(text: str) -> None:
    with pytest.raises(NotADate):
        date_of(text, NOW, "UTC")
