"""Who may connect: a table of users, each with a password and settings the server forces on every statement."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from hedgerow.embedded.clickhouse.errors import AUTHENTICATION_FAILED, ServerException


@dataclass(frozen=True, slots=True)
class User:
    """`forced` settings are applied last, such as `readonly=2`."""

    password: str
    forced: Mapping[str, str] = field(default_factory=dict)


def authenticate(users: Mapping[str, User], name: str, password: str) -> User:
    """The user, or AUTHENTICATION_FAILED (516), which does not say whether the name exists."""
    user = users.get(name)
    expected = user.password if user else ""
    if not hmac.compare_digest(expected.encode(), password.encode()) or user is None:
        raise ServerException(
            AUTHENTICATION_FAILED,
            f"{name}: Authentication failed: password is incorrect, or there is no user with such name."
            " (AUTHENTICATION_FAILED)",
        )
    return user
