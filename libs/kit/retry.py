"""Bounded retries with full jitter, and the endless ones of a consumer that must not drop."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from libs.kit.clock import Clock
from libs.kit.errors import HedgerowError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long. `budget_seconds` bounds the whole, sleeps included."""

    attempts: int = 3
    base_seconds: float = 0.1
    cap_seconds: float = 2.0
    budget_seconds: float = 10.0

    def delay(self, attempt: int) -> float:
        """Seconds before attempt number `attempt` (the first retry is 1): uniform in (0, capped exponential]."""
        return random.uniform(0, min(self.cap_seconds, self.base_seconds * 2 ** (attempt - 1)))  # noqa: S311


async def retrying(call: Callable[[], Awaitable[T]], policy: RetryPolicy, clock: Clock) -> T:
    """Run `call` again while it raises a retryable HedgerowError, within the policy; then raise the last one."""
    deadline = clock.monotonic() + policy.budget_seconds
    attempt = 0
    while True:
        try:
            return await call()
        except HedgerowError as exc:
            attempt += 1
            pause = policy.delay(attempt)
            if not exc.retryable or attempt >= policy.attempts or clock.monotonic() + pause > deadline:
                raise
        await clock.sleep(pause)


class Attempt:
    """One try inside `until_settled`; a retryable error leaves it swallowed and is tried again."""

    def __init__(self) -> None:
        self.settled = False
        self.error: HedgerowError | None = None

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> bool:
        if exc is None:
            self.settled = True
            return False
        if isinstance(exc, HedgerowError) and exc.retryable:
            self.error = exc
            return True
        return False


async def until_settled(
    clock: Clock,
    stop: asyncio.Event,
    policy: RetryPolicy | None = None,
    on_retry: Callable[[HedgerowError], None] | None = None,
) -> AsyncIterator[Attempt]:
    """Attempts at one batch, until one succeeds: an outage delays a batch, it never drops or re-cuts it.

    When `stop` is set between attempts, the iteration ends with the last attempt not settled; the caller must then
    leave the position where it was, and the batch comes back at the next start.
    """
    policy = policy or RetryPolicy(base_seconds=0.1, cap_seconds=5.0)
    number = 0
    while True:
        attempt = Attempt()
        yield attempt
        if attempt.settled or stop.is_set():
            return
        number += 1
        if on_retry and attempt.error:
            on_retry(attempt.error)
        sleep = asyncio.ensure_future(clock.sleep(max(0.05, policy.delay(min(number, 10)))))
        waiter = asyncio.ensure_future(stop.wait())
        await asyncio.wait({sleep, waiter}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleep, waiter):
            task.cancel()
