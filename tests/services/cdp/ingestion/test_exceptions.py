"""Kinds of exceptions, and on a real PostgreSQL the issues that they become."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from libs.kit.runtime import Runtime
from services.cdp.ingestion.exceptions import Exceptional, exceptional
from services.cdp.ingestion.issues import IssueKey, IssueStore, Sighting
from services.cdp.ingestion.parse import Rejected, parse
from services.cdp.ingestion.prepare import sightings
from services.cdp.raw_json import encode, object_of
from tests.support.captured import captured_record
from tests.support.ingested import NOW, Ingested
from tests.support.pipeline import prepare

SEEN = datetime(2026, 11, 5, 10, tzinfo=UTC)


def frame(function: str = "pay", filename: str = "app/shop.py", **more: Any) -> dict[str, Any]:
    return {"platform": "python", "function": function, "filename": filename, "lineno": 7, "in_app": True, **more}


def thrown(*frames: dict[str, Any], kind: str = "ValueError", value: str = "no", **more: Any) -> dict[str, Any]:
    return {"type": kind, "value": value, "stacktrace": {"type": "raw", "frames": list(frames)}, **more}


def of(*exceptions: Any, **more: Any) -> Exceptional:
    properties = object_of(bytes(encode({"$exception_list": list(exceptions), **more})))
    assert properties is not None
    return exceptional(properties)


def test_what_is_told_of_it() -> None:
    found = of(
        thrown(frame(), frame("buy"), mechanism={"handled": True}),
        thrown(kind="KeyError", value="price"),
    )
    assert (found.types, found.values) == (["ValueError", "KeyError"], ["no", "price"])
    assert (found.sources, found.functions) == (["app/shop.py"], ["pay", "buy"])
    assert found.handled
    assert [part["type"] for part in found.record] == ["exception", "frame", "frame", "exception"]
    said = b"ValueErrorpayapp/shop.pybuyapp/shop.pyKeyErrorprice"
    assert found.fingerprint == found.proposed == hashlib.sha512(said).hexdigest()


@pytest.mark.parametrize(
    "same",
    [
        thrown(frame(), value="another message"),
        thrown(frame(lineno=8)),
        thrown(frame(), frame("urlopen", "lib/http.py", in_app=False)),
    ],
)
def test_one_kind(same: dict[str, Any]) -> None:
    assert of(same).fingerprint == of(thrown(frame())).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        thrown(frame(), kind="TypeError"),
        thrown(frame("refund")),
        thrown(frame(filename="app/cart.py")),
        thrown(value="no"),
        thrown(value="yes"),
        thrown(frame("f", platform="web:javascript", colno=5)),
        thrown(frame("f", platform="web:javascript", colno=6)),
    ],
)
def test_another_kind(other: dict[str, Any]) -> None:
    assert of(other).fingerprint not in {of(thrown(frame())).fingerprint, of(thrown(value="perhaps")).fingerprint}
    if "javascript" in str(other):
        assert of(other).fingerprint != of(thrown(frame("f", platform="web:javascript", colno=7))).fingerprint


def test_a_fingerprint_of_the_senders_counts() -> None:
    mine = of(thrown(frame()), **{"$exception_fingerprint": "checkout"})
    assert (mine.fingerprint, mine.record) == ("checkout", [{"type": "manual"}])
    assert mine.proposed == of(thrown(frame())).fingerprint
    long = of(thrown(), **{"$exception_fingerprint": "x" * 600}).fingerprint
    assert long == hashlib.sha512(b"x" * 600).hexdigest()


@pytest.mark.parametrize("listed", [None, "text", [], [5], {"type": "E"}])
def test_what_cannot_be_understood_is_stored_and_warned_of(listed: Any) -> None:
    ingested = Ingested()
    forged = {"$exception_issue_id": "mine", "$exception_types": ["x"]}
    row = ingested.event("$exception", properties={"$exception_list": listed, **forged})
    assert row is not None
    assert ingested.warnings == ["error_tracking_exception_processing_errors"]
    assert row["properties"]["$cymbal_errors"]
    assert not forged.keys() & row["properties"].keys()


def test_the_row_names_its_issue() -> None:
    found, issue = of(thrown(frame())), UUID(int=5)
    assert found.fingerprint
    ingested = Ingested(issues={(1, found.fingerprint): issue})
    row = ingested.event("$exception", properties={"$exception_list": [thrown(frame())], "$exception_issue_id": "mine"})
    assert row is not None
    said = {name.removeprefix("$exception_"): value for name, value in row["properties"].items()}
    assert (said["fingerprint"], said["issue_id"], said["handled"]) == (found.fingerprint, str(issue), False)
    assert (said["types"], said["values"], said["sources"], said["functions"]) == (
        *(["ValueError"], ["no"]),
        *(["app/shop.py"], ["pay"]),
    )
    assert ingested.warnings == []


def seen(*offsets: int, fresh_from: int = 0) -> dict[IssueKey, Sighting]:
    team = Ingested().team
    properties = json.dumps({"$exception_list": [thrown(frame())]})
    events = [parse(captured_record(each, event="$exception", properties=properties)) for each in offsets]
    assert not any(isinstance(event, Rejected) for event in events)
    return sightings(events, {"phc_one": team}, {0: fresh_from}, NOW)


async def issues(runtime: Runtime) -> list[tuple[Any, ...]]:
    rows = await runtime.postgres.fetch(
        "SELECT status, name, description FROM posthog_errortrackingissue ORDER BY name"
    )
    return [tuple(row) for row in rows]


async def test_an_issue_is_opened_once_and_reopened(runtime: Runtime) -> None:
    await prepare(runtime)
    store = IssueStore(runtime.postgres)
    wanted = seen(0, 1) | {(1, "mine"): Sighting(SEEN, "A\0", "b", True), (404, "x"): Sighting(SEEN, "A", "b", True)}
    first = await store.issues(wanted)
    assert set(first) == {key for key in wanted if key[0] == 1}, "a project that is gone has no issues"
    assert await store.issues(wanted) == first
    assert await issues(runtime) == [("active", "A\ufffd", "b"), ("active", "ValueError", "no")]
    await runtime.postgres.execute("UPDATE posthog_errortrackingissue SET status = 'resolved'")
    await store.issues(seen(0, fresh_from=1))  # read again after a crash
    assert [row[0] for row in await issues(runtime)] == ["resolved", "resolved"]
    await store.issues(seen(0, 1, fresh_from=1))
    assert [row[0] for row in await issues(runtime)] == ["resolved", "active"]


async def test_merged_issues_stay_merged(runtime: Runtime) -> None:
    await prepare(runtime)
    store = IssueStore(runtime.postgres)
    one, other = (1, "one"), (1, "other")
    wanted = {key: Sighting(SEEN, key[1], "", True) for key in (one, other)}
    opened = await store.issues(wanted)
    await runtime.postgres.execute(
        "UPDATE posthog_errortrackingissuefingerprintv2 SET issue_id = $1, version = 1 WHERE fingerprint = 'other'",
        opened[one],
    )
    await runtime.postgres.execute("DELETE FROM posthog_errortrackingissue WHERE id = $1", opened[other])
    assert await store.issues(wanted) == {one: opened[one], other: opened[one]}
