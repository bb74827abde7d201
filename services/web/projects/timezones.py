"""The time zones a project may have."""

from functools import cache
from zoneinfo import available_timezones


@cache
def timezones() -> frozenset[str]:
    """Every IANA name (the tz database's own, without the files beside it)."""
    return frozenset(name for name in available_timezones() if "/" in name or name in ("UTC", "GMT")) - {"localtime"}
