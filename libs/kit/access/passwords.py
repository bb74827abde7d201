"""Passwords: Argon2id with RFC 9106's profile for small machines, in threads, a few at a time.

One check takes 64 MiB and tens of milliseconds, so only two run at once and only so many wait: a flood of sign-ins
costs its senders an error, not us the machine.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from libs.kit.errors import RateLimited

T = TypeVar("T")

PROFILE = RFC_9106_LOW_MEMORY
MAX_LENGTH = 4096
_CONCURRENT = 2
_WAITING = 64


class Passwords:
    """Hashes and checks. A check takes as long for an unknown user as for a known one."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher.from_parameters(PROFILE)
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._waiting = 0
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Argon2's text for a new password."""
        return await self._off_loop(partial(self._hasher.hash, password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is right. `stored` None (no such user) costs the same time, and is False."""
        if len(password) > MAX_LENGTH:
            return False
        if self._nobody is None:
            self._nobody = await self.hash("nobody has this password")
        right = await self._off_loop(partial(self._verify, stored or self._nobody, password))
        return right and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether the stored text was made with a weaker profile than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _off_loop(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING:
            raise RateLimited("Too many sign-ins at once. Try again in a moment.", retry_after=2)
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def fingerprint(secret_key: str, stored: str) -> str:
    """What a session keeps of the password it was opened with: another password ends it (Django's auth hash)."""
    return hmac.new(secret_key.encode(), stored.encode(), hashlib.sha256).hexdigest()
