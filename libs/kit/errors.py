"""The error tree. Driver exceptions are translated where they are met; nothing above a client sees one.

HedgerowError                500  a bug of ours
  InvalidRequest             400  the caller sent something wrong; the message says what
  Unauthorized               401  no such credential
  Forbidden                  403  the credential may not do this
  NotFound                   404
  MethodNotAllowed           405
  Conflict                   409
  PayloadTooLarge            413
  RateLimited                429  too much for now; `retry_after` seconds
  Unavailable                503  something we need is down; nothing was done; safe to send again
    OutcomeUnknown           503  sent, but no answer came: it may or may not have been done
    LogFull                  503  the event log has no room for new events
  DeadlineExceeded           504  our own limit on the time of an operation
  QueryRefused               400  ClickHouse refused a statement; `code` is ClickHouse's own
  Fenced                     500  another process owns this partition now: stop, do not retry
"""

from typing import ClassVar


class HedgerowError(Exception):
    """Root of everything we raise on purpose. `code` and `type` are PostHog's words (web-api 1.4)."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "A server error occurred.", *, code: str | None = None, attr: str | None = None):
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.attr = attr


class InvalidRequest(HedgerowError):
    """The caller sent something wrong; `detail` says what and `attr` where."""

    status, type, default_code = 400, "validation_error", "invalid_input"


class ParseError(InvalidRequest):
    """The body is not what its content type says."""

    type, default_code = "invalid_request", "parse_error"


class Unauthorized(HedgerowError):
    """There is no such credential, or none was sent."""

    status, type, default_code = 401, "authentication_error", "not_authenticated"


class Forbidden(HedgerowError):
    """The credential is good, but may not do this."""

    status, type, default_code = 403, "authentication_error", "permission_denied"


class NotFound(HedgerowError):
    """No such thing, or none that the caller may see."""

    status, type, default_code = 404, "invalid_request", "not_found"


class MethodNotAllowed(HedgerowError):
    """The path exists, with other methods."""

    status, type, default_code = 405, "invalid_request", "method_not_allowed"


class Conflict(HedgerowError):
    """The thing changed, or exists already."""

    status, type, default_code = 409, "invalid_request", "conflict"


class PayloadTooLarge(HedgerowError):
    """More bytes than the limit of this endpoint."""

    status, type, default_code = 413, "invalid_request", "payload_too_large"


class RateLimited(HedgerowError):
    """Too much for now."""

    status, type, default_code, retryable = 429, "throttled_error", "throttled", True

    def __init__(self, detail: str, *, retry_after: float):
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(HedgerowError):
    """Something we need is down. Nothing was done; safe to send again."""

    status, default_code, retryable = 503, "unavailable", True


class OutcomeUnknown(Unavailable):
    """The request left us and no answer came back: it may or may not have been done."""


class LogFull(Unavailable):
    """The event log has no room for this topic's share; stages behind it drain what is there."""


class DeadlineExceeded(HedgerowError):
    """An operation took longer than our own limit for it."""

    status, default_code = 504, "timeout"


class QueryRefused(HedgerowError):
    """ClickHouse refused a statement. `clickhouse_code` is its own error number (see its ErrorCodes)."""

    status, type, default_code = 400, "validation_error", "invalid_input"

    def __init__(self, detail: str, *, clickhouse_code: int):
        super().__init__(detail)
        self.clickhouse_code = clickhouse_code


class Fenced(HedgerowError):
    """Another process owns this partition now. The loop must let go of it, not retry."""
