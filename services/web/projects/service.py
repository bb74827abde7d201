"""Projects: make one, read and change its settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.kit.access.model import Team
from services.web.projects.repository import ProjectRepository
from services.web.projects.settings import settings_in

DEFAULTS: Mapping[str, Any] = {"name": "Default project"}


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
