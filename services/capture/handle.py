"""The decision on one request: what goes to the log and what is said back. No I/O, no clock.

Whoever calls it (intake.py) produces `Decision.records`, and says `Decision.answer` only once they are durable.
Compiled when there is a compiler (handle.pxd).
"""

from collections.abc import Callable, Mapping
from functools import partial

from libs.fastpath import CHOSEN
from libs.kit.contracts.routes import (
    CAPTURE_AI_PATH,
    CAPTURE_BLACK_HOLE,
    CAPTURE_PATHS,
    CAPTURE_V1_PATHS,
)
from services.capture import answers
from services.capture.ai_events import take_ai
from services.capture.answers import V0, V1, Dialect, Refused, refused_to
from services.capture.client import client_ip
from services.capture.decision import NO_DROPS, Decision, Limits, Request
from services.capture.decoding import Bytes, decode_payload
from services.capture.query import Query, parse_query
from services.capture.records import Circumstances, records_of
from services.capture.scanned import records_of_scanned, scanned
from services.capture.shapes import Event, Submission, json_string, known_properties, parse_submission
from services.capture.times import moment_at, parse_sent_at
from services.capture.tokens import checked_token, one_token
from services.capture.v1 import decide_v1

__all__ = ["ROUTES", "decide", "dialect_of", "route_of"]

PERFORMANCE_EVENT = "$performance_event"
_LEFT_OUT = PERFORMANCE_EVENT.encode()
_OK, _NO_CONTENT, _TRANSIENT = answers.OK, answers.NO_CONTENT, answers.TRANSIENT
SCANS = CHOSEN["_scan"] == "cython"  # msgspec is faster than the scanner's twin
AI_EVENTS = "/i/v1/ai/events"
_POST_ONLY = frozenset((*CAPTURE_V1_PATHS, CAPTURE_AI_PATH, "/i/v0/ai/batch"))
#: Every spelling of a path that is ours -> the path.
ROUTES = {spelling: path for path in CAPTURE_PATHS for spelling in (path, f"{path}/")}
_ROUTES = ROUTES


def route_of(path: str) -> str | None:
    """The capture path a request is for, without its trailing slash; None for any other."""
    return ROUTES.get(path)


def dialect_of(path: str) -> Dialect:
    """How to answer on this path, for callers that fail before or after the decision."""
    return V1 if route_of(path) in CAPTURE_V1_PATHS else V0


def decide(request: Request, limits: Limits) -> Decision:
    """Never raises for anything a sender can do."""
    route = _ROUTES.get(request.path)
    if route is None:
        return Decision(answers.NOT_FOUND, refused="not_found")
    method = request.method
    if method != "POST":
        if method == "OPTIONS":
            return Decision(answers.PREFLIGHT)
        if method != "GET" or route in _POST_ONLY:
            return Decision(answers.METHOD_NOT_ALLOWED, refused="method_not_allowed")
    way = _WAYS.get(route)
    if way is not None:
        return way(request, limits)
    try:
        return _take(request, route, limits)
    except Refused as refused:
        return _refusal(refused)


def _refusal(refused: Refused) -> Decision:
    return Decision(refused.answer, refused=refused.reason, events=refused.events, token=refused.token)


def _decide_ai(request: Request, limits: Limits) -> Decision:
    try:
        return take_ai(request, limits)
    except Refused as refused:
        return _refusal(refused)


def _ignore(request: Request, limits: Limits) -> Decision:
    del request, limits
    return Decision(answers.OK)


#: The routes that are not v0.
_WAYS: dict[str, Callable[[Request, Limits], Decision]] = {
    **{path: partial(decide_v1, ai_only=path == AI_EVENTS) for path in CAPTURE_V1_PATHS},
    CAPTURE_AI_PATH: _decide_ai,
    CAPTURE_BLACK_HOLE: _ignore,
}


def _take(request: Request, route: str, limits: Limits) -> Decision:
    query = parse_query(request.query)
    payload = decode_payload(
        query,
        request.headers.get(b"content-type", b""),
        request.headers.get(b"content-encoding", b""),
        request.body,
        limits.max_inflated_bytes,
    )
    if SCANS:
        decision = _by_scan(payload.raw, query, request, route, limits)
        if decision is not None:
            return decision
    return _by_msgspec(payload.text(), query, request, route, limits)


def _by_scan(text: Bytes, query: Query, request: Request, route: str, limits: Limits) -> Decision | None:
    """The common case. None: ask `_by_msgspec`, which decides everything, and words the refusals."""
    batch = scanned(text, route == "/engage", limits.max_events)
    if batch is None:
        return None
    count, kept, token, sent_at, historical = batch.summary(_LEFT_OUT)
    if not count:
        return None
    success = _NO_CONTENT if query.beacon else _OK
    if not kept:
        return Decision(success, events=count, drops=_performance(count))
    if token is None:
        token = one_token(batch.tokens(_LEFT_OUT), kept)
    token = checked_token(token, kept)
    records = records_of_scanned(
        batch,
        _LEFT_OUT,
        token,
        client_ip(request.headers, request.peer),
        request.now_us,
        parse_sent_at(sent_at, query.sent_at_ms),
        limits.max_record_bytes,
    )
    if records is None:
        return None
    drops = NO_DROPS if kept == count else _performance(count - kept)
    decision = Decision.__new__(Decision)
    decision.open(success, records, None, count, drops, _TRANSIENT, token, historical, None)
    return decision


def _by_msgspec(text: Bytes, query: Query, request: Request, route: str, limits: Limits) -> Decision:
    submission = parse_submission(text, engage=route == "/engage", max_events=limits.max_events)
    if not submission.events:
        raise Refused(400, "request holds no event", "no_event", events=0)
    kept = [event for event in submission.events if event.event != PERFORMANCE_EVENT]
    success = answers.NO_CONTENT if query.beacon else answers.OK
    total = len(submission.events)
    if not kept:
        return Decision(success, events=total, drops=_performance(total))
    sent_at_us = parse_sent_at(submission.sent_at, query.sent_at_ms)
    circumstances = Circumstances.of(
        _token_of(submission, kept),
        client_ip(request.headers, request.peer),
        now=request.now,
        sent_at=None if sent_at_us is None else moment_at(sent_at_us),
        historical_migration=submission.historical_migration,
        max_record_bytes=limits.max_record_bytes,
    )
    with refused_to(circumstances.token):
        records = records_of(kept, circumstances)
    return Decision(
        success,
        records,
        events=total,
        drops=_performance(total - len(kept)),
        token=circumstances.token,
        historical=circumstances.historical_migration,
    )


def _performance(events: int) -> Mapping[str, int]:
    return {"performance_event": events} if events else NO_DROPS


def _token_of(submission: Submission, events: list[Event]) -> str:
    token = submission.token
    if token is None:
        token = one_token((_event_token(event) for event in events), len(events))
    return checked_token(token, len(events))


def _event_token(event: Event) -> str | None:
    return event.token if isinstance(event.token, str) else json_string(known_properties(event.properties).token)
