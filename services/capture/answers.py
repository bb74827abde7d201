"""What capture says back. SDKs look at the status; people who debug look at the text, so both are PostHog's."""

from dataclasses import dataclass

from services.capture.client import Headers, cors_headers

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, without the headers that depend on the request (see `answer_headers`)."""

    status: int
    body: bytes = b""
    content_type: bytes | None = None


OK = Answer(200, b'{"status":"Ok"}', JSON)
NO_CONTENT = Answer(204)  # only for beacon=1: posthog-js sends anything else that is answered 204 again
PREFLIGHT = Answer(200)
NOT_FOUND = Answer(404)
METHOD_NOT_ALLOWED = Answer(405)
TRANSIENT = Answer(503, b"transient error, please retry", TEXT)  # not taken, or not known to be: send the same again
STALLED = Answer(408, b"client stopped sending data", TEXT)
OUR_BUG = Answer(500, b"internal server error", TEXT)


def answer_headers(answer: Answer, request: Headers, retry_after_seconds: int) -> list[tuple[bytes, bytes]]:
    """All headers of the answer to a request with these headers."""
    said = cors_headers(request)
    if answer.status != 204:
        said.append((b"content-length", b"%d" % len(answer.body)))
    if answer.content_type:
        said.append((b"content-type", answer.content_type))
    if answer.status == 503:
        said.append((b"retry-after", b"%d" % retry_after_seconds))
    if answer.status == 405:
        said.append((b"allow", b"GET,POST,OPTIONS"))
    return said


def header_lines(answer: Answer, request: Headers, retry_after_seconds: int) -> bytes:
    """The same as they stand on the wire, each with its line end."""
    said = answer_headers(answer, request, retry_after_seconds)
    return b"".join(b"%b: %b\r\n" % header for header in said)


class Refused(Exception):
    """The request is not taken, and nothing of it is. `reason` is a metric label: a word of ours, never input.

    `events` is how many events it held as far as anyone got to know.
    """

    def __init__(self, status: int, text: str, reason: str, *, events: int = 1):
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason
        self.events = events

    @property
    def answer(self) -> Answer:
        """The refusal as an answer."""
        return Answer(self.status, self.text.encode(), TEXT)


def undecodable(detail: str, reason: str) -> Refused:
    """The bytes are not what they claim to be."""
    return Refused(400, f"failed to decode request: {detail}", reason)


def unparsable(detail: str) -> Refused:
    """Not JSON, or JSON of no known shape."""
    return Refused(400, f"failed to parse request: {detail}", "unparsable")


def too_large(detail: str, reason: str) -> Refused:
    """Over one of the size limits."""
    return Refused(413, f"maximum event size exceeded: {detail}", reason)
