"""The fast caller of `Intake`: POSTs that libs.kit.hot_http hands over from the parser, answered by callback.

Compiled when there is a compiler (protocol.pxd).
"""

from time import perf_counter

from libs.kit.hot_connection import HotCycle
from libs.kit.hot_http import Headers, Receiver
from services.capture.answers import OK, Answer, Refused, header_lines
from services.capture.bodies import Overloaded
from services.capture.decision import Request
from services.capture.intake import Asker, Intake

_MOST_ORIGINS = 1_000
_OK = OK


class HotCapture:
    """`HotService` of capture's paths."""

    def __init__(self, intake: Intake):
        self.intake = intake
        self.body_idle_seconds = intake.settings.body_idle_timeout_seconds
        self._retry_after = intake.settings.retry_after_seconds
        self._of_ok: dict[bytes | None, bytes] = {}  # header lines of the usual answer, by origin

    def receive(self, path: str, query: bytes, headers: Headers, peer: str | None, cycle: HotCycle) -> Receiver:
        """A request has begun."""
        receiver = self._receiver(path, query, headers, peer, cycle)
        receiver.begin()
        return receiver

    def take(self, path: str, query: bytes, headers: Headers, peer: str | None, body: bytes, cycle: HotCycle) -> None:
        """A request has come as one."""
        receiver = self._receiver(path, query, headers, peer, cycle)
        if receiver.keep(body):
            receiver.complete()

    def _receiver(
        self, path: str, query: bytes, headers: Headers, peer: str | None, cycle: HotCycle
    ) -> "CaptureReceiver":
        receiver = CaptureReceiver.__new__(CaptureReceiver)  # compiled, arguments to a class become a tuple
        receiver.open(self, path, query, headers, peer, cycle)
        return receiver

    def lines(self, answer: Answer, headers: Headers) -> bytes:
        """The header lines of an answer. Neighbours come from the same site."""
        if answer is not _OK or b"access-control-request-headers" in headers:
            return header_lines(answer, headers, self._retry_after)
        origin = headers.get(b"origin")
        lines = self._of_ok.get(origin)
        if lines is None:
            if len(self._of_ok) >= _MOST_ORIGINS:
                self._of_ok.clear()
            lines = self._of_ok[origin] = header_lines(answer, headers, self._retry_after)
        return lines


class CaptureReceiver(Asker):
    """One POST. The body is held, and counted, until the answer is there."""

    __slots__ = ("_body", "_cycle", "_headers", "_peer", "_query", "_service", "_started", "_taken")

    def open(
        self, service: HotCapture, path: str, query: bytes, headers: Headers, peer: str | None, cycle: HotCycle
    ) -> None:
        """Before anything else."""
        self._service = service
        self._path = path
        self._query = query
        self._headers = headers
        self._peer = peer
        self._cycle = cycle
        self._body = service.intake.new_body(path)
        self._started = perf_counter()
        self._taken = False

    def begin(self) -> None:
        """Refuse a body that is announced too large."""
        try:
            self._body.check_declared(self._headers.get(b"content-length"))
        except Refused as refused:
            self.answered(self._service.intake.refuse_unread(self._path, refused))

    def piece(self, data: bytes) -> None:
        """See `Receiver`."""
        self.keep(data)

    def keep(self, data: bytes) -> bool:
        """Whether there is room for this piece of the body; the request is answered when there is not."""
        try:
            self._body.add(data)
        except (Refused, Overloaded) as exc:
            self.answered(self._service.intake.refuse_unread(self._path, exc))
            return False
        return True

    def complete(self) -> None:
        """See `Receiver`."""
        self._taken = True
        intake = self._service.intake
        intake.take(
            Request("POST", self._path, self._query, self._headers, self._body.take(), self._peer, intake.now_us()),
            self,
        )

    def stalled(self) -> None:
        """See `Receiver`."""
        self.answered(self._service.intake.refuse_unread(self._path, TimeoutError()))

    def gone(self) -> None:
        """See `Receiver`: what was not taken yet is forgotten, what was goes its way."""
        if not self._taken:
            self._body.release()

    def answered(self, answer: Answer) -> None:
        """See `Asker`."""
        self._body.release()
        service, headers = self._service, self._headers
        self._cycle.reply(answer.status, service.lines(answer, headers), answer.body)
        seconds = perf_counter() - self._started
        service.intake.accounting.answered("POST", self._path, answer.status, seconds, headers.get(b"x-request-id"))
