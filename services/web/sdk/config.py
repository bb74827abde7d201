"""Remote configuration: what an SDK asks for when it starts. Plain data from a project.

What a feature that is not there needs is an explicit "off": posthog-js keeps its last stored value for a key that is
missing, and with none stored leaves autocapture off.
"""

import json
import re
from typing import Any

from libs.kit.access.model import Team

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")


def is_token(text: str) -> bool:
    """Whether it can be a project token."""
    return bool(_TOKEN.fullmatch(text))


def base_config() -> dict[str, Any]:
    """The configuration of a project that has switched nothing on."""
    return {
        "supportedCompression": ["gzip", "gzip-js"],
        "hasFeatureFlags": False,  # posthog-js then does not call /flags at all
        "captureDeadClicks": False,
        "capturePerformance": False,
        "autocapture_opt_out": False,
        "autocaptureExceptions": False,
        "errorTracking": {"autocaptureExceptions": False, "suppressionRules": []},
        "logs": {"captureConsoleLogs": False},
        "analytics": {"endpoint": "/i/v0/e/"},
        "elementsChainAsString": True,
        "sessionRecording": False,
        "heatmaps": False,
        "surveys": False,
        "productTours": False,
        "conversations": False,
        "defaultIdentifiedOnly": True,
        "isAuthenticated": False,
        "toolbarParams": {},
        "siteApps": [],
    }


def remote_config(team: Team) -> dict[str, Any]:
    """`/array/:token/config`."""
    exceptions = bool(team.autocapture_exceptions_opt_in)
    timing, vitals = bool(team.capture_performance_opt_in), bool(team.autocapture_web_vitals_opt_in)
    performance = {
        "network_timing": timing,
        "web_vitals": vitals,
        "web_vitals_allowed_metrics": team.autocapture_web_vitals_allowed_metrics,
    }
    return {
        "token": team.api_token,
        **base_config(),
        "captureDeadClicks": bool(team.capture_dead_clicks),
        "capturePerformance": performance if timing or vitals else False,
        "autocapture_opt_out": bool(team.autocapture_opt_out),
        "autocaptureExceptions": exceptions,
        "errorTracking": {"autocaptureExceptions": exceptions, "suppressionRules": []},
        "heatmaps": bool(team.heatmaps_opt_in),
    }


def config_script(config: dict[str, Any]) -> str:
    """`/array/:token/config.js`: leaves the same document where posthog-js looks for it."""
    document = {name: value for name, value in config.items() if name != "siteApps"}
    token = json.dumps(config["token"])
    return (
        "(function() {\n"
        "  window._POSTHOG_REMOTE_CONFIG = window._POSTHOG_REMOTE_CONFIG || {};\n"
        f"  window._POSTHOG_REMOTE_CONFIG[{token}] = {{ config: {json.dumps(document)}, siteApps: [] }};\n"
        "})();\n"
    )


def no_flags(version: str, *, legacy_endpoint: bool) -> dict[str, Any]:
    """What `/flags` (and `/decide`, the legacy endpoint) say while no project has a flag, in each version's shape.

    `flags` or `featureFlags` is there even though it is empty: without either, an SDK changes nothing.
    """
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 4 else 1
    if number >= (4 if legacy_endpoint else 2):
        return {"errorsWhileComputingFlags": False, "flags": {}}
    if legacy_endpoint and number < 3:
        return {"featureFlags": {} if number == 2 else []}
    return {"errorsWhileComputingFlags": False, "featureFlags": {}, "featureFlagPayloads": {}}
