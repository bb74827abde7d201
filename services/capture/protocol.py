"""The fast caller of `Intake`: POSTs that libs.kit.hot_http hands over from the parser, answered by callback.

Compiled when there is a compiler (protocol.pxd).
"""

from time import perf_counter

from libs.kit.hot_connection import HotCycle
from libs.kit.hot_http import Headers, Receiver
from services.capture.answers import OK, Answer, Refused, header_lines
from services.capture.bodies import Body, BodyMemory, Overloaded
from services.capture.decision import Request
from services.capture.intake import Asker, Intake

_MOST_ORIGINS = 1_000
_OK = OK
_NO_BODY = Body(BodyMemory(0), 0)


class HotCapture:
    """`HotService` of capture's paths."""

    def __init__(self, intake: Intake):
        self.intake = intake
        self.body_idle_seconds = intake.settings.body_idle_timeout_seconds
        self._retry_after = intake.settings.retry_after_seconds
        self._newest = _OK  # of the answers, and what it is in C:
        self._status = _OK.status
        self._content = _OK.body
        self._of_ok: dict[bytes | None, bytes] = {}  # header lines of the usual answer, by origin
        self._origin: bytes | None = None  # of the newest of them,
        self._lines = self._of_ok[None] = header_lines(_OK, {}, self._retry_after)  # and its lines

    def receive(self, path: str, query: bytes, headers: Headers, peer: str | None, cycle: HotCycle) -> Receiver:
        """A request has begun."""
        receiver = self._receiver(path, headers, cycle)
        receiver.begin(query, peer)
        return receiver

    def take(self, path: str, query: bytes, headers: Headers, peer: str | None, body: bytes, cycle: HotCycle) -> None:
        """A request has come as one."""
        self._receiver(path, headers, cycle).whole(query, peer, body)

    def _receiver(self, path: str, headers: Headers, cycle: HotCycle) -> "CaptureReceiver":
        receiver = CaptureReceiver.__new__(CaptureReceiver)  # compiled, arguments to a class become a tuple
        receiver.open(self, path, headers, cycle)
        return receiver

    def reply(self, cycle: HotCycle, answer: Answer, headers: Headers) -> int:
        """Say the answer. Its status. Neighbours mostly get the same."""
        if answer is not self._newest:
            self._newest, self._status, self._content = answer, answer.status, answer.body
        cycle.reply(self._status, self.lines(answer, headers), self._content)
        return self._status

    def lines(self, answer: Answer, headers: Headers) -> bytes:
        """The header lines of an answer. Neighbours come from the same site."""
        if answer is not _OK or b"access-control-request-headers" in headers:
            return header_lines(answer, headers, self._retry_after)
        origin = headers.get(b"origin")
        if origin == self._origin:
            return self._lines
        lines = self._of_ok.get(origin)
        if lines is None:
            if len(self._of_ok) >= _MOST_ORIGINS:
                self._of_ok.clear()
            lines = self._of_ok[origin] = header_lines(answer, headers, self._retry_after)
        self._origin, self._lines = origin, lines
        return lines


class CaptureReceiver(Asker):
    """One POST. The body is held, and counted, until the answer is there."""

    __slots__ = ("_body", "_cycle", "_headers", "_held", "_peer", "_query", "_service", "_started", "_taken")

    def open(self, service: HotCapture, path: str, headers: Headers, cycle: HotCycle) -> None:
        """Before anything else."""
        self._service = service
        self._path = path
        self._headers = headers
        self._cycle = cycle
        self._body = _NO_BODY  # what comes in pieces
        self._held = 0  # bytes of what has come as one
        self._started = perf_counter()
        self._taken = False

    def whole(self, query: bytes, peer: str | None, body: bytes) -> None:
        """All of it is here: nothing has to be kept until there is more."""
        intake = self._service.intake
        try:
            intake.hold(self._path, len(body))
        except (Refused, Overloaded) as exc:
            self.answered(intake.refuse_unread(self._path, exc))
            return
        self._held = len(body)
        self._ask(query, peer, body)

    def begin(self, query: bytes, peer: str | None) -> None:
        """The body comes in pieces. Refuse one that is announced too large."""
        self._query, self._peer = query, peer
        self._body = self._service.intake.new_body(self._path)
        try:
            self._body.check_declared(self._headers.get(b"content-length"))
        except Refused as refused:
            self.answered(self._service.intake.refuse_unread(self._path, refused))

    def piece(self, data: bytes) -> None:
        """See `Receiver`."""
        try:
            self._body.add(data)
        except (Refused, Overloaded) as exc:
            self.answered(self._service.intake.refuse_unread(self._path, exc))

    def complete(self) -> None:
        """See `Receiver`."""
        self._ask(self._query, self._peer, self._body.take())

    def _ask(self, query: bytes, peer: str | None, body: bytes) -> None:
        self._taken = True
        intake = self._service.intake
        request = Request.__new__(Request)
        request.open("POST", self._path, query, self._headers, body, peer, intake.now_us())
        intake.take(request, self)

    def stalled(self) -> None:
        """See `Receiver`."""
        self.answered(self._service.intake.refuse_unread(self._path, TimeoutError()))

    def gone(self) -> None:
        """See `Receiver`: what was not taken yet is forgotten, what was goes its way."""
        if not self._taken:
            self._let_go()

    def _let_go(self) -> None:
        self._body.release()
        self._service.intake.memory.held -= self._held
        self._held = 0

    def answered(self, answer: Answer) -> None:
        """See `Asker`."""
        self._let_go()
        service, headers = self._service, self._headers
        status = service.reply(self._cycle, answer, headers)
        seconds = perf_counter() - self._started
        service.intake.accounting.answered("POST", self._path, status, seconds, headers.get(b"x-request-id"))
