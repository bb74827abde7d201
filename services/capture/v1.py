"""The v1 dialect (`/i/v1/...`): a Bearer token, one shape, and a verdict on each event instead of one on the request.

A body whose frame is wrong is refused whole; an event that is wrong in itself is dropped with PostHog's word for why,
and its neighbours are taken.
"""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from libs.fastpath import CHOSEN
from libs.kit.contracts.events import FORMAT_VERSION
from libs.kit.eventlog import NewRecord
from libs.kit.eventlog.block import RecordBlock
from services.capture.answers import JSON, RETRY_SOON, V1, Answer, Refused, refused_to
from services.capture.client import client_ip
from services.capture.content_codings import decoded
from services.capture.decision import Decision, Limits, Request
from services.capture.decoding import Bytes, is_utf8
from services.capture.identity import canonical_uuid
from services.capture.records import INTERNAL_IP, Circumstances
from services.capture.scanned import scanned_v1
from services.capture.shapes import allow_events, repair_surrogates, spend_one_event
from services.capture.times import microseconds, parse_rfc3339
from services.capture.v1_events import NOBODY, OK, Verdict, judge
from services.capture.v1_headers import Preamble, read_preamble, request_id_of

SCANS = CHOSEN["_scan"] == "cython"
_encode = msgspec.json.Encoder().encode
TAKEN = _encode(OK.said).decode()
NOT_PERSISTED = Verdict("retry", "not_persisted")
NOT_TAKEN = _encode(NOT_PERSISTED.said).decode()


class V1Event(Struct, kw_only=True):
    """An event as sent: what is named here must be of these types or the whole body is refused."""

    event: str
    uuid: str
    distinct_id: str
    timestamp: str
    session_id: str | None = None
    window_id: str | None = None
    options: Raw | UnsetType = UNSET
    properties: Raw | UnsetType = UNSET

    def __post_init__(self) -> None:
        spend_one_event()


class V1Batch(Struct, kw_only=True):
    """A body."""

    created_at: str
    batch: list[V1Event]
    historical_migration: bool | None = None
    capture_internal: bool | None = None


_batch = msgspec.json.Decoder(V1Batch)


@dataclass(frozen=True, slots=True)
class Judged:
    """One event's uuid as it was sent, what became of it, and its record if it is taken."""

    uuid: str
    verdict: Verdict
    record: NewRecord | None


def decide_v1(request: Request, limits: Limits, *, ai_only: bool) -> Decision:
    """The decision on a POST. Never raises for anything a sender can do. `ai_only`: other events are misrouted here."""
    echo = _echo(request)
    try:
        return _take(request, limits, echo, ai_only=ai_only)
    except Refused as refused:
        said = V1.refusal(refused)
        answer = Answer(said.status, said.body, said.content_type, (*said.headers, *echo))
        return Decision(answer, refused=refused.reason, events=refused.events, token=refused.token)


def _echo(request: Request) -> tuple[tuple[bytes, bytes], ...]:
    request_id = request_id_of(request.headers)
    return () if request_id is None else ((b"posthog-request-id", request_id),)


def _take(request: Request, limits: Limits, echo: tuple[tuple[bytes, bytes], ...], *, ai_only: bool) -> Decision:
    preamble = read_preamble(request.headers)
    with refused_to(preamble.token):
        text = _text(request, preamble, limits)
        if SCANS and not ai_only:
            decision = _by_scan(text, preamble, request, limits, echo)
            if decision is not None:
                return decision
        batch = _read(text, limits)
        _check_uuids(batch.batch)
    circumstances = Circumstances.of(
        preamble.token,
        INTERNAL_IP if batch.capture_internal else client_ip(request.headers, request.peer),
        now=request.now,
        sent_at=preamble.sent_at,
        historical_migration=bool(batch.historical_migration),
        max_record_bytes=limits.max_record_bytes,
    )
    judged = [
        Judged(event.uuid.strip(), *judge(event, preamble.sdk, circumstances, ai_only=ai_only)) for event in batch.batch
    ]
    drops = Counter(one.verdict.details or "" for one in judged if one.record is None)
    return Decision(
        _results(judged, echo, taken=True),
        [one.record for one in judged if one.record is not None],
        events=len(judged),
        drops=drops,
        token=preamble.token,
        historical=circumstances.historical_migration,
        not_taken=_results(judged, echo, taken=False),
    )


def _by_scan(
    text: Bytes, preamble: Preamble, request: Request, limits: Limits, echo: tuple[tuple[bytes, bytes], ...]
) -> Decision | None:
    """The common case: every event is taken, and there is no more to say of it. None: the slow way decides."""
    batch = scanned_v1(text, max_events=limits.max_events)
    if batch is None or not batch.count or parse_rfc3339(batch.created_at or "") is None:
        return None
    uuids = batch.uuids()
    if len({uuid.lower() for uuid in uuids}) < len(uuids):
        return None
    block = batch.records_v1(
        token=preamble.token,
        ip=INTERNAL_IP if batch.capture_internal else client_ip(request.headers, request.peer),
        internal_ip=INTERNAL_IP,
        version=FORMAT_VERSION,
        now_us=request.now_us,
        sent_at_us=microseconds(preamble.sent_at),
        max_record_bytes=limits.max_record_bytes,
        library=_library(preamble.sdk),
        nobody=NOBODY,
    )
    if block is None:
        return None
    return Decision(
        Answer(200, _said_of_all(uuids, TAKEN), JSON, echo),
        RecordBlock(*block),
        events=len(uuids),
        token=preamble.token,
        historical=batch.historical_migration,
        not_taken=Answer(200, _said_of_all(uuids, NOT_TAKEN), JSON, (*echo, RETRY_SOON)),
    )


@lru_cache(maxsize=256)
def _library(sdk: tuple[str, str] | None) -> bytes:
    """What a request says of its SDK, as members of an object."""
    return b"" if sdk is None else _encode({"$lib": sdk[0], "$lib_version": sdk[1]})[1:-1]


def _said_of_all(uuids: list[str], said: str) -> bytes:
    """The same verdict on each of these canonical uuids."""
    return ('{"results":{"' + f'":{said},"'.join(uuids) + f'":{said}}}}}').encode()


def _text(request: Request, preamble: Preamble, limits: Limits) -> Bytes:
    """What may be JSON in UTF-8."""
    if not request.body:
        raise Refused(400, "request body is empty", "no_payload", tag="empty_body")
    return decoded(request.body, preamble.coding, limits.max_inflated_bytes)


def _read(text: Bytes, limits: Limits) -> V1Batch:
    if not is_utf8(text):
        raise Refused(400, "Failed to decode request body.", "bad_utf8", tag="request_decoding_error")
    try:
        batch = _decode(bytes(text), limits)
    except (msgspec.DecodeError, RecursionError) as exc:
        text_ = f"Failed to parse request body: {exc}"
        raise Refused(400, text_, "unparsable", tag="request_parsing_error") from exc
    if parse_rfc3339(batch.created_at) is None:
        raise Refused(400, "invalid batch: created_at is not RFC 3339", "bad_created_at", tag="invalid_batch")
    if not batch.batch:
        raise Refused(400, "request batch is empty", "empty_batch", events=0, tag="empty_batch")
    return batch


def _decode(text: bytes, limits: Limits) -> V1Batch:
    allow_events(limits.max_events)
    try:
        return _batch.decode(text)
    except msgspec.DecodeError:
        repaired = repair_surrogates(text)
        if repaired == text:
            raise
        allow_events(limits.max_events)
        return _batch.decode(repaired)


def _check_uuids(events: list[V1Event]) -> None:
    """Results are told apart by uuid, so a uuid that is none, or comes twice, makes all of them meaningless."""
    seen = set()
    for event in events:
        sent = event.uuid.strip()
        if not sent:
            raise _bad_uuid("event submitted without a uuid", "missing_event_uuid", len(events))
        try:
            uuid = canonical_uuid(sent)
        except ValueError as exc:
            raise _bad_uuid(f"invalid event uuid: {sent[:64]}", "invalid_event_uuid", len(events)) from exc
        if uuid in seen:
            raise _bad_uuid(f"duplicate event uuid: {uuid}", "duplicate_event_uuid", len(events))
        seen.add(uuid)


def _bad_uuid(text: str, tag: str, events: int) -> Refused:
    return Refused(400, text, tag, events=events, tag=tag)


def _results(judged: list[Judged], echo: tuple[tuple[bytes, bytes], ...], *, taken: bool) -> Answer:
    """The verdicts in the order of the request. When the log has not taken the records: send those, and only those,
    again."""
    results: dict[str, dict[str, Any]] = {}
    for one in judged:
        verdict = one.verdict if taken or one.record is None else NOT_PERSISTED
        results[one.uuid] = verdict.said
    headers = echo if taken or not any(one.record for one in judged) else (*echo, RETRY_SOON)
    return Answer(200, _encode({"results": results}), JSON, headers)
