"""One function decides every request: `Access.authorise`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from redis.asyncio import Redis
from starlette.requests import Request

from libs.kit.access.credentials import SESSION_COOKIE, PresentedKey, presented_key
from libs.kit.access.csrf import SAFE_METHODS, check_csrf
from libs.kit.access.decide import (
    check_not_scoped_to_teams,
    check_organization,
    check_recent_login,
    check_scope,
    check_session,
    check_team,
)
from libs.kit.access.lockout import Lockout
from libs.kit.access.model import MEMBER, Caller, Organization, Team, User
from libs.kit.access.passwords import Passwords, fingerprint
from libs.kit.access.repository import AccessRepository
from libs.kit.access.sessions import Session, Sessions
from libs.kit.access.tokens import PROJECT_TOKEN_PREFIX, stored_form
from libs.kit.clock import Clock
from libs.kit.errors import InvalidRequest, NotFound, Unauthorized
from libs.kit.postgres import Postgres
from libs.kit.settings import KitSettings

if TYPE_CHECKING:
    from libs.kit.runtime import Runtime

CURRENT = "@current"


@dataclass(frozen=True, slots=True)
class Authorised:
    """What a route may go on with. `level`: the caller's in the team's organization."""

    caller: Caller
    team: Team
    level: int = MEMBER


@dataclass(frozen=True, slots=True)
class AuthorisedOrganization:
    """The same for a route of an organization."""

    caller: Caller
    organization: Organization
    level: int


class Access:
    """Reads a request's credentials, asks the repository and decides."""

    def __init__(self, postgres: Postgres, state: Redis, clock: Clock, settings: KitSettings):
        self.repository = AccessRepository(postgres)
        self.sessions = Sessions(state)
        self.lockout = Lockout(state)
        self.passwords = Passwords()
        self.site_url = settings.site_url
        self.secure_cookies = settings.site_url.lower().startswith("https://")
        self._clock = clock
        self._secret_key = settings.secret_key.get_secret_value()

    @classmethod
    def of(cls, runtime: "Runtime") -> "Access":
        """Over a runtime's stores."""
        return cls(runtime.postgres, runtime.state, runtime.clock, runtime.settings)

    async def caller(self, request: Request, *, form_token: str | None = None) -> Caller:
        """Who calls. Raises Unauthorized; Forbidden when a session's unsafe request carries no CSRF token.

        Only the first place that holds a credential is tried (credentials.py). `form_token`: the CSRF token of a plain
        HTML form, which cannot send a header.
        """
        caller = await self.session_caller(request)
        if caller is not None:
            if request.method not in SAFE_METHODS:
                check_csrf(request, site_url=self.site_url, form_token=form_token)
            return caller
        key = await presented_key(request)
        if key is None:
            raise Unauthorized("Authentication credentials were not provided.")
        return await self._caller_of_key(key)

    async def session_caller(self, request: Request) -> Caller | None:
        """Who is signed in in this browser, or None. Does not look at CSRF."""
        session_id = request.cookies.get(SESSION_COOKIE)
        session = await self.sessions.find(session_id) if session_id else None
        user = await self.repository.user(session.user_id) if session else None
        if session is None or user is None or session.fingerprint != fingerprint(self._secret_key, user.password):
            return None
        return Caller(
            kind="session",
            user_id=user.id,
            current_team_id=user.current_team_id,
            current_organization_id=user.current_organization_id,
            authenticated_at=session.authenticated_at,
        )

    async def authorise(self, request: Request, project: str, *, scope: str) -> Authorised:
        """The caller and the team it may act on. `project` is an id, `@current` or a project token; `scope` such as
        `query:read`.

        Raises Unauthorized, Forbidden (with PostHog's exact words) or NotFound.
        """
        return await self.authorise_caller(await self.caller(request), project, scope=scope)

    async def authorise_caller(self, caller: Caller, project: str, *, scope: str) -> Authorised:
        """The same for a caller already known."""
        check_scope(caller, scope)
        wanted = caller.current_team_id if project == CURRENT else _project(project)
        found = await self.repository.team_and_level(wanted, caller.user_id) if wanted is not None else None
        if found is None:
            raise NotFound("Project not found.")
        team, level = found
        check_team(caller, team, level=level)
        return Authorised(caller, team, level or MEMBER)

    async def authorise_organization(
        self, request: Request, organization: str, *, scope: str, level: int = MEMBER
    ) -> AuthorisedOrganization:
        """The caller and the organization it may act on with at least `level`. `organization` is a uuid or `@current`.

        Raises Unauthorized, Forbidden or NotFound.
        """
        caller = await self.caller(request)
        check_scope(caller, scope)
        wanted = caller.current_organization_id if organization == CURRENT else _uuid(organization)
        found = await self.repository.organization_and_level(wanted, caller.user_id) if wanted else None
        if found is None:
            check_not_scoped_to_teams(caller)
            raise NotFound("Organization not found.")
        check_organization(caller, found[0].id, level=found[1], needed=level)
        return AuthorisedOrganization(caller, found[0], found[1] or MEMBER)

    async def authorise_user(self, request: Request, *, scope: str) -> tuple[Caller, User]:
        """The caller as a user. Not held to a key's projects or organizations, as in PostHog."""
        caller = await self.caller(request)
        check_scope(caller, scope)
        user = await self.repository.user(caller.user_id)
        if user is None:
            raise Unauthorized("User inactive or deleted.", code="authentication_failed")
        return caller, user

    async def authorise_session(self, request: Request, *, recent: bool = False) -> Caller:
        """A signed-in person, for what keys may never do; `recent`: who gave the password within two hours."""
        caller = await self.caller(request)
        check_session(caller)
        if recent:
            check_recent_login(caller, self._clock.now())
        return caller

    async def sign_in(self, email: str, password: str, *, address: str, old_session_id: str | None) -> str:
        """Check a password and open a session; the browser's old one ends. Returns the new id.

        Raises InvalidRequest (`invalid_credentials`: unknown address and wrong password look and last the same) or
        Forbidden (`too_many_failed_attempts`).
        """
        await self.lockout.before_attempt(address, email)
        user = await self.repository.user_by_email(email)
        right = await self.passwords.verify(user.password if user else None, password)
        if user is None or not right:
            raise InvalidRequest("Invalid email or password.", code="invalid_credentials")
        await self.lockout.after_success(address, email)
        stored = user.password
        if self.passwords.needs_rehash(stored):
            stored = await self.passwords.hash(password)
            await self.repository.set_password(user.id, stored)
        if old_session_id:
            await self.sessions.end(old_session_id)
        return await self.sessions.open(Session(user.id, self._clock.now(), fingerprint(self._secret_key, stored)))

    async def sign_out(self, request: Request) -> None:
        """End the browser's session."""
        if session_id := request.cookies.get(SESSION_COOKIE):
            await self.sessions.end(session_id)

    async def _caller_of_key(self, key: PresentedKey) -> Caller:
        caller = await self.repository.caller_of_key(stored_form(key.value), self._clock.now())
        if caller is None:
            raise Unauthorized(
                f"Personal API key found in request {key.source} is invalid.", code="authentication_failed"
            )
        return caller


def _project(text: str) -> int | str | None:
    if text.isascii() and text.isdigit():
        return int(text) if len(text) < 12 else None
    return text if text.startswith(PROJECT_TOKEN_PREFIX) and text.isprintable() else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
