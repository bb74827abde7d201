"""The settings of a project that people may change, in PostHog's names: what each may be.

Each name is a field of the JSON API, a column of posthog_team and a field of `libs.kit.access.model.Team`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from libs.kit.errors import InvalidRequest
from services.web import bodies
from services.web.projects.timezones import timezones

Check = Callable[[Any, str], Any]

WEB_VITALS = ("CLS", "FCP", "INP", "LCP")
MAX_SECONDS = 100 * 366 * 24 * 3600


def settings_in(body: Mapping[str, Any]) -> dict[str, Any]:
    """The settings a body changes, checked in the order of `SETTINGS`; what is unknown or read-only is ignored.

    Raises InvalidRequest for the first that is wrong.
    """
    return {name: check(body[name], name) for name, check in SETTINGS.items() if name in body}


def _filters(value: Any, name: str) -> list[dict[str, Any]]:
    filters = bodies.list_of(value, name)
    for index, item in enumerate(filters):
        if not isinstance(item, dict) or not item.get("key"):
            raise InvalidRequest("A filter is an object with a key.", attr=f"{name}__{index}")
    if _holds_nul(filters):  # jsonb cannot store it
        raise InvalidRequest("Null characters are not allowed.", code="null_characters_not_allowed", attr=name)
    return filters


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)


def _or_null(check: Check) -> Check:
    return lambda value, name: None if value is None else check(value, name)


def _cookieless_mode(value: Any, name: str) -> int:
    """Null is PostHog's other word for off."""
    mode: int = 0 if value is None else bodies.choice(value, name, (0, 1, 2))
    return mode


def _seconds(value: Any, name: str) -> int:
    seconds = bodies.integer(value, name)
    if not 0 <= seconds <= MAX_SECONDS:
        raise InvalidRequest(f"Must be from 0 to {MAX_SECONDS} seconds.", attr=name)
    return seconds


def _metrics(value: Any, name: str) -> list[str]:
    return [bodies.choice(metric, name, WEB_VITALS) for metric in bodies.list_of(value, name)]


SETTINGS: Mapping[str, Check] = {
    "name": lambda value, name: bodies.text(value, name, max_length=200),
    "timezone": lambda value, name: bodies.choice(value, name, timezones()),
    "week_start_day": lambda value, name: bodies.choice(value, name, (0, 1)),
    "test_account_filters": _filters,
    "anonymize_ips": bodies.boolean,
    "cookieless_server_hash_mode": _cookieless_mode,
    "person_processing_opt_out": bodies.boolean,
    "drop_events_older_than_seconds": _or_null(_seconds),
    "heatmaps_opt_in": _or_null(bodies.boolean),
    "autocapture_opt_out": _or_null(bodies.boolean),
    "autocapture_exceptions_opt_in": _or_null(bodies.boolean),
    "autocapture_web_vitals_opt_in": _or_null(bodies.boolean),
    "autocapture_web_vitals_allowed_metrics": _or_null(_metrics),
    "capture_performance_opt_in": _or_null(bodies.boolean),
    "capture_dead_clicks": _or_null(bodies.boolean),
}
