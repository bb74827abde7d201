"""What senders are told, by dialect."""

import orjson

from libs.kit.restrictions import Restriction
from services.capture.answers import JSON, NO_CONTENT, OK, Answer
from services.capture.policies.answering import amended
from services.capture.policies.routing import Standing, route
from tests.support.capturing import record

RECORDS = [record("a", "u"), record("$exception", "v"), record("b", "w")]


def test_what_goes_through_changes_nothing() -> None:
    assert amended(OK, RECORDS, None, tell_quota=True) is OK
    for standing in (Standing(), Standing([Restriction("overflow", "r")]), Standing([Restriction("drop", "r")])):
        assert amended(NO_CONTENT, RECORDS, route(RECORDS, standing, historical=False), tell_quota=True) is NO_CONTENT


def test_a_quota_is_told_when_nothing_is_left() -> None:
    some = route(RECORDS, Standing(limited={"events"}), historical=False)
    assert amended(OK, RECORDS, some, tell_quota=True) is OK
    none = route(RECORDS, Standing(limited={"events", "exceptions"}), historical=False)
    told = amended(NO_CONTENT, RECORDS, none, tell_quota=True)
    assert (told.status, orjson.loads(told.body)) == (200, {"status": "Ok", "quota_limited": ["events", "exceptions"]})
    assert amended(NO_CONTENT, RECORDS, none, tell_quota=False) == OK


def test_v1_has_a_verdict_for_each_event() -> None:
    sent = [f"0190A1B2-0000-7000-8000-00000000000{number}" for number in range(4)]
    records = [
        type(one)(one.key, one.value, (*one.headers[:-1], ("uuid", uuid.lower().encode())))
        for one, uuid in zip([*RECORDS, record("c", "x")], sent, strict=True)
    ]
    verdicts = {uuid: {"result": "ok"} for uuid in sent} | {"other": {"result": "drop", "details": "empty"}}
    answer = Answer(200, orjson.dumps({"results": verdicts}), JSON)
    rules = [Restriction("drop", "token_dropper", frozenset({b"w"})), Restriction("overflow", "r", frozenset({b"x"}))]
    standing = Standing(rules, limited={"exceptions"}, over_rate={b"phc_t:u": 1})
    told = amended(answer, records, route(records, standing, historical=False), tell_quota=True)
    results = orjson.loads(told.body)["results"]
    assert list(results) == [*sent, "other"]
    assert list(results.values()) == [
        {"result": "warning", "details": "person_processing_disabled"},
        {"result": "drop", "details": "billing_limit_exceeded"},
        {"result": "drop", "details": "event_restriction_drop"},
        {"result": "ok"},
        {"result": "drop", "details": "empty"},
    ]
