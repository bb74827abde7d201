"""One function decides every request: `Access.authorise`."""

from dataclasses import dataclass

from starlette.requests import Request

from libs.kit.access.model import Caller, Team


@dataclass(frozen=True, slots=True)
class Authorised:
    """What a route may go on with."""

    caller: Caller
    team: Team


class Access:
    """Reads a request's credentials, asks the repository and decides."""

    async def caller(self, request: Request) -> Caller:
        """Who calls. Raises Unauthorized. Only the first place that holds a credential is tried (web-api 2)."""
        raise NotImplementedError

    async def authorise(self, request: Request, project: str, *, scope: str) -> Authorised:
        """The caller and the team it may act on. `project` is an id or `@current`; `scope` such as `query:read`.

        Raises Unauthorized, Forbidden (with PostHog's exact words) or NotFound.
        """
        raise NotImplementedError
