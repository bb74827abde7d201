"""May this caller do this to that team: plain functions, with PostHog's exact words."""

from datetime import datetime, timedelta
from uuid import UUID

from libs.kit.access.model import Caller, Team
from libs.kit.errors import Forbidden

RECENT_LOGIN = timedelta(hours=2)

SCOPE_OBJECTS = frozenset(
    {
        "action", "access_control", "activity_log", "alert", "annotation", "batch_export", "cohort", "comment",
        "dashboard", "dashboard_template", "early_access_feature", "element", "endpoint", "error_tracking",
        "event_definition", "experiment", "experiment_holdout", "experiment_saved_metric", "export",
        "external_data_schema", "external_data_source", "feature_flag", "file_system", "group", "heatmap",
        "hog_flow", "hog_function", "ingestion_warning", "insight", "insight_variable", "integration", "logs",
        "notebook", "organization", "organization_member", "organization_integration", "person", "plugin",
        "project", "property_definition", "query", "session_recording", "session_recording_playlist",
        "sharing_configuration", "subscription", "survey", "task", "uploaded_media", "user", "warehouse_objects",
        "warehouse_table", "warehouse_view", "web_analytics", "webhook"
    }
)  # fmt: skip


def is_scope(text: str) -> bool:
    """Whether a key may be given this scope: `*`, or `object:read|write` of a known object."""
    if text == "*":
        return True
    obj, _, action = text.partition(":")
    return obj in SCOPE_OBJECTS and action in ("read", "write")


def effective_scopes(stored: list[str] | None) -> frozenset[str]:
    """A key from before scopes existed has an empty list, and may do everything."""
    return frozenset(stored or ["*"])


def has_scope(scopes: frozenset[str], required: str) -> bool:
    """`write` implies `read`; `*` implies all."""
    obj = required.partition(":")[0]
    return "*" in scopes or required in scopes or (required.endswith(":read") and f"{obj}:write" in scopes)


def check_scope(caller: Caller, required: str) -> None:
    """Raise Forbidden unless the caller's key carries the scope. Sessions carry all."""
    if not has_scope(caller.scopes, required):
        raise Forbidden(f"API key missing required scope '{required}'")


def check_team(caller: Caller, team: Team, *, level: int | None) -> None:
    """Raise Forbidden unless the caller's key and membership (`level`; None is no member) reach this team."""
    if caller.scoped_teams and team.id not in caller.scoped_teams:
        raise Forbidden(f"API key does not have access to the requested project: ID {team.id}.")
    _check_scoped_organization(caller, team.organization_id)
    if level is None:
        raise Forbidden("You don't have access to the project.")


def check_organization(caller: Caller, organization_id: UUID, *, level: int | None, needed: int) -> None:
    """Raise Forbidden unless the caller's key reaches this organization and its level there is at least `needed`."""
    check_not_scoped_to_teams(caller)
    _check_scoped_organization(caller, organization_id)
    if level is None:
        raise Forbidden("You don't have access to the organization.")
    check_level(level, needed=needed)


def check_level(level: int, *, needed: int) -> None:
    """Raise Forbidden unless the level in the organization is at least `needed`."""
    if level < needed:
        raise Forbidden("Your organization access level is insufficient.")


def check_not_scoped_to_teams(caller: Caller) -> None:
    """Raise Forbidden for a key scoped to projects, on an endpoint that has none."""
    if caller.scoped_teams:
        raise Forbidden("API keys with scoped projects are only supported on project-based endpoints.")


def check_session(caller: Caller) -> None:
    """Raise Forbidden unless a person is signed in: for what keys may never do."""
    if caller.kind != "session":
        raise Forbidden("This action does not support personal API key access")


def check_recent_login(caller: Caller, now: datetime) -> None:
    """Raise Forbidden unless the password was given lately, before something that outlives the session."""
    if caller.authenticated_at is None or now - caller.authenticated_at > RECENT_LOGIN:
        raise Forbidden(
            "This action requires you to be recently authenticated.", code="sensitive_action_required_reauth"
        )


def _check_scoped_organization(caller: Caller, organization_id: UUID) -> None:
    if caller.scoped_organizations and organization_id not in caller.scoped_organizations:
        raise Forbidden(f"API key does not have access to the requested organization: ID {organization_id}.")
