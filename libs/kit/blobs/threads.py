"""Blocking calls in a bounded pool of threads, each with a deadline."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from libs.kit.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """At most `workers` calls run at once; the rest wait for a thread, and the wait counts."""

    def __init__(self, name: str, workers: int, timeout_seconds: float):
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._timeout = timeout_seconds

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's result. Raises Unavailable when there is none in time; the call itself cannot be stopped."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                return await loop.run_in_executor(self._pool, partial(call, *args, **kwargs))
        except TimeoutError as exc:
            raise Unavailable("The blob store did not answer in time.") from exc

    def close(self) -> None:
        """Take no more calls; those that run are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
