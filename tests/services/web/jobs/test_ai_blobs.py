"""What AI events refer to goes with them, however they go; another event's parts stay."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from libs.kit.contracts import topics
from libs.kit.contracts.ai_blobs import BlobPart, document
from libs.kit.runtime import Runtime
from services.web.jobs.ai_blobs import own_keys
from services.web.jobs.deletions import delete
from services.web.jobs.retention import retain
from services.web.jobs.settings import JobsSettings
from services.web.persons.repository import PersonRepository
from services.web.retention.repository import RetentionRepository
from tests.support.captured import captured_new
from tests.support.pipeline import Workers, drained, prepare

AT_ONCE = JobsSettings(deletion_grace_seconds=0, squash_min_age_hours=0, poll_seconds=0.1)


async def generated(runtime: Runtime, distinct_id: str, at: str = "2026-11-01T10:00:00Z", **properties: Any) -> str:
    """Put an AI event with a part apart on the log; the key of its blob."""
    uuid = str(uuid4())
    stored = document("phc_one", uuid, [BlobPart("$ai_input", "text/plain", "", b"said " + uuid.encode())], "hedgerow")
    await runtime.blobs.put(stored.key, stored.body)
    said = {"$ai_model": "m", **stored.references, **properties}
    name = {"event": "$ai_generation", "distinct_id": distinct_id, "timestamp": at, "uuid_": uuid}
    await runtime.log.produce(topics.EVENTS.name, [captured_new(**name, properties=said)])
    await drained(runtime)
    return stored.key


async def kept(runtime: Runtime, *keys: str) -> set[str]:
    """Those of the keys that are there; the store is the whole module's."""
    return {key for key in keys if await runtime.blobs.stat(key)}


async def test_with_a_deleted_person(runtime: Runtime) -> None:
    await prepare(runtime)
    async with Workers(runtime):
        bobs = await generated(runtime, "bob")
        adas = await generated(runtime, "ada", stolen=f"s3://hedgerow/{bobs}?range=0-10")
        assert await kept(runtime, adas, bobs) == {adas, bobs}
        [ada] = await PersonRepository(runtime.postgres).find(1, distinct_ids=["ada"])
        await PersonRepository(runtime.postgres).request_deletion(1, [ada.uuid], events=True, keep_person=False)
        await delete(runtime, AT_ONCE)
        assert await delete(runtime, AT_ONCE) == 1
    assert await kept(runtime, adas, bobs) == {bobs}


async def test_with_events_that_are_too_old_and_with_months_that_do_not_fit(runtime: Runtime) -> None:
    await prepare(runtime)
    now = datetime.now(UTC)
    async with Workers(runtime):
        oldest = await generated(runtime, "u", f"{now - timedelta(days=400):%Y-%m-%d}T10:00:00Z")
        older = await generated(runtime, "u", f"{now - timedelta(days=70):%Y-%m-%d}T10:00:00Z")
        # of this month also when it ends while we look
        newer = await generated(runtime, "u", f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
        await RetentionRepository(runtime.postgres).replace(1, {"$ai_generation": 300})
        await retain(runtime, JobsSettings())
        assert await kept(runtime, oldest, older, newer) == {older, newer}
        await retain(runtime, JobsSettings(events_disk_budget_bytes=1))
        assert await kept(runtime, older, newer) == {newer}


def test_an_event_owns_what_bears_its_uuid() -> None:
    one, other = str(uuid4()), str(uuid4())
    keys = [f"llma/{'0' * 16}/{uuid}/{'1' * 32}" for uuid in (one, other)]
    assert own_keys([(one, keys), (other, [])]) == {keys[0]}
