"""Who may do what: the plain decisions."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from libs.kit.access import decide
from libs.kit.access.model import ADMIN, MEMBER, OWNER, Caller, Team
from libs.kit.access.tokens import masked, new_token, stored_form
from libs.kit.errors import Forbidden

ORGANIZATION = UUID(int=1)
TEAM = Team(id=7, uuid=UUID(int=7), organization_id=ORGANIZATION, name="t", api_token="phc_x")
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def caller(**fields: object) -> Caller:
    return Caller(**{"kind": "personal_api_key", "user_id": 1, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scopes", "required", "allowed"),
    [
        ({"*"}, "project:write", True),
        ({"project:read"}, "project:read", True),
        ({"project:read"}, "project:write", False),
        ({"project:write"}, "project:read", True),
        ({"projects:read"}, "project:read", False),
        ({"query:write"}, "project:read", False),
        (set(), "project:read", False),
    ],
)
def test_scopes(scopes: set[str], required: str, allowed: bool) -> None:
    assert decide.has_scope(frozenset(scopes), required) is allowed


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("*", True),
        ("query:read", True),
        ("query:delete", False),
        ("nothing:read", False),
        ("query", False),
        ("", False),
    ],
)
def test_which_scopes_there_are(text: str, known: bool) -> None:
    assert decide.is_scope(text) is known


def test_a_key_from_before_scopes_may_do_everything() -> None:
    assert decide.effective_scopes([]) == decide.effective_scopes(None) == {"*"}


def test_a_member_reaches_its_team_and_a_stranger_does_not() -> None:
    decide.check_team(caller(), TEAM, level=MEMBER)
    decide.check_team(
        caller(scoped_teams=frozenset({7}), scoped_organizations=frozenset({ORGANIZATION})), TEAM, level=1
    )
    for refused in (
        {"level": None},
        {"level": OWNER, "scoped_teams": frozenset({8})},
        {"level": OWNER, "scoped_organizations": frozenset({UUID(int=2)})},
    ):
        level = refused.pop("level")
        with pytest.raises(Forbidden):
            decide.check_team(caller(**refused), TEAM, level=level)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("level", "needed", "allowed"), [(MEMBER, ADMIN, False), (ADMIN, ADMIN, True), (None, 1, False)]
)
def test_levels_in_an_organization(level: int | None, needed: int, allowed: bool) -> None:
    if allowed:
        decide.check_organization(caller(), ORGANIZATION, level=level, needed=needed)
        return
    with pytest.raises(Forbidden):
        decide.check_organization(caller(), ORGANIZATION, level=level, needed=needed)


@pytest.mark.parametrize(("ago", "recent"), [(0, True), (7200, True), (7201, False)])
def test_a_recent_sign_in(ago: int, recent: bool) -> None:
    person = caller(kind="session", authenticated_at=NOW - timedelta(seconds=ago))
    if recent:
        decide.check_recent_login(person, NOW)
        return
    with pytest.raises(Forbidden):
        decide.check_recent_login(person, NOW)


def test_a_key_never_counts_as_a_recent_sign_in() -> None:
    with pytest.raises(Forbidden):
        decide.check_recent_login(caller(), NOW)


def test_tokens() -> None:
    value = new_token("phx_")
    assert len(value) == 47
    assert value != new_token("phx_")
    assert masked(value) == f"phx_...{value[-4:]}"
    assert masked("short") == "********"
    assert len(stored_form(value)) == 64
