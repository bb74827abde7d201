"""When an event happened: the sender's clock, corrected by how far it is off, and never far in the future.

Compiled when there is a compiler (times.pxd).
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FUTURE_LIMIT = timedelta(hours=23)
_MICROSECOND = timedelta(microseconds=1)
_SENT_AFTER_MS = 1_609_459_200_000  # 2021 begins
_LAST_MS = 253_402_300_799_999  # 9999 ends
_RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|\+00:00)")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?", re.DOTALL)
_SLASHED = re.compile(r"(?:(\d{4})/(\d{1,2})/(\d{1,2})|(\d{1,2})/(\d{1,2})/(\d{4}))(?:[T ](.+))?", re.DOTALL)
_EPOCH = re.compile(r"\d{10}(?:\d{3})?")
_LONGEST = 64


def parse_timestamp(text: str) -> datetime | None:
    """An aware time, or None. ISO 8601 (blank or T, any zone form, none meaning UTC), slashed dates (m/d/y and y/m/d),
    RFC 2822, and epoch seconds or milliseconds written as text."""
    if _RFC3339_UTC.fullmatch(text):  # what SDKs send
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    text = text.strip()
    if not text.isascii() or len(text) > _LONGEST:
        return None
    try:
        parsed = _parse(text)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    if parsed is None:
        return None
    return _to_utc(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def parse_rfc3339(text: str) -> datetime | None:
    """An aware time, or None for anything but RFC 3339: the v1 dialect guesses nothing."""
    if len(text) > _LONGEST or not _RFC3339.fullmatch(text):
        return None
    try:
        return _to_utc(datetime.fromisoformat(text.upper()))
    except ValueError:
        return None


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # 9999-12-31 west of Greenwich
        return EPOCH


def _parse(text: str) -> datetime | None:
    if _EPOCH.fullmatch(text):
        return EPOCH + timedelta(milliseconds=int(text) if len(text) == 13 else int(text) * 1000)
    if _ISO.fullmatch(text.upper()):
        head, tail = text.upper()[:11], text.upper()[11:]
        return datetime.fromisoformat(head + tail.replace(" ", "").replace("UTC", "Z"))
    if slashed := _SLASHED.fullmatch(text):
        year, month, day, month_, day_, year_, rest = slashed.groups()
        date = f"{year or year_}-{month or month_:0>2}-{day or day_:0>2}"
        return datetime.fromisoformat(f"{date}T{rest}" if rest else date)
    return parsedate_to_datetime(text)


def parse_sent_at(text: str | None, milliseconds: int | None) -> int | None:
    """The client's clock when it sent, in microseconds since 1970: the body's ISO 8601 text, else the query's
    milliseconds if after 2020 (some clients send seconds there). None when neither can be used."""
    if text is not None and len(text) <= _LONGEST and _ISO.fullmatch(text.upper()):
        try:
            sent = datetime.fromisoformat(text.upper())
        except ValueError:
            return None
        return microseconds(_to_utc(sent)) if sent.tzinfo else None
    if milliseconds is None or not _SENT_AFTER_MS <= milliseconds <= _LAST_MS:
        return None
    return milliseconds * 1000


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // _MICROSECOND


def moment_at(microseconds: int) -> datetime:
    """The time so many microseconds after 1970 began."""
    return EPOCH + timedelta(microseconds=microseconds)


def event_time(timestamp: str | None, offset: int | None, *, sent_at: datetime | None, now: datetime) -> datetime:
    """The rule of PostHog's capture: `offset` (milliseconds ago) wins over `timestamp`, which is shifted by the
    client's clock error; no usable time, or one more than 23 hours ahead, is now; one that no calendar holds is the
    epoch."""
    if offset is not None:
        try:
            moment = now - timedelta(milliseconds=offset)
        except OverflowError:
            return now if offset < 0 else EPOCH
    elif timestamp is not None and (parsed := parse_timestamp(timestamp)) is not None:
        return corrected_time(parsed, sent_at=sent_at or now, now=now)
    else:
        return now
    return now if moment - now > FUTURE_LIMIT else moment


def corrected_time(moment: datetime, *, sent_at: datetime, now: datetime) -> datetime:
    """A time of the sender's clock, which said `sent_at` when ours says `now`; bounded as `event_time` bounds it."""
    try:
        corrected = moment - (sent_at - now)
    except OverflowError:
        return now if sent_at < now else EPOCH
    return now if corrected - now > FUTURE_LIMIT else corrected


def rfc3339(moment: datetime) -> str:
    """A UTC time as text with `Z`, to the millisecond or, where there is more, the microsecond."""
    spec = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=spec).removesuffix("+00:00") + "Z"
