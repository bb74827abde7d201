"""Plain data of access control."""

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

CallerKind = Literal["session", "personal_api_key"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent the request. `scopes` of a session are `{"*"}`; empty scoped_* mean no restriction."""

    kind: CallerKind
    user_id: int
    scopes: frozenset[str] = frozenset({"*"})
    scoped_teams: frozenset[int] = frozenset()
    scoped_organizations: frozenset[UUID] = frozenset()
    key_id: str | None = None


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
