"""The settings form: a project's settings as its fields, and its fields as settings. Plain functions."""

from collections.abc import Mapping
from typing import Any

from libs.kit.access.model import Team
from services.web.projects.settings import WEB_VITALS

TEXTS = ("name", "timezone", "week_start_day", "cookieless_server_hash_mode")
# ticked when the setting is on
TICKS = (
    "anonymize_ips",
    "autocapture_exceptions_opt_in",
    "autocapture_web_vitals_opt_in",
    "capture_performance_opt_in",
    "capture_dead_clicks",
)
# ticked when the setting, which says no, is off: field, setting
REVERSED = (("autocapture", "autocapture_opt_out"), ("person_processing", "person_processing_opt_out"))
HEATMAPS = {"on": True, "asked": None, "off": False}
HOURS = "drop_events_older_than_hours"


def fields_of(team: Team) -> dict[str, Any]:
    """What the form shows of a project: texts, and whether a box is ticked."""
    seconds = team.drop_events_older_than_seconds
    return {
        **{name: str(getattr(team, name)) for name in TEXTS},
        **{name: bool(getattr(team, name)) for name in TICKS},
        **{field: not getattr(team, name) for field, name in REVERSED},
        "heatmaps": next(word for word, chosen in HEATMAPS.items() if chosen is team.heatmaps_opt_in),
        "web_vitals": list(team.autocapture_web_vitals_allowed_metrics or WEB_VITALS),
        HOURS: f"{seconds / 3600:.10g}" if seconds else "",
    }


def typed_in(form: Mapping[str, str]) -> dict[str, Any]:
    """The same of what somebody typed, to show it again."""
    return {
        **{name: form.get(name, "") for name in (*TEXTS, "heatmaps", HOURS)},
        **{name: name in form for name in (*TICKS, *(field for field, _ in REVERSED))},
        "web_vitals": [metric for metric in WEB_VITALS if f"vital_{metric}" in form],
    }


def settings_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The body that changes the settings to what was typed; it is checked as any other.

    An unticked box sends nothing, so boxes count only in a form that was sent whole, not in a page of an older release.
    """
    typed = typed_in(form)
    found = {name: typed[name] for name in TEXTS if name in form}
    if HOURS not in form:
        return found
    return {
        **found,
        **{name: typed[name] for name in TICKS},
        **{name: not typed[field] for field, name in REVERSED},
        "heatmaps_opt_in": HEATMAPS.get(typed["heatmaps"], typed["heatmaps"]),
        "autocapture_web_vitals_allowed_metrics": _metrics(typed["web_vitals"]),
        "drop_events_older_than_seconds": _seconds(typed[HOURS]),
    }


def _metrics(ticked: list[str]) -> list[str] | None:
    return ticked if ticked and len(ticked) < len(WEB_VITALS) else None


def _seconds(hours: str) -> int | float | None:
    """What is no number is refused later, under the setting's name."""
    try:
        return round(float(hours.replace(",", ".")) * 3600) if hours.strip() else None
    except (ValueError, OverflowError):
        return float("nan")
