"""Accounts: who I am, and my keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from libs.kit.access.decide import is_scope
from libs.kit.access.model import Caller, User
from libs.kit.access.tokens import PERSONAL_KEY_PREFIX, masked, new_token, stored_form
from libs.kit.clock import Clock
from libs.kit.errors import InvalidRequest, NotFound
from services.web import bodies
from services.web.accounts import schemas
from services.web.accounts.repository import AccountRepository, PersonalKey

MAX_KEYS = 10


@dataclass(frozen=True, slots=True)
class AccountService:
    """The use cases of accounts/."""

    repository: AccountRepository
    clock: Clock

    async def describe(self, user: User, *, sensitive_until: str | None = None) -> dict[str, Any]:
        """`/api/users/@me/`."""
        organizations = await self.repository.organizations(user.id)
        teams = await self.repository.teams(user.id)
        return schemas.user(user, organizations, teams, sensitive_until=sensitive_until)

    async def update(self, user: User, body: Mapping[str, Any]) -> None:
        """Names, and the current organization and project. Unknown and read-only fields are ignored."""
        first_name, last_name = user.first_name, user.last_name
        organization_id, team_id = user.current_organization_id, user.current_team_id
        if "first_name" in body:
            first_name = bodies.text(body["first_name"], "first_name", max_length=150)
        if "last_name" in body:
            last_name = bodies.text(body["last_name"], "last_name", max_length=150, blank=True)
        teams = await self.repository.teams(user.id)
        if "set_current_organization" in body:
            wanted = str(body["set_current_organization"]).lower()
            known = {str(found.id): found.id for found, _ in await self.repository.organizations(user.id)}
            if wanted not in known:
                raise _does_not_exist(wanted, "set_current_organization")
            organization_id = known[wanted]
            team_id = next((team.id for team in teams if team.organization_id == organization_id), None)
        if "set_current_team" in body:
            wanted = str(body["set_current_team"])
            team = next((team for team in teams if str(team.id) == wanted), None)
            if team is None:
                raise _does_not_exist(wanted, "set_current_team")
            organization_id, team_id = team.organization_id, team.id
        await self.repository.update_user(
            user.id, first_name=first_name, last_name=last_name, organization_id=organization_id, team_id=team_id
        )

    async def keys(self, caller: Caller) -> Sequence[PersonalKey]:
        """The caller's keys, newest first."""
        return await self.repository.keys(caller.user_id)

    async def key(self, caller: Caller, key_id: str) -> PersonalKey:
        """One of the caller's keys. Raises NotFound."""
        found = await self.repository.key(key_id, caller.user_id)
        if found is None:
            raise NotFound("Not found.")
        return found

    async def create_key(self, caller: Caller, body: Mapping[str, Any]) -> tuple[PersonalKey, str]:
        """A new key, and its value, which is shown this once."""
        label = bodies.text(bodies.required(body, "label"), "label", max_length=40)
        scopes = _scopes(bodies.required(body, "scopes"))
        teams = bodies.integers(body.get("scoped_teams") or [], "scoped_teams")
        organizations = bodies.uuids(body.get("scoped_organizations") or [], "scoped_organizations")
        await self._check_reach(caller, teams, organizations)
        value = new_token(PERSONAL_KEY_PREFIX)
        key = PersonalKey(
            id=new_token(""),
            user_id=caller.user_id,
            label=label,
            mask_value=masked(value),
            scopes=scopes,
            scoped_teams=teams,
            scoped_organizations=organizations,
            created_at=self.clock.now(),
            last_used_at=None,
            last_rolled_at=None,
        )
        if not await self.repository.add_key(key, stored_form(value), most=MAX_KEYS):
            raise InvalidRequest(
                f"You can only have {MAX_KEYS} personal API keys. Remove an existing key before creating a new one."
            )
        return key, value

    async def delete_key(self, caller: Caller, key_id: str) -> None:
        """Raises NotFound."""
        if not await self.repository.delete_key(key_id, caller.user_id):
            raise NotFound("Not found.")

    async def _check_reach(self, caller: Caller, teams: list[int], organizations: Sequence[object]) -> None:
        if teams and not set(teams) <= {team.id for team in await self.repository.teams(caller.user_id)}:
            raise InvalidRequest("You must have access to all teams.", attr="scoped_teams")
        if organizations and not set(organizations) <= {
            found.id for found, _ in await self.repository.organizations(caller.user_id)
        }:
            raise InvalidRequest("You must have access to all organizations.", attr="scoped_organizations")


def _scopes(value: Any) -> list[str]:
    scopes = bodies.list_of(value, "scopes")
    if not scopes:
        raise InvalidRequest("This list may not be empty.", code="empty", attr="scopes")
    for scope in scopes:
        if not isinstance(scope, str) or not is_scope(scope):
            raise InvalidRequest(f"Invalid scope: {str(scope)[:100]}", attr="scopes")
    return list(dict.fromkeys(scopes))


def _does_not_exist(wanted: str, attr: str) -> InvalidRequest:
    return InvalidRequest(f'Invalid pk "{wanted[:60]}" - object does not exist.', code="does_not_exist", attr=attr)
