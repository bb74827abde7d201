"""Requests answered past ASGI: a uvicorn protocol that gives POSTs to hot paths straight to plain functions.

A task, a scope and a queue per request cost more than what our hot endpoints do. So a POST to one of `HotPaths` is
received and answered from the parser's callbacks, and everything else goes to uvicorn's own protocol unchanged. What
ASGI servers give for free is kept here: answers in the order of the requests, one each; chunked bodies;
`Expect: 100-continue`; clients that are slow, half-closed or gone; bounded heads; keep-alive; graceful stop.

A hot request stands in uvicorn's own pipeline as a `HotCycle`, which has what uvicorn asks of its request cycles. So
both kinds of request may follow each other on one connection. uvicorn is pinned: this leans on its internals.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from libs.kit.hot_connection import Answers, HotConnection, HotCycle

Headers = dict[bytes, bytes]


class Receiver(Protocol):
    """One hot request, as it comes. Called on the event loop only; must not raise. Answers by `HotCycle.reply`, now or
    later, also before the body is complete: what follows of it is then read and thrown away."""

    def piece(self, data: bytes) -> None:
        """A piece of the body."""

    def complete(self) -> None:
        """That was all of it."""

    def stalled(self) -> None:
        """The next piece did not come in time; the connection closes behind the reply."""

    def gone(self) -> None:
        """Nobody is left to reply to."""


class HotService(Protocol):
    """What answers on a hot path."""

    body_idle_seconds: float

    def receive(self, path: str, query: bytes, headers: Headers, peer: str | None, cycle: HotCycle) -> Receiver:
        """A request's head has come: names of headers in lower case, of repeated ones the first. Must not raise.
        Those in `plain_request.LEFT_OUT` may be missing."""

    def take(self, path: str, query: bytes, headers: Headers, peer: str | None, body: bytes, cycle: HotCycle) -> None:
        """The same for a request that has come as one, which is most of them."""


class HotPaths:
    """What all connections of one server share: the paths, and the clock that ends connections which stand still.

    head_seconds, max_head_bytes: what the head of a request may take. keep_alive_seconds: how long a connection may be
    idle. All of them hold for every request, hot or not; what follows the head of one that is not is uvicorn's.
    """

    def __init__(
        self,
        services: Mapping[str, HotService],
        *,
        head_seconds: float = 30.0,
        keep_alive_seconds: float = 65.0,
        max_head_bytes: int = 65536,
    ):
        self.services = {path.encode(): (path, service) for path, service in services.items()}
        self.head_seconds = head_seconds
        self.keep_alive_seconds = keep_alive_seconds
        self.max_head_bytes = max_head_bytes
        patience = [head_seconds, keep_alive_seconds, *(service.body_idle_seconds for service in services.values())]
        self._interval = min(1.0, min(patience) / 2)
        self._connections: set[HotConnection] = set()
        self._sweeping = False
        self.answers = Answers()

    def protocol_class(self) -> type["HotProtocol"]:
        """For `uvicorn.Config(http=...)`."""
        return type("HotPathsProtocol", (HotProtocol,), {"hot": self})

    def watch(self, connection: HotConnection) -> None:
        """End this connection when it stands still."""
        self._connections.add(connection)
        if not self._sweeping:
            self._sweeping = True
            connection.loop.call_later(self._interval, self._sweep, connection.loop)

    def unwatch(self, connection: HotConnection) -> None:
        """It has ended."""
        self._connections.discard(connection)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._connections):
            connection.end_if_still(now)
        self._sweeping = bool(self._connections)
        if self._sweeping:
            loop.call_later(self._interval, self._sweep, loop)


class HotProtocol(HotConnection, HttpToolsProtocol):
    """One connection: our half first, and uvicorn's for what is not hot."""

    hot: HotPaths

    def __init__(self, *args: Any, **kwargs: Any):
        HttpToolsProtocol.__init__(self, *args, **kwargs)
        self.begin(self.hot)
