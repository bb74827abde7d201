"""JSON API: organizations and projects. `/api/environments/:id` is the same object under its newer name."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from libs.kit.access.access import CURRENT, Access, Authorised, AuthorisedOrganization
from libs.kit.access.dependencies import access_of, authorised, authorised_organization
from libs.kit.access.model import ADMIN
from services.web.accounts.routes import Accounts
from services.web.accounts.schemas import organization, team_basic
from services.web.answers import page_of
from services.web.bodies import read_object
from services.web.projects import schemas
from services.web.projects.service import ProjectService

router = APIRouter()


def projects_of(request: Request) -> ProjectService:
    """The app's service, which `create_app` puts in `app.state.projects`."""
    service: ProjectService = request.app.state.projects
    return service


Projects = Annotated[ProjectService, Depends(projects_of)]
Accessing = Annotated[Access, Depends(access_of)]
CanReadOrganization = Annotated[AuthorisedOrganization, Depends(authorised_organization("organization:read"))]
CanListProjects = Annotated[AuthorisedOrganization, Depends(authorised_organization("project:read"))]
CanCreateProject = Annotated[AuthorisedOrganization, Depends(authorised_organization("project:write", level=ADMIN))]
CanRead = Annotated[Authorised, Depends(authorised("project:read"))]
CanWrite = Annotated[Authorised, Depends(authorised("project:write"))]


@router.get("/api/organizations")
async def list_organizations(request: Request, access: Accessing, accounts: Accounts) -> dict[str, Any]:
    """The caller's organizations."""
    caller, user = await access.authorise_user(request, scope="organization:read")
    teams = await accounts.repository.teams(user.id)
    found = [
        organization(item, level, teams)
        for item, level in await accounts.repository.organizations(user.id)
        if not caller.scoped_organizations or item.id in caller.scoped_organizations
    ]
    return page_of(request, found, site_url=access.site_url)


@router.get("/api/organizations/{organization_id}")
async def get_organization(allowed: CanReadOrganization, projects: Projects) -> dict[str, Any]:
    """One organization, with its projects."""
    teams = await projects.of_organization(allowed.organization.id)
    return organization(allowed.organization, allowed.level, teams)


@router.get("/api/organizations/{organization_id}/projects")
async def list_projects(
    request: Request, allowed: CanListProjects, projects: Projects, access: Accessing
) -> dict[str, Any]:
    """An organization's projects."""
    teams = await projects.of_organization(allowed.organization.id)
    return page_of(request, [team_basic(team) for team in teams], site_url=access.site_url)


@router.post("/api/organizations/{organization_id}/projects", status_code=201)
async def create_project(request: Request, allowed: CanCreateProject, projects: Projects) -> dict[str, Any]:
    """A new project, with the token SDKs send."""
    team = await projects.create(allowed.organization.id, await read_object(request))
    return schemas.project(team, allowed.level)


@router.get("/api/projects")
@router.get("/api/environments")
async def list_current_projects(request: Request, projects: Projects, access: Accessing) -> dict[str, Any]:
    """The projects of the caller's current organization."""
    allowed = await access.authorise_organization(request, CURRENT, scope="project:read")
    return await list_projects(request, allowed, projects, access)


@router.post("/api/projects", status_code=201)
async def create_current_project(request: Request, projects: Projects, access: Accessing) -> dict[str, Any]:
    """A new project in the caller's current organization."""
    allowed = await access.authorise_organization(request, CURRENT, scope="project:write", level=ADMIN)
    return await create_project(request, allowed, projects)


@router.get("/api/projects/{project_id}")
@router.get("/api/environments/{project_id}")
async def get_project(allowed: CanRead) -> dict[str, Any]:
    """A project and its settings."""
    return schemas.project(allowed.team, allowed.level)


@router.patch("/api/projects/{project_id}")
@router.patch("/api/environments/{project_id}")
async def update_project(request: Request, allowed: CanWrite, projects: Projects) -> dict[str, Any]:
    """Change settings, those of settings.py; other fields are ignored."""
    return schemas.project(await projects.update(allowed.team, await read_object(request)), allowed.level)
