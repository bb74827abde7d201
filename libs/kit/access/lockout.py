"""How many wrong passwords, from where, before we stop listening for a while.

An attempt is counted before its password is looked at, in one step, so that a hundred at once get no more tries than a
hundred in a row. Counted per address and e-mail (PostHog's limit), so nobody can lock another person out from
elsewhere; and per address alone, against one password tried on many people.
"""

from dataclasses import dataclass

from redis.asyncio import Redis

from libs.kit.access.sessions import translated
from libs.kit.access.tokens import stored_form
from libs.kit.errors import Forbidden, RateLimited

FAILURES = 30
FAILURES_PER_ADDRESS = 200
COOL_OFF_SECONDS = 600
PRECHECKS_PER_MINUTE = 30


@dataclass(frozen=True, slots=True)
class Lockout:
    """Counters in the `state` server, in windows that start at the first failure."""

    state: Redis

    async def before_attempt(self, address: str, email: str) -> None:
        """Count an attempt. Raises Forbidden if there were too many; a right password does not help then."""
        for key, limit in ((_pair(address, email), FAILURES), (_address(address), FAILURES_PER_ADDRESS)):
            if await self._count(key, COOL_OFF_SECONDS) > limit:
                minutes = COOL_OFF_SECONDS // 60
                raise Forbidden(
                    f"Too many failed login attempts. Please try again in {minutes} minutes.",
                    code="too_many_failed_attempts",
                )

    async def after_success(self, address: str, email: str) -> None:
        """Forget what this person mistyped, and that this attempt was counted."""
        async with translated():
            await self.state.delete(_pair(address, email))
            await self.state.decr(_address(address))

    async def before_precheck(self, address: str) -> None:
        """Count a look-up of how someone signs in. Raises RateLimited."""
        if await self._count(f"precheck:{address}", 60) > PRECHECKS_PER_MINUTE:
            raise RateLimited("Request was throttled. Expected available in 60 seconds.", retry_after=60)

    async def _count(self, key: str, seconds: int) -> int:
        async with translated(), self.state.pipeline(transaction=True) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, seconds, nx=True)
            count: int = (await pipeline.execute())[0]
        return count


def _pair(address: str, email: str) -> str:
    return f"login_failures:{stored_form(f'{address} {email.lower()}')}"


def _address(address: str) -> str:
    return f"login_failures_from:{address}"
