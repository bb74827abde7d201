"""Plain data of access control."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

CallerKind = Literal["session", "personal_api_key"]

MEMBER, ADMIN, OWNER = 1, 8, 15  # PostHog's organization levels


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent the request. `scopes` of a session are `{"*"}`; empty scoped_* mean no restriction.

    authenticated_at: when a session's password was given; None for a key.
    """

    kind: CallerKind
    user_id: int
    scopes: frozenset[str] = frozenset({"*"})
    scoped_teams: frozenset[int] = frozenset()
    scoped_organizations: frozenset[UUID] = frozenset()
    key_id: str | None = None
    current_team_id: int | None = None
    current_organization_id: UUID | None = None
    authenticated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """A project (PostHog's team; project and environment share its id)."""

    id: int
    uuid: UUID
    organization_id: UUID
    name: str
    api_token: str
    timezone: str = "UTC"
    week_start_day: int = 0
    anonymize_ips: bool = False
    test_account_filters: list[dict[str, Any]] = field(default_factory=list)
    ingested_event: bool = False
    cookieless_server_hash_mode: int = 0
    person_processing_opt_out: bool = False
    drop_events_older_than_seconds: int | None = None
    heatmaps_opt_in: bool | None = None
    autocapture_opt_out: bool | None = None
    autocapture_exceptions_opt_in: bool | None = None
    autocapture_web_vitals_opt_in: bool | None = None
    autocapture_web_vitals_allowed_metrics: list[str] | None = None
    capture_performance_opt_in: bool | None = None
    capture_dead_clicks: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization, which owns projects and has members."""

    id: UUID
    name: str
    slug: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in. `password` is Argon2's text and never leaves this package."""

    id: int
    uuid: UUID
    email: str
    password: str = field(repr=False)
    first_name: str
    last_name: str
    distinct_id: str
    is_active: bool
    is_staff: bool
    date_joined: datetime
    current_organization_id: UUID | None
    current_team_id: int | None
