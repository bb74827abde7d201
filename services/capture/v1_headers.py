"""What a request of the v1 dialect says about itself, checked in PostHog's order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.capture.answers import Refused
from services.capture.identity import canonical_uuid
from services.capture.times import parse_rfc3339
from services.capture.tokens import checked_token

REQUIRED = (
    *("Content-Type", "User-Agent", "PostHog-Sdk-Info", "PostHog-Attempt"),
    *("PostHog-Request-Id", "PostHog-Request-Timestamp"),
)
CODINGS = frozenset(("", "gzip", "deflate", "br", "zstd"))
_LONGEST_SDK_INFO = 200
_LONGEST_NUMBER = 9


@dataclass(frozen=True, slots=True)
class Preamble:
    """A request whose headers are in order. `sent_at` is the sender's clock; `sdk` its library and version."""

    token: str
    coding: str
    sent_at: datetime
    sdk: tuple[str, str] | None


def read_preamble(headers: Mapping[bytes, bytes]) -> Preamble:
    """Raises Refused: 401 without a usable token, 400 for a missing or senseless header, 415 for an unreadable body."""
    if b"authorization" not in headers:
        raise Refused(401, "missing Authorization header", "no_token", tag="invalid_api_token")
    missing = [name for name in REQUIRED if not headers.get(name.lower().encode())]
    if missing:
        text = f"request is missing required headers: {', '.join(missing)}"
        raise Refused(400, text, "missing_headers", tag="missing_required_headers")
    token = bearer_token(headers[b"authorization"])
    _check_content_type(headers[b"content-type"])
    coding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
    if coding not in CODINGS:
        text = f"unsupported content encoding: {coding[:64]}"
        raise Refused(415, text, "unsupported_encoding", tag="unsupported_encoding")
    if request_id_of(headers) is None:
        raise _senseless("PostHog-Request-Id")
    attempt = headers[b"posthog-attempt"].strip()
    if not attempt.isdigit() or len(attempt) > _LONGEST_NUMBER or int(attempt) < 1:
        raise _senseless("PostHog-Attempt")
    sent_at = parse_rfc3339(headers[b"posthog-request-timestamp"].decode("latin-1").strip())
    if sent_at is None:
        raise _senseless("PostHog-Request-Timestamp")
    return Preamble(token, coding, sent_at, sdk_of(headers[b"posthog-sdk-info"].decode("latin-1")))


def bearer_token(authorization: bytes) -> str:
    """Raises Refused: 400 for another scheme, 401 for what cannot be a project's token."""
    scheme, _, token = authorization.decode("latin-1").strip().partition(" ")
    if scheme.lower() != "bearer":
        raise _senseless("Authorization")
    return checked_token(token, events=1)


def request_id_of(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The request's id as it was sent, if it is a UUID."""
    sent = headers.get(b"posthog-request-id", b"").strip()
    try:
        canonical_uuid(sent.decode("latin-1"))
    except ValueError:
        return None
    return sent


def sdk_of(info: str) -> tuple[str, str] | None:
    """`posthog-node/5.1` -> library and version; None when it does not name both."""
    library, _, version = info.strip().rpartition("/")
    library, version = library.strip(), version.strip()
    return (library, version) if library and version and len(info) <= _LONGEST_SDK_INFO else None


def _check_content_type(content_type: bytes) -> None:
    kind = content_type.decode("latin-1").partition(";")[0].strip().lower()
    if kind != "application/json":
        text = f"unsupported content type: {kind[:64]}"
        raise Refused(415, text, "unsupported_content_type", tag="unsupported_content_type")


def _senseless(name: str) -> Refused:
    return Refused(400, f"invalid header value: {name}", "bad_header", tag="invalid_header_value")
