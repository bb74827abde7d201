"""Requests answered past ASGI: a uvicorn protocol that gives POSTs to hot paths straight to plain functions.

A task, a scope and a queue per request cost more than what our hot endpoints do. So a POST to one of `HotPaths` is
received and answered from the parser's callbacks, and everything else goes to uvicorn's own protocol unchanged. What
ASGI servers give for free is kept here: answers in the order of the requests, one each; chunked bodies;
`Expect: 100-continue`; clients that are slow, half-closed or gone; bounded heads; keep-alive; graceful stop.

A hot request stands in uvicorn's own pipeline as a `HotCycle`, which has what uvicorn asks of its request cycles. So
both kinds of request may follow each other on one connection. uvicorn is pinned: this leans on its internals.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

Headers = list[tuple[bytes, bytes]]
#: Status, header lines (each with its line end; content-length among them), body. Counts once; later ones are ignored.
Reply = Callable[[int, bytes, bytes], None]
#: How long a client whose bytes we refused may go on sending: closing at once would take our answer from it.
LINGER_SECONDS = 2.0
_PLAIN = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"


class Receiver(Protocol):
    """One hot request, as it comes. Called on the event loop only; must not raise. Replies through its `Reply`, now or
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

    def receive(self, path: str, query: bytes, headers: Headers, peer: str | None, reply: Reply) -> Receiver:
        """A request's head has come; header names are in lower case. Must not raise."""


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
        self._connections: set[HotProtocol] = set()
        self._sweeping = False
        self._default_headers: Headers | None = None
        self._default_lines = b""

    def protocol_class(self) -> type["HotProtocol"]:
        """For `uvicorn.Config(http=...)`."""
        return type("HotPathsProtocol", (HotProtocol,), {"hot": self})

    def watch(self, connection: "HotProtocol") -> None:
        """End this connection when it stands still."""
        self._connections.add(connection)
        if not self._sweeping:
            self._sweeping = True
            connection.loop.call_later(self._interval, self._sweep, connection.loop)

    def unwatch(self, connection: "HotProtocol") -> None:
        """It has ended."""
        self._connections.discard(connection)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._connections):
            connection.end_if_still(now)
        self._sweeping = bool(self._connections)
        if self._sweeping:
            loop.call_later(self._interval, self._sweep, loop)

    def default_lines(self, headers: Headers) -> bytes:
        """The headers that uvicorn adds to each answer, as lines. It makes a new list of them once a second."""
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._default_lines


class _Nobody:
    """Stands where uvicorn's cycles have the event that wakes their task: a hot request has no task."""

    def set(self) -> None:
        pass


class HotCycle:
    """A hot request in uvicorn's pipeline: what uvicorn reads and sets on its own cycles, and the reply."""

    __slots__ = (
        "answer", "disconnected", "expects", "keep_alive", "more_body", "patience", "protocol", "receiver",
        "response_complete",
    )  # fmt: skip
    message_event = _Nobody()
    receiver: Receiver | None

    def __init__(self, protocol: "HotProtocol", keep_alive: bool, expects: bool, patience: float):
        self.protocol = protocol
        self.keep_alive = keep_alive
        self.expects = expects
        self.patience = patience
        self.receiver = None
        self.more_body = True
        self.response_complete = False
        self.disconnected = False
        self.answer: tuple[int, bytes, bytes] | None = None

    def reply(self, status: int, lines: bytes, body: bytes) -> None:
        """See `Reply`."""
        if self.answer is not None or self.disconnected:
            return
        self.answer = (status, lines, body)
        if self.expects and self.more_body:
            self.keep_alive = False  # who waited to send a body may send it or not: what follows could be either
        if self.protocol.turn is self:
            self.protocol.advance()

    def leave(self) -> None:
        """The connection has ended."""
        self.disconnected = True
        if self.answer is None and self.receiver is not None:
            self.receiver.gone()


class HotProtocol(HttpToolsProtocol):
    """One connection. `turn` is the hot request whose answer is written next; None while it is uvicorn's, or nobody's.

    Pipelined hot requests are worked on at once and answered in turn. While any of them waits, no more is read.
    """

    hot: HotPaths

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.turn: HotCycle | None = None
        self._receiving: HotCycle | None = None  # the hot request whose body comes now
        self._in_head = self._began = False  # in a head now; one began in this read
        self._head_bytes = 0
        self._long_read = False
        self._deaf = False  # nothing that comes counts any more
        self._lingering = False  # all was said; what still comes is read only so that the answer is not lost over it
        self._since = self.loop.time()  # when something last happened on this connection

    # -- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.hot.watch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.hot.unwatch(self)
        self._deaf = True
        for cycle in (self.turn, *(queued for queued, _ in self.pipeline)):
            if isinstance(cycle, HotCycle):
                cycle.leave()
        self.turn = self._receiving = None
        self.pipeline.clear()
        super().connection_lost(exc)

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio's own type; uvicorn narrowed it
        """A client that has sent all it wants may still wait for an answer of ours."""
        cycle: Any = self.cycle
        if isinstance(cycle, HotCycle) and not cycle.response_complete and not cycle.more_body and not self._in_head:
            cycle.keep_alive = False
            return True
        return None

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        self._since = self.loop.time()
        self._began = False
        self._long_read = len(data) > self.hot.max_head_bytes
        super().data_received(data)
        if self._in_head and not self._began:  # a head that goes on since an earlier read
            self._head_bytes += len(data)
            if self._head_bytes > self.hot.max_head_bytes:
                self._refuse(431, b"Request header fields are too large.")

    def resume_writing(self) -> None:
        super().resume_writing()
        self.advance()

    def end_if_still(self, now: float) -> None:
        """Close, or answer as stalled, when nothing has happened for longer than this state of things allows."""
        still, cycle = now - self._since, self.turn
        if self._lingering:
            if still > LINGER_SECONDS:
                self.transport.close()
        elif self.flow.write_paused:
            if cycle is not None and still > self.hot.keep_alive_seconds:
                self.transport.abort()
        elif self._in_head:
            if still > self.hot.head_seconds:
                self.transport.close()
        elif self.cycle is None or self.cycle.response_complete:
            if still > (self.hot.head_seconds if self.cycle and self.cycle.more_body else self.hot.keep_alive_seconds):
                self.transport.close()
        elif cycle is not None and cycle is self._receiving and still > cycle.patience:
            cycle.keep_alive = False
            if cycle.receiver is not None:
                cycle.receiver.stalled()

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = self._began = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._deaf or (self.cycle is not None and not self.cycle.keep_alive):
            self._deaf = True  # it follows a request after which the connection closes
        elif self._long_read and self._head_size() > self.hot.max_head_bytes:
            self._refuse(431, b"Request header fields are too large.")
        elif (found := self._hot_service()) is None:
            self._leave_to_uvicorn()
        else:
            self._receive(*found)

    def on_body(self, body: bytes) -> None:
        cycle = self._receiving
        if cycle is None:
            if not self._deaf:
                super().on_body(body)
            return
        if cycle.answer is None and cycle.receiver is not None:
            cycle.receiver.piece(body)

    def on_message_complete(self) -> None:
        cycle = self._receiving
        if cycle is None:
            if not self._deaf:
                super().on_message_complete()
                if self.cycle is not None:
                    self.cycle.more_body = False
            return
        self._receiving = None
        cycle.more_body = False
        if cycle.answer is None and cycle.receiver is not None:
            cycle.receiver.complete()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _hot_service(self) -> tuple[str, bytes, HotService] | None:
        """Path, query and service of a request that is ours. Escaped paths and other rarities are left to ASGI."""
        path, _, query = self.url.partition(b"?")
        found = self.hot.services.get(path)
        if found is None or self.parser.get_method() != b"POST" or self.parser.should_upgrade() or b"#" in query:
            return None
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            return None  # uvicorn then answers 503
        return found[0], query, found[1]

    def _leave_to_uvicorn(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the list that the scope has
        super().on_headers_complete()

    def _receive(self, path: str, query: bytes, service: HotService) -> None:
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        cycle = HotCycle(self, keep_alive, self.expect_100_continue, service.body_idle_seconds)
        self._receiving = cycle
        self._enqueue(cycle)
        peer = self.client[0] if self.client else None
        cycle.receiver = service.receive(path, query, self.headers, peer, cycle.reply)
        if self.turn is cycle:
            self._continue(cycle)

    # -- answers, in turn

    def _enqueue(self, cycle: HotCycle) -> None:
        before: Any = self.cycle
        self.cycle = cycle  # type: ignore[assignment]  # it has what uvicorn asks of a cycle
        if before is None or before.response_complete:
            self.turn = cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, None))  # type: ignore[arg-type]  # it needs no app

    def advance(self) -> None:
        """Write the answers whose turn it is."""
        while (cycle := self.turn) is not None and cycle.answer is not None and not self.flow.write_paused:
            self._write(cycle, *cycle.answer)
            self._answered()

    def on_response_complete(self) -> None:
        self._answered()
        self.advance()

    def _answered(self) -> None:
        self.turn = None
        self.server_state.total_requests += 1
        self._since = self.loop.time()
        if self.transport.is_closing():
            return
        if self.pipeline:
            queued: tuple[Any, Any] = self.pipeline.pop()
            if isinstance(queued[0], HotCycle):
                self.turn = queued[0]
                self._continue(queued[0])
            else:
                self._start_asgi_task(*queued)
        if not self.pipeline:
            self.flow.resume_reading()

    def _continue(self, cycle: HotCycle) -> None:
        if cycle.expects and cycle.more_body and cycle.answer is None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.expects = False

    def _write(self, cycle: HotCycle, status: int, lines: bytes, body: bytes) -> None:
        cycle.response_complete = True
        if self.transport.is_closing():
            return
        usual = self.hot.default_lines(self.server_state.default_headers)
        if cycle.keep_alive:
            self.transport.write(b"".join((STATUS_LINE[status], usual, lines, b"\r\n", body)))
        else:
            self.transport.write(b"".join((STATUS_LINE[status], usual, lines, b"connection: close\r\n\r\n", body)))
            self._hang_up(cycle)

    def _hang_up(self, cycle: HotCycle) -> None:
        if cycle.receiver is None and self.transport.can_write_eof():  # one that we refused to read
            self.transport.write_eof()
            self._lingering = True
        else:
            self.transport.close()

    # -- what is no HTTP

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg.encode("ascii"))

    def _refuse(self, status: int, text: bytes) -> None:
        """Answer the bytes that cannot be read, in their turn, and close."""
        if self._deaf:
            return
        self._deaf = True
        self._in_head = False
        newest: Any = self.cycle
        if newest is not None and newest.more_body and not newest.response_complete:
            if not isinstance(newest, HotCycle):
                super().send_400_response(text.decode("ascii"))  # in the middle of a request of uvicorn's
                return
            cycle, self._receiving = newest, None
            if cycle.receiver is not None:
                cycle.receiver.gone()
                cycle.receiver = None
        else:
            cycle = HotCycle(self, False, False, 0.0)
            self._enqueue(cycle)
        cycle.keep_alive = cycle.more_body = cycle.expects = False
        cycle.reply(status, _PLAIN % len(text), text)
