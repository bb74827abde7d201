"""What capture says back. SDKs look at the status; people who debug look at the text, so both are PostHog's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from services.capture.client import Headers, cors_headers

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, without the headers that depend on the request (see `answer_headers`)."""

    status: int
    body: bytes = b""
    content_type: bytes | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


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
    said = [*cors_headers(request), *answer.headers]
    if answer.status != 204:
        said.append((b"content-length", b"%d" % len(answer.body)))
    if answer.content_type:
        said.append((b"content-type", answer.content_type))
    if answer.status in (429, 503) and RETRY_SOON not in answer.headers:
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

    `events` is how many events it held as far as anyone got to know. `tag` is PostHog's word for it in the v1 dialect;
    without one it follows from the status.
    """

    def __init__(self, status: int, text: str, reason: str, *, events: int = 1, tag: str = ""):
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason
        self.events = events
        self.tag = tag
        self.token = ""  # whose events they are, once that is known

    @property
    def answer(self) -> Answer:
        """The refusal as an answer in the v0 dialect."""
        return Answer(self.status, self.text.encode(), TEXT)


@contextmanager
def refused_to(token: str) -> Iterator[None]:
    """A refusal from here on is one to this project."""
    try:
        yield
    except Refused as refused:
        refused.token = token
        raise


def too_fast(events: int) -> Refused:
    """The project is above its rate."""
    return Refused(429, "rate limited", "rate_limited", events=events, tag="rate_limited")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of endpoints says what went wrong around a decision, whoever called it."""

    is_json: bool

    def refusal(self, refused: Refused) -> Answer:
        """What a refusal looks like."""
        if not self.is_json:
            return refused.answer
        return json_error(refused.status, refused.tag or _TAGS.get(refused.status, "invalid_batch"), refused.text)

    @property
    def transient(self) -> Answer:
        """Not taken, or not known to be: send the same again."""
        return json_error(503, "service_unavailable", "Service Unavailable") if self.is_json else TRANSIENT

    @property
    def stalled(self) -> Answer:
        """The body did not come in time."""
        text = "body read stalled before the request was complete"
        return json_error(408, "body_read_timeout", text) if self.is_json else STALLED

    @property
    def our_bug(self) -> Answer:
        """An exception nobody expected."""
        return json_error(500, "internal_error", "Internal Server Error") if self.is_json else OUR_BUG


V0 = Dialect(is_json=False)
V1 = Dialect(is_json=True)
_TAGS: Mapping[int, str] = {
    400: "request_decoding_error",
    401: "invalid_api_token",
    408: "body_read_timeout",
    413: "payload_too_large",
    415: "unsupported_content_type",
    500: "internal_error",
    503: "service_unavailable",
}
RETRY_SOON = (b"retry-after", b"1")
_UNDERSTOOD = ((b"accept", b"application/json"), (b"accept-encoding", b"gzip, deflate, br, zstd"))


def json_error(status: int, tag: str, description: str) -> Answer:
    """An error of the v1 dialect. The tag is what clients branch on; those they may repeat say when."""
    body = {"error": tag, "error_description": description, "error_uri": "https://posthog.com/docs/api"}
    retry = (RETRY_SOON,) if status in (408, 429, 500, 503) else ()
    return Answer(status, msgspec.json.encode(body), JSON, (*_UNDERSTOOD, *retry))


def undecodable(detail: str, reason: str) -> Refused:
    """The bytes are not what they claim to be."""
    return Refused(400, f"failed to decode request: {detail}", reason)


def unparsable(detail: str) -> Refused:
    """Not JSON, or JSON of no known shape."""
    return Refused(400, f"failed to parse request: {detail}", "unparsable")


def too_large(detail: str, reason: str) -> Refused:
    """Over one of the size limits."""
    return Refused(413, f"maximum event size exceeded: {detail}", reason)
