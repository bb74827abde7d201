"""One connection of a server with hot paths (see hot_http.py): the parser's callbacks, and answers in their turn.

Compiled when there is a compiler (hot_connection.pxd has the C types); also plain Python. Every call and attribute here
is paid by every request.
"""

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from libs.kit.plain_request import LOWER, SERVES, plain_request

if TYPE_CHECKING:
    from libs.kit.hot_http import HotPaths, HotService, Receiver

#: How long a client whose bytes we refused may go on sending: closing at once would take our answer from it.
LINGER_SECONDS = 2.0
_PLAIN = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
_STATUS_LINES: dict[int, bytes] = STATUS_LINE
_ASGI: Any = HttpToolsProtocol  # what a `HotConnection` also is, by `hot_http.HotProtocol`
_LOWER = LOWER


class _Nobody:
    """Stands where uvicorn's cycles have the event that wakes their task: a hot request has no task."""

    def set(self) -> None:
        pass


_NOBODY = _Nobody()


class HotCycle:
    """A hot request in uvicorn's pipeline: what uvicorn reads and sets on its own cycles, and the reply."""

    __slots__ = (
        "body", "disconnected", "expects", "keep_alive", "lines", "message_event", "more_body", "patience", "protocol",
        "receiver", "refused", "response_complete", "status",
    )  # fmt: skip
    receiver: "Receiver | None"

    def __init__(self, protocol: "HotConnection", keep_alive: bool, expects: bool):
        self.open(protocol, keep_alive, expects)

    def open(self, protocol: "HotConnection", keep_alive: bool, expects: bool) -> None:
        """What the constructor does. Compiled, arguments to a class become a tuple; those to a method do not."""
        self.protocol = protocol
        self.keep_alive = keep_alive
        self.expects = expects
        self.patience = 0.0
        self.receiver = None
        self.more_body = True
        self.response_complete = False
        self.disconnected = False
        self.refused = False  # its bytes, by us
        self.message_event = _NOBODY
        self.status = 0  # until there is an answer
        self.lines = self.body = b""

    def reply(self, status: int, lines: bytes, body: bytes) -> None:
        """Answer: status, header lines (each with its line end; content-length among them), body. Counts once; later
        ones are ignored."""
        if self.status or self.disconnected:
            return
        self.status, self.lines, self.body = status, lines, body
        if self.expects and self.more_body:
            self.keep_alive = False  # who waited to send a body may send it or not: what follows could be either
        if self.protocol.turn is self:
            self.protocol.advance()

    def leave(self) -> None:
        """The connection has ended."""
        self.disconnected = True
        if not self.status and self.receiver is not None:
            self.receiver.gone()
        self.receiver = None


class Answers:
    """Answers as they stand on the wire. Neighbours mostly get the same, so the newest is kept."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._usual = b""
        self._status = 0
        self._lines = self._body = self._whole = b""

    def whole(self, cycle: HotCycle, usual: list[tuple[bytes, bytes]]) -> bytes:
        """The answer to this request. `usual`: the headers that uvicorn adds to each; it makes a new list of them once
        a second."""
        if usual is not self._headers:
            self._headers = usual
            self._usual = b"".join([b"%b: %b\r\n" % header for header in usual])
            self._status = 0
        status, lines, body = cycle.status, cycle.lines, cycle.body
        if not cycle.keep_alive:
            return b"".join((_STATUS_LINES[status], self._usual, lines, b"connection: close\r\n\r\n", body))
        if status != self._status or lines is not self._lines or body is not self._body:
            self._status, self._lines, self._body = status, lines, body
            self._whole = b"".join((_STATUS_LINES[status], self._usual, lines, b"\r\n", body))
        return self._whole


class HotConnection:
    """The half of `hot_http.HotProtocol` that is ours. `turn` is the hot request whose answer is written next; None
    while it is uvicorn's, or nobody's.

    Pipelined hot requests are worked on at once and answered in turn. While any of them waits, no more is read.
    """

    client: Any
    connections: Any
    cycle: Any
    expect_100_continue: Any
    flow: Any
    headers: Any
    limit_concurrency: Any
    loop: Any
    parser: Any
    pipeline: Any
    server_state: Any
    transport: Any
    url: Any

    def begin(self, shared: "HotPaths") -> None:
        """Before anything else, behind uvicorn's constructor."""
        self.shared = shared
        self.services = shared.services
        self.answers = shared.answers
        self.max_head_bytes = shared.max_head_bytes
        self.turn: HotCycle | None = None
        self.receiving: HotCycle | None = None  # the hot request whose body comes now
        self.in_head = self.began = False  # in a head now; one began in this read
        self.head_bytes = 0
        self.long_read = False
        self.deaf = False  # nothing that comes counts any more
        self.lingering = False  # all was said; what still comes is read only so that the answer is not lost over it
        self.since = self.loop.time()  # when something was last seen to have happened on this connection
        self.stirred = False  # something happened after that
        self.peer: str | None = None  # the address at the other end
        self.full = False  # what we wrote waits in the transport: `flow.write_paused`, as a field of C

    # -- the connection

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        _ASGI.connection_made(self, transport)
        self.peer = self.client[0] if self.client else None
        self.shared.watch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.shared.unwatch(self)
        self.deaf = True
        for cycle in (self.turn, *(queued for queued, _ in self.pipeline)):
            if isinstance(cycle, HotCycle):
                cycle.leave()
        self.turn = self.receiving = None
        self.pipeline.clear()
        _ASGI.connection_lost(self, exc)

    def eof_received(self) -> Any:
        """A client that has sent all it wants may still wait for an answer of ours."""
        cycle = self.cycle
        if isinstance(cycle, HotCycle) and not cycle.response_complete and not cycle.more_body and not self.in_head:
            cycle.keep_alive = False
            return True
        return None

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.lingering:
            return
        self.stirred = True
        if SERVES and not self.in_head and self.is_idle() and self.receive_plain(data):
            return
        self.began = False
        self.long_read = len(data) > self.max_head_bytes
        _ASGI.data_received(self, data)
        if self.in_head and not self.began:  # a head that goes on since an earlier read
            self.head_bytes += len(data)
            if self.head_bytes > self.max_head_bytes:
                self.refuse(431, b"Request header fields are too large.")

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self.full = True
        _ASGI.pause_writing(self)

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self.full = False
        _ASGI.resume_writing(self)
        self.advance()

    def end_if_still(self, now: float) -> None:
        """Close, or answer as stalled, when nothing has happened for longer than this state of things allows."""
        if self.stirred:
            self.since, self.stirred = now, False
        still, cycle = now - self.since, self.turn
        if self.lingering:
            if still > LINGER_SECONDS:
                self.transport.close()
        elif self.full:
            if cycle is not None and still > self.shared.keep_alive_seconds:
                self.transport.abort()
        elif self.in_head:
            if still > self.shared.head_seconds:
                self.transport.close()
        elif self.cycle is None or self.cycle.response_complete:
            in_body = self.cycle is not None and self.cycle.more_body
            if still > (self.shared.head_seconds if in_body else self.shared.keep_alive_seconds):
                self.transport.close()
        elif cycle is not None and cycle is self.receiving and still > cycle.patience:
            cycle.keep_alive = False
            if cycle.receiver is not None:
                cycle.receiver.stalled()

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        """A head begins."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.in_head = self.began = True
        self.head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of it."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of the head."""
        name = _LOWER.get(name) or name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is here: whose is it?"""
        self.in_head = False
        if self.deaf or (self.cycle is not None and not self.cycle.keep_alive):
            self.deaf = True  # it follows a request after which the connection closes
        elif self.long_read and self.head_size() > self.max_head_bytes:
            self.refuse(431, b"Request header fields are too large.")
        elif not self.receive():
            self.leave_to_uvicorn()

    def on_body(self, body: bytes) -> None:
        """A piece of it."""
        cycle = self.receiving
        if cycle is None:
            if not self.deaf:
                _ASGI.on_body(self, body)
        elif not cycle.status and cycle.receiver is not None:
            cycle.receiver.piece(body)

    def on_message_complete(self) -> None:
        """All of a request is here."""
        cycle = self.receiving
        if cycle is None:
            if not self.deaf:
                _ASGI.on_message_complete(self)
                if self.cycle is not None:
                    self.cycle.more_body = False
            return
        self.receiving = None
        cycle.more_body = False
        if not cycle.status and cycle.receiver is not None:
            cycle.receiver.complete()

    def head_size(self) -> int:
        """In bytes, about."""
        return len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])

    def leave_to_uvicorn(self) -> None:
        """Give it the head as if it had come there."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        _ASGI.on_message_begin(self)
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the list that the scope has
        _ASGI.on_headers_complete(self)

    def receive(self) -> bool:
        """Take the request if it is ours. Escaped paths and other rarities are left to ASGI."""
        path, _, query = self.url.partition(b"?")
        found = self.service_of(path)
        if found is None or self.parser.get_method() != b"POST" or self.parser.should_upgrade() or b"#" in query:
            return False
        keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        cycle = HotCycle(self, keep_alive, self.expect_100_continue)
        self.receiving = cycle
        self.enqueue(cycle)
        self.hand_over(cycle, found, query, dict(reversed(self.headers)))
        if self.turn is cycle:
            self.give_leave(cycle)
        return True

    def is_idle(self) -> bool:
        """Whether all that came was answered, and more may come."""
        cycle = self.cycle
        if isinstance(cycle, HotCycle):
            newest: HotCycle = cycle  # the same as below, by fields of C
            return newest.response_complete and newest.keep_alive and not newest.more_body and not self.deaf
        return not self.deaf and (
            cycle is None or (cycle.response_complete and cycle.keep_alive and not cycle.more_body)
        )

    def receive_plain(self, data: bytes) -> bool:
        """Take a read that is one whole plain request of ours; the parser then never hears of it."""
        plain = plain_request(data, self.max_head_bytes)
        if plain is None:
            return False
        path, query, headers, body = plain
        found = self.service_of(path)
        if found is None:
            return False
        cycle = HotCycle.__new__(HotCycle)
        cycle.open(self, True, False)
        cycle.more_body = False
        self.cycle = self.turn = cycle
        known, service = found
        service.take(known, query, headers, self.peer, body, cycle)
        return True

    def service_of(self, path: bytes) -> "tuple[str, HotService] | None":
        """What answers there, if the server has room; if not, uvicorn says so."""
        found: tuple[str, HotService] | None = self.services.get(path)
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            return None
        return found

    def hand_over(
        self, cycle: HotCycle, found: "tuple[str, HotService]", query: bytes, headers: dict[bytes, bytes]
    ) -> None:
        """To whom it is for."""
        path, service = found
        cycle.patience = service.body_idle_seconds
        cycle.receiver = service.receive(path, query, headers, self.peer, cycle)

    # -- answers, in turn

    def enqueue(self, cycle: HotCycle) -> None:
        """Behind the requests that wait."""
        before = self.cycle
        self.cycle = cycle
        if before is None or before.response_complete:
            self.turn = cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, None))  # it needs no app

    def advance(self) -> None:
        """Write the answers whose turn it is."""
        cycle = self.turn
        while cycle is not None and cycle.status and not self.full:
            self.write(cycle)
            self.answered(cycle is self.cycle)
            cycle = self.turn

    def on_response_complete(self) -> None:
        """uvicorn has written an answer."""
        self.answered(False)
        self.advance()

    def answered(self, alone: bool) -> None:
        """The next one's turn. `alone`: it was a hot one that nothing had followed, so nobody waits, and reading goes
        on since its own turn began."""
        self.turn = None
        self.server_state.total_requests += 1
        self.stirred = True
        if alone:
            return
        if self.transport.is_closing():
            return
        if self.pipeline:
            queued, app = self.pipeline.pop()
            if isinstance(queued, HotCycle):
                self.turn = queued
                self.give_leave(queued)
            else:
                _ASGI._start_asgi_task(self, queued, app)
        if self.flow.read_paused and not self.pipeline:
            self.flow.resume_reading()

    def give_leave(self, cycle: HotCycle) -> None:
        """To send the body, to a sender that waits for it."""
        if cycle.expects and cycle.more_body and not cycle.status:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.expects = False

    def write(self, cycle: HotCycle) -> None:
        """Its answer."""
        cycle.response_complete = True
        if self.transport.is_closing():
            return
        self.transport.write(self.answers.whole(cycle, self.server_state.default_headers))
        if not cycle.keep_alive:
            self.hang_up(cycle)
        cycle.receiver = None  # it knows us: a circle, which only the collector would find

    def hang_up(self, cycle: HotCycle) -> None:
        """Behind the last answer."""
        if cycle.refused and self.transport.can_write_eof():
            self.transport.write_eof()
            self.lingering = True
        else:
            self.transport.close()

    # -- what is no HTTP

    def send_400_response(self, msg: str) -> None:
        """uvicorn's name for it."""
        self.refuse(400, msg.encode("ascii"))

    def refuse(self, status: int, text: bytes) -> None:
        """Answer the bytes that cannot be read, in their turn, and close."""
        if self.deaf:
            return
        self.deaf = True
        self.in_head = False
        newest = self.cycle
        if newest is not None and newest.more_body and not newest.response_complete:
            if not isinstance(newest, HotCycle):
                _ASGI.send_400_response(self, text.decode("ascii"))  # in the middle of a request of uvicorn's
                return
            cycle: HotCycle = newest
            self.receiving = None
            if cycle.receiver is not None:
                cycle.receiver.gone()
                cycle.receiver = None
        else:
            cycle = HotCycle(self, False, False)
            self.enqueue(cycle)
        cycle.refused = True
        cycle.keep_alive = cycle.more_body = cycle.expects = False
        cycle.reply(status, _PLAIN % len(text), text)
