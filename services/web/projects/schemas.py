"""What the projects' endpoints answer."""

from typing import Any

from libs.kit.access.model import Team
from services.web.accounts.schemas import team_basic
from services.web.answers import iso
from services.web.projects.settings import SETTINGS


def project(team: Team, level: int) -> dict[str, Any]:
    """PostHog's Project and Team in one, as far as Hedgerow has what they tell. `level`: the caller's."""
    return {
        **team_basic(team),
        "created_at": iso(team.created_at),
        "updated_at": iso(team.updated_at),
        **{name: getattr(team, name) for name in SETTINGS},
        "session_recording_opt_in": False,
        "effective_membership_level": level,
        "user_access_level": "admin",  # every member's, as long as there are no access rules
        "has_group_types": False,
        "group_types": [],
        "person_on_events_querying_enabled": True,
        "default_modifiers": {},
        "product_intents": [],
    }
