"""What can be wrong with a query.

HogQLError              any of these; `code` is PostHog's word for the kind
  HogQLSyntaxError      the text is not HogQL
    TooComplex          it may be, but it is longer, deeper or larger than we take
  QueryError            it is HogQL, but cannot mean anything here
    ResolutionError     a name stands for nothing, or for several things
    NotSupported        it is HogQL that we do not run (yet)
    TableAccessDenied   it reads what its author may not see
  InvalidPropertyFilter a filter beside the query means nothing
  TeamGuardError        a bug of ours: SQL that might read another team's rows was about to be made

Offsets count characters of the query from 0, `end` is exclusive; `line` and `column` count from 1. A pass that has no
text at hand raises with offsets only, and `located` fills in the rest.
"""

from typing import ClassVar


class HogQLError(Exception):
    """Root of the tree. `message` is written for the person who wrote the query; `hint` says what to do about it."""

    code: ClassVar[str] = "hogql_error"

    def __init__(self, message: str, *, start: int | None = None, end: int | None = None, hint: str | None = None):
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end
        self.hint = hint
        self.line: int | None = None
        self.column: int | None = None

    def located(self, text: str) -> "HogQLError":
        """This error, with line and column worked out from the text of the query."""
        if self.start is not None:
            self.start = min(self.start, len(text))
            self.end = max(self.start, min(self.end if self.end is not None else len(text), len(text)))
            self.line = text.count("\n", 0, self.start) + 1
            self.column = self.start - text.rfind("\n", 0, self.start)
        return self


class HogQLSyntaxError(HogQLError):
    """The text is not HogQL."""

    code = "hogql_syntax_error"


class TooComplex(HogQLSyntaxError):
    """The text is longer, deeper or larger than the limits in compile.py and lexer.py."""


class QueryError(HogQLError):
    """The query cannot mean anything here."""

    code = "hogql_query_error"


class ResolutionError(QueryError):
    """A name stands for nothing, or for several things."""


class NotSupported(QueryError):
    """The language has this; Hedgerow does not run it (yet)."""


class TableAccessDenied(QueryError):
    """The query reads what its author may not see."""

    code = "table_access_denied"


class InvalidPropertyFilter(HogQLError):
    """A filter beside the query means nothing."""

    code = "invalid_property_filter"


class TeamGuardError(HogQLError):
    """SQL that might read another team's rows was about to be made. Never the user's fault."""
