"""`Access.authorise` as a FastAPI dependency.

app.state.access = Access.of(runtime)

QueryAccess = Annotated[Authorised, Depends(authorised("query:read"))]

@router.post("/api/projects/{project_id}/query")
async def query(authorised: QueryAccess) -> ...
"""

from collections.abc import Awaitable, Callable

from fastapi import Request

from libs.kit.access.access import Access, Authorised, AuthorisedOrganization
from libs.kit.access.decide import check_level
from libs.kit.access.model import MEMBER


def access_of(request: Request) -> Access:
    """The app's Access, which `create_app` puts in `app.state.access`."""
    access: Access = request.app.state.access
    return access


def authorised(scope: str, *, level: int = MEMBER) -> Callable[..., Awaitable[Authorised]]:
    """Who may do `scope` to the project of the path parameter `project_id`, with at least `level`."""

    async def dependency(request: Request, project_id: str) -> Authorised:
        allowed = await access_of(request).authorise(request, project_id, scope=scope)
        check_level(allowed.level, needed=level)
        return allowed

    return dependency


def authorised_organization(scope: str, *, level: int = MEMBER) -> Callable[..., Awaitable[AuthorisedOrganization]]:
    """Who may do `scope` to the organization of the path parameter `organization_id`, with at least `level`."""

    async def dependency(request: Request, organization_id: str) -> AuthorisedOrganization:
        return await access_of(request).authorise_organization(request, organization_id, scope=scope, level=level)

    return dependency
