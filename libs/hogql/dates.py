"""Dates as filters write them: `-7d`, `dStart`, `2024-05-01`, `2024-05-01T10:00:00Z`."""

import calendar
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_RELATIVE = re.compile(r"-?(?P<number>\d{1,6})?(?P<unit>[yqmwdhsM])(?P<position>Start|End)?")
_FIXED = {"w": 7 * 86_400, "d": 86_400, "h": 3_600, "M": 60, "s": 1, "q": 13 * 7 * 86_400}


class NotADate(ValueError):
    """Neither a relative date nor an absolute one."""


def date_of(text: str, now: datetime, zone: str) -> datetime:
    """The moment that a text means, in the zone. `now` is aware. What is a number of days, weeks, months or years away
    is that day's beginning. Raises NotADate."""
    here = now.astimezone(ZoneInfo(zone))
    found = _RELATIVE.fullmatch(text)
    try:
        return _relative(found, here) if found else _absolute(text, here)
    except (ValueError, OverflowError) as exc:
        raise NotADate(text) from exc


def _absolute(text: str, here: datetime) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=here.tzinfo) if moment.tzinfo is None else moment.astimezone(here.tzinfo)


def _relative(found: re.Match[str], here: datetime) -> datetime:
    number, unit, position = int(found["number"] or 0), found["unit"], found["position"]
    if unit in "my":
        moment = _months_before(here, number * (12 if unit == "y" else 1))
    else:
        # by the calendar of the zone: a day is as long as it is
        moment = here - timedelta(seconds=number * _FIXED[unit])
    if position is None:
        return moment if unit in "hMs" else moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return _positioned(moment, unit, position)


def _positioned(moment: datetime, unit: str, position: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if unit == "h":
        return hour if position == "Start" else hour + timedelta(hours=1) - timedelta(microseconds=1)
    day = hour.replace(hour=0)
    if position == "Start":
        return day.replace(day=1, month=1) if unit == "y" else day.replace(day=1) if unit == "m" else day
    if unit in "my":
        day = day.replace(day=calendar.monthrange(day.year, day.month)[1])
    return day.replace(hour=23, minute=59, second=59, microsecond=999_999)


def _months_before(moment: datetime, number: int) -> datetime:
    months = moment.year * 12 + moment.month - 1 - number
    year, month = divmod(months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)
