"""One AI event with its parts: one record when all of it fits into one, else the parts apart and references to them."""

from uuid import UUID

from libs.kit.contracts.ai_blobs import BlobDocument, document
from services.capture.ai_multipart import AiEvent, ai_token, read_ai_event
from services.capture.answers import Refused, undecodable
from services.capture.client import client_ip
from services.capture.decision import Decision, Limits, Request
from services.capture.records import Circumstances, records_of
from services.capture.shapes import parse_submission

_TOO_LARGE = frozenset({"event_too_large", "inflated_too_large"})


def take_ai(request: Request, limits: Limits) -> Decision:
    """The decision on a request to `/i/v0/ai`. Raises Refused."""
    token = ai_token(request.headers.get(b"authorization"))
    sent = read_ai_event(
        request.headers.get(b"content-type", b""),
        request.headers.get(b"content-encoding", b""),
        request.body,
        max_inflated=limits.max_inflated_bytes,
    )
    circumstances = Circumstances.of(
        token,
        client_ip(request.headers, request.peer),
        now=request.now,
        sent_at=None,
        historical_migration=False,
        max_record_bytes=limits.max_record_bytes,
    )
    if sent.blob_bytes <= limits.max_record_bytes:
        try:
            return _decision(sent, sent.whole(limits.max_record_bytes), circumstances)
        except Refused as refused:
            if not sent.blobs or refused.reason not in _TOO_LARGE:
                raise
    return _apart(sent, circumstances, limits.blob_bucket)


def _decision(sent: AiEvent, text: bytes, circumstances: Circumstances, blob: BlobDocument | None = None) -> Decision:
    submission = parse_submission(text, engage=False, max_events=1)
    records = records_of(submission.events, circumstances)
    return Decision(sent.success, records, events=1, token=circumstances.token, blob=blob)


def _apart(sent: AiEvent, circumstances: Circumstances, bucket: str) -> Decision:
    """All parts, so that a reader finds those of one event in one place, as in PostHog."""
    try:
        uuid = str(UUID(sent.uuid))
    except ValueError as exc:  # one of ours would be another with each attempt, and so would the blob
        raise undecodable("Event UUID is required", "bad_ai_event") from exc
    blob = document(circumstances.token, uuid, sent.blobs, bucket)
    return _decision(sent, sent.referring(blob.references), circumstances, blob)
