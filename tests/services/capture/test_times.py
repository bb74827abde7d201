"""The timestamp forms that are read, and what becomes of those that are not."""

from datetime import UTC, datetime, timedelta

import pytest

from services.capture.times import (
    EPOCH,
    corrected_time,
    event_time,
    microseconds,
    parse_rfc3339,
    parse_sent_at,
    parse_timestamp,
    rfc3339,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-09-17T14:05:04Z", "2025-09-17T14:05:04.000Z"),
        ("2025-09-17T14:05:04.805123456Z", "2025-09-17T14:05:04.805123Z"),
        ("2025-09-17t14:05:04z", "2025-09-17T14:05:04.000Z"),
        ("2025-09-17T14:05:04.805+03", "2025-09-17T11:05:04.805Z"),
        ("2025-09-17T14:05:04-0530", "2025-09-17T19:35:04.000Z"),
        ("2025-09-17T14:05:04", "2025-09-17T14:05:04.000Z"),
        ("2025-09-17 14:05:04", "2025-09-17T14:05:04.000Z"),
        ("2025-09-17 14:05:04.5 +02:00", "2025-09-17T12:05:04.500Z"),
        ("2025-09-17 14:05:04 UTC", "2025-09-17T14:05:04.000Z"),
        ("2025-09-17", "2025-09-17T00:00:00.000Z"),
        ("9/7/2025", "2025-09-07T00:00:00.000Z"),
        ("2025/9/7 14:05", "2025-09-07T14:05:00.000Z"),
        ("Wed, 17 Sep 2025 14:05:04 +0200", "2025-09-17T12:05:04.000Z"),
        ("1758117904", "2025-09-17T14:05:04.000Z"),
        ("1758117904805", "2025-09-17T14:05:04.805Z"),
        ("  2025-09-17T14:05:04Z ", "2025-09-17T14:05:04.000Z"),
    ],
)
def test_forms(text: str, expected: str) -> None:
    parsed = parse_timestamp(text)
    assert parsed is not None
    assert rfc3339(parsed) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "2025-13-01", "2025-02-30T00:00:00Z", "175811790", "25:61", "²" * 10, "1" * 99]
)
def test_no_time(text: str) -> None:
    assert parse_timestamp(text) is None
    assert event_time(text, None, sent_at=None, now=NOW) == NOW


def test_what_no_calendar_holds() -> None:
    early, late = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    assert event_time("0001-01-02T00:00:00Z", None, sent_at=late, now=NOW) == EPOCH
    assert event_time("9999-01-02T00:00:00Z", None, sent_at=early, now=NOW) == NOW
    assert event_time(None, 2**63 - 1, sent_at=None, now=NOW) == EPOCH
    assert event_time(None, -(2**63), sent_at=None, now=NOW) == NOW


def test_the_limit_is_strict() -> None:
    limit = NOW + timedelta(hours=23)
    assert event_time(rfc3339(limit), None, sent_at=None, now=NOW) == limit
    assert event_time(rfc3339(limit + timedelta(milliseconds=1)), None, sent_at=None, now=NOW) == NOW


@pytest.mark.parametrize(
    ("text", "milliseconds", "expected"),
    [
        ("2026-11-21T12:00:10Z", None, datetime(2026, 11, 21, 12, 0, 10, tzinfo=UTC)),
        ("2026-11-21T13:00:10+01:00", 1, datetime(2026, 11, 21, 12, 0, 10, tzinfo=UTC)),
        ("yesterday", 1_790_000_000_000, datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        ("2026-11-21T12:00:10", None, None),
        (None, 1_790_000_000, None),
        (None, 2**62, None),
        (None, None, None),
    ],
)
def test_sent_at(text: str | None, milliseconds: int | None, expected: datetime | None) -> None:
    assert parse_sent_at(text, milliseconds) == (expected and microseconds(expected))


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-21T11:00:00Z", "2026-11-21T11:00:00+00:00"),
        ("2026-11-21t11:00:00.123456789z", "2026-11-21T11:00:00.123456+00:00"),
        ("2026-11-21 11:00:00.5+02:00", "2026-11-21T09:00:00.500000+00:00"),
        *(
            (text, None)
            for text in ("2026-11-21", "2026-11-21T11:00Z", "2026-11-21T11:00:00", "1700000000", "", "x" * 99)
        ),
        *((text, None) for text in ("2026-13-21T11:00:00Z", "2026-11-21T11:00:00+0200", "２026-11-21T11:00:00Z")),
    ],
)
def test_rfc_3339_and_nothing_else(text: str, utc: str | None) -> None:
    parsed = parse_rfc3339(text)
    assert (parsed.isoformat() if parsed else None) == utc


def test_a_clock_that_is_off_by_all_there_is() -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    assert corrected_time(first, sent_at=last, now=first) == EPOCH
    assert corrected_time(last, sent_at=first, now=last) == last
