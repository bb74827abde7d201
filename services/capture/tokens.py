"""Which project the events are for. Only the token's form is checked: whether it exists is ingestion's question.

Compiled when there is a compiler (tokens.pxd).
"""

from collections.abc import Iterable

from services.capture.answers import Refused

MAX_BYTES = 64
_flawless: set[str] = set()  # those met lately
_MOST_FLAWLESS = 4_096
_newest = ""  # the flawless one met last: neighbours are mostly of one project


def one_token(found: Iterable[str | None], events: int) -> str:
    """The single token among those found in events. Raises Refused (401) when there is none, or more than one."""
    tokens = {token for token in found if token is not None}
    if not tokens:
        raise Refused(401, "event submitted without an api_key", "no_token", events=events)
    if len(tokens) > 1:
        raise Refused(401, "batch submitted with inconsistent api_key values", "inconsistent_tokens", events=events)
    return tokens.pop()


def checked_token(token: str, events: int) -> str:
    """The token without the blanks around it. Raises Refused (401) when it cannot be a project's."""
    global _newest
    if token == _newest and token:
        return _newest
    if token in _flawless:
        _newest = token
        return token
    token = token.strip()
    if flaw := _flaw(token):
        raise Refused(401, f"API key is not valid: {flaw}", f"token_{flaw}", events=events)
    if len(_flawless) >= _MOST_FLAWLESS:
        _flawless.clear()
    _flawless.add(token)
    return token


def _flaw(token: str) -> str | None:
    if not token:
        return "empty"
    if len(token.encode()) > MAX_BYTES:
        return "too_long"
    if not token.isascii():
        return "not_ascii"
    if token.startswith("phx_"):
        return "personal_api_key"
    return "null_byte" if "\0" in token else None
