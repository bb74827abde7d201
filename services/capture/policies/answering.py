"""What the sender is told of its events' fates. Most are not told at all: PostHog drops in silence, and so do we."""

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec

from libs.kit.eventlog import NewRecord
from services.capture.answers import JSON, Answer
from services.capture.policies.routing import Fate, Routing, header

_V1 = b'{"results":'
_AI = b'{"accepted_parts":'
_NO_PARTS = b'{"accepted_parts":[]}'


def amended(answer: Answer, records: Sequence[NewRecord], routing: Routing | None, *, tell_quota: bool) -> Answer:
    """The answer to a request whose records were routed so.

    v0: the used-up quotas when they left nothing, with 200 also for a beacon. v1: the verdicts of events that were
    dropped, or lost their person. An AI event with parts: that none of them was accepted when it was dropped.
    """
    if routing is None or not routing.fates:
        return answer
    if answer.body.startswith(_V1):
        return _with_verdicts(answer, records, routing.fates)
    if not routing.limited:
        dropped = answer.body.startswith(_AI) and not routing.topics
        return dataclasses.replace(answer, body=_NO_PARTS) if dropped else answer
    body = {"status": "Ok", "quota_limited": routing.limited} if tell_quota else {"status": "Ok"}
    return Answer(200, msgspec.json.encode(body), JSON)


def _with_verdicts(answer: Answer, records: Sequence[NewRecord], fates: Mapping[int, Fate]) -> Answer:
    said = msgspec.json.decode(answer.body)
    sent = {uuid.lower(): uuid for uuid in said["results"]}  # the keys are the sender's spelling
    for index, fate in fates.items():
        uuid = sent.get(header(records[index], "uuid").decode())
        if uuid is not None and (verdict := _verdict(fate)):
            said["results"][uuid] = verdict
    return dataclasses.replace(answer, body=msgspec.json.encode(said))


def _verdict(fate: Fate) -> dict[str, str] | None:
    if fate.topic is None:
        quota = fate.reason.startswith("quota_")
        return {"result": "drop", "details": "billing_limit_exceeded" if quota else "event_restriction_drop"}
    if fate.reason == "person_rate":
        return {"result": "warning", "details": "person_processing_disabled"}
    return None
