"""Projects: make one, read and change its settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from libs.kit.access.model import Team
from libs.kit.errors import InvalidRequest
from services.web import bodies
from services.web.projects.repository import ProjectRepository

DEFAULTS: Mapping[str, Any] = {
    "name": "Default project",
    "timezone": "UTC",
    "week_start_day": 0,
    "test_account_filters": [],
    "anonymize_ips": False,
}


@cache
def timezones() -> frozenset[str]:
    """Every IANA name (the tz database's own, without the files beside it)."""
    return frozenset(name for name in available_timezones() if "/" in name or name in ("UTC", "GMT")) - {"localtime"}


def settings_in(body: Mapping[str, Any]) -> dict[str, Any]:
    """The settings a body changes, checked in field order; what is unknown or read-only is ignored.

    Raises InvalidRequest for the first that is wrong.
    """
    found: dict[str, Any] = {}
    if "name" in body:
        found["name"] = bodies.text(body["name"], "name", max_length=200)
    if "timezone" in body:
        found["timezone"] = bodies.choice(body["timezone"], "timezone", timezones())
    if "week_start_day" in body:
        found["week_start_day"] = bodies.choice(body["week_start_day"], "week_start_day", (0, 1))
    if "test_account_filters" in body:
        found["test_account_filters"] = _filters(body["test_account_filters"])
    if "anonymize_ips" in body:
        found["anonymize_ips"] = bodies.boolean(body["anonymize_ips"], "anonymize_ips")
    return found


def _filters(value: Any) -> list[dict[str, Any]]:
    filters = bodies.list_of(value, "test_account_filters")
    for index, item in enumerate(filters):
        if not isinstance(item, dict) or not item.get("key"):
            raise InvalidRequest("A filter is an object with a key.", attr=f"test_account_filters__{index}")
    if _holds_nul(filters):  # jsonb cannot store it
        raise InvalidRequest(
            "Null characters are not allowed.", code="null_characters_not_allowed", attr="test_account_filters"
        )
    return filters


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)


@dataclass(frozen=True, slots=True)
class ProjectService:
    """The use cases of projects/."""

    repository: ProjectRepository

    async def of_organization(self, organization_id: UUID) -> Sequence[Team]:
        """Its projects, oldest first."""
        return await self.repository.of_organization(organization_id)

    async def create(self, organization_id: UUID, body: Mapping[str, Any]) -> Team:
        """A new project; what the body leaves out has PostHog's default."""
        return await self.repository.create(organization_id, {**DEFAULTS, **settings_in(body)})

    async def update(self, team: Team, body: Mapping[str, Any]) -> Team:
        """The project as it is afterwards."""
        settings = settings_in(body)
        return await self.repository.update(team.id, settings) if settings else team
