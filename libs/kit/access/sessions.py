"""Sessions in the `state` server: `session:<sha256 of the id>` -> JSON, for 14 days.

The server never holds an id that a cookie could be made from. A session also keeps a fingerprint of the password it
was opened with, so that a changed password ends every session of that user without a list of them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.kit.access.credentials import SESSION_SECONDS
from libs.kit.access.tokens import new_token, stored_form
from libs.kit.errors import Unavailable


class Session(msgspec.Struct, frozen=True):
    """A signed-in browser. `fingerprint`: of the password, see passwords.py."""

    user_id: int
    authenticated_at: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens, finds and ends sessions. Raises Unavailable while the server is away."""

    state: Redis

    async def open(self, session: Session) -> str:
        """A new id for it: made here, never taken from the browser, so nobody can plant one."""
        session_id = new_token("")
        async with translated():
            await self.state.set(_key(session_id), msgspec.json.encode(session), ex=SESSION_SECONDS)
        return session_id

    async def find(self, session_id: str) -> Session | None:
        """The session, or None if it has ended."""
        async with translated():
            stored = await self.state.get(_key(session_id))
        try:
            return msgspec.json.decode(stored, type=Session) if stored else None
        except msgspec.DecodeError:  # written by another version
            return None

    async def end(self, session_id: str) -> None:
        """Forget it; nothing happens when it is not there."""
        async with translated():
            await self.state.delete(_key(session_id))


def _key(session_id: str) -> str:
    return f"session:{stored_form(session_id)}"


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """The driver's errors in our words."""
    try:
        yield
    except (RedisError, OSError) as exc:
        raise Unavailable("The state server does not answer.") from exc
