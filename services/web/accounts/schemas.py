"""What the accounts' endpoints answer."""

from collections.abc import Sequence
from typing import Any

from libs.kit.access.model import Organization, Team, User
from services.web.accounts.repository import PersonalKey
from services.web.answers import iso


def user(
    user: User,
    organizations: Sequence[tuple[Organization, int]],
    teams: Sequence[Team],
    *,
    sensitive_until: str | None,
) -> dict[str, Any]:
    """The `User` of PostHog's API, as far as Hedgerow has what it tells."""
    current = next(((o, level) for o, level in organizations if o.id == user.current_organization_id), None)
    team = next((team for team in teams if team.id == user.current_team_id), None)
    return {
        "date_joined": iso(user.date_joined),
        "uuid": str(user.uuid),
        "distinct_id": user.distinct_id,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "pending_email": None,
        "is_email_verified": None,
        "has_password": True,
        "id": user.id,
        "is_staff": user.is_staff,
        "is_impersonated": False,
        "is_impersonated_until": None,
        "sensitive_session_expires_at": sensitive_until,
        "team": team_basic(team) if team else None,
        "organization": organization(*current, teams) if current else None,
        "organizations": [
            {
                "id": str(found.id),
                "name": found.name,
                "slug": found.slug,
                "logo_media_id": None,
                "membership_level": level,
                "members_can_use_personal_api_keys": True,
            }
            for found, level in organizations
        ],
        "is_2fa_enabled": False,
        "has_social_auth": False,
        "has_sso_enforcement": False,
        "has_seen_product_intro_for": {},
        "scene_personalisation": [],
        "theme_mode": None,
        "hedgehog_config": None,
        "role_at_organization": None,
    }


def organization(found: Organization, level: int, teams: Sequence[Team]) -> dict[str, Any]:
    """The `Organization` of PostHog's API. `teams`: any; those of this organization are listed."""
    own = [team_basic(team) for team in teams if team.organization_id == found.id]
    return {
        "id": str(found.id),
        "name": found.name,
        "slug": found.slug,
        "logo_media_id": None,
        "created_at": iso(found.created_at),
        "updated_at": iso(found.updated_at),
        "membership_level": level,
        "plugins_access_level": 0,
        "teams": own,
        "projects": [{"id": t["id"], "name": t["name"], "organization_id": t["organization"]} for t in own],
        "available_product_features": [],
        "is_member_join_email_enabled": False,
        "metadata": {},
        "customer_id": None,
        "enforce_2fa": None,
        "members_can_invite": True,
        "members_can_use_personal_api_keys": True,
        "allow_publicly_shared_resources": True,
        "is_ai_data_processing_approved": False,
    }


def team_basic(team: Team) -> dict[str, Any]:
    """A project in a list."""
    return {
        "id": team.id,
        "uuid": str(team.uuid),
        "organization": str(team.organization_id),
        "project_id": team.id,
        "api_token": team.api_token,
        "name": team.name,
        "completed_snippet_onboarding": team.ingested_event,
        "has_completed_onboarding_for": {},
        "ingested_event": team.ingested_event,
        "is_demo": False,
        "timezone": team.timezone,
        "access_control": False,
    }


def key(found: PersonalKey, value: str | None = None) -> dict[str, Any]:
    """A personal API key; `value` only in the answer that made it."""
    return {
        "id": found.id,
        "label": found.label,
        "value": value,
        "mask_value": found.mask_value,
        "created_at": iso(found.created_at),
        "last_used_at": iso(found.last_used_at),
        "last_rolled_at": iso(found.last_rolled_at),
        "user_id": found.user_id,
        "scopes": found.scopes,
        "scoped_teams": found.scoped_teams,
        "scoped_organizations": [str(item) for item in found.scoped_organizations],
    }
