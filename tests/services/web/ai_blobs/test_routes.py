"""A large AI event from its sender to the row, and its parts back through the API."""

import gzip
import json
from uuid import uuid4

import httpx
import pytest

from libs.kit.contracts import topics
from libs.kit.contracts.ai_blobs import BlobPart, document
from libs.kit.runtime import Runtime
from libs.kit.schema.migrate import migrate
from services.capture.ai_blobs import AiBlobs
from services.capture.asgi import CaptureEndpoint
from services.capture.intake import Intake
from services.capture.policies.policies import Policies
from services.capture.settings import CaptureSettings
from tests.support import web as support
from tests.support.captured import captured_new
from tests.support.pipeline import Workers, drained
from tests.support.web import Web

pytestmark = pytest.mark.embedded
UUID = "0190a1b2-0000-7000-8000-00000000000a"
INPUT = b'[{"role":"user","content":"' + b"x" * 5_000 + b'"}]'
PAGE = b"<script>alert(1)</script>"


async def sent(web: Web, *parts: BlobPart) -> None:
    """Through capture, with records of 4 kB, and the workers."""
    runtime, settings = web.runtime, CaptureSettings(max_record_bytes=4_000)
    blobs = AiBlobs(runtime.blobs, settings.max_blob_bytes, bucket=runtime.settings.s3_bucket)
    policies = Policies(runtime.state, runtime.clock, settings)
    intake = Intake(runtime.log, runtime.clock, settings, policies, blobs)
    event = {"event": "$ai_generation", "distinct_id": "u", "uuid": UUID, "properties": {"$ai_model": "m"}}
    files = [("event", (None, json.dumps(event).encode()))]
    for part in parts:
        coding = {"Content-Encoding": part.coding} if part.coding else {}
        files.append((f"event.properties.{part.name}", (None, part.body, part.kind, coding)))  # type: ignore[arg-type]
    transport = httpx.ASGITransport(CaptureEndpoint(intake))  # type: ignore[arg-type]  # httpx types scopes as dicts
    async with httpx.AsyncClient(transport=transport, base_url="http://capture") as capture, Workers(runtime):
        await runtime.log.ensure(topics.ALL)
        answer = await capture.post("/i/v0/ai", files=files, headers={"Authorization": f"Bearer {web.token}"})
        assert answer.status_code == 200
        await drained(runtime)
    await intake.close()


def address(web: Web, name: str, uuid: str = UUID, project: int | None = None) -> str:
    return f"/api/projects/{project or web.project_id}/events/{uuid}/ai_blob?property={name}"


async def test_the_parts_of_an_event_come_back_as_they_were_sent(runtime: Runtime) -> None:
    await migrate(runtime.postgres, runtime.clickhouse, runtime.settings, runtime.clock)
    web = await support.made(runtime)
    await sent(
        web,
        BlobPart("$ai_input", "application/json", "", INPUT),
        BlobPart("zipped", "text/plain", "gzip", gzip.compress(INPUT)),
        BlobPart("page", "text/html", "", PAGE),
    )
    async with web.with_key() as api:
        said = await api.get(address(web, "$ai_input", UUID.upper()))
        assert (said.status_code, said.content, said.headers["content-type"]) == (200, INPUT, "application/json")
        assert (await api.get(address(web, "zipped"))).content == INPUT
        page = await api.get(address(web, "page"))
        assert (page.content, page.headers["content-type"]) == (PAGE, "application/octet-stream")
        assert page.headers["content-disposition"] == "attachment"
        assert page.headers["x-content-type-options"] == "nosniff"
        for name, uuid, status in (("$ai_model", UUID, 404), ("none", UUID, 404), ("page", "x", 400)):
            assert (await api.get(address(web, name, uuid))).status_code == status
        assert (await api.get(address(web, "page", str(uuid4())))).status_code == 404
        [blob] = [found.key async for found in runtime.blobs.list("llma/") if UUID in found.key]
        await runtime.blobs.delete(blob)
        assert (await api.get(address(web, "page"))).status_code == 404


async def test_nobody_reads_what_is_not_theirs(runtime: Runtime) -> None:
    await migrate(runtime.postgres, runtime.clickhouse, runtime.settings, runtime.clock)
    web = await support.made(runtime)
    await sent(web, BlobPart("$ai_input", "application/json", "", INPUT))
    foreign, _ = await web.add_foreign_project()
    stored = document(web.token, UUID, [BlobPart("$ai_input", "application/json", "", INPUT)], "hedgerow")
    thief = str(uuid4())
    stolen = captured_new(
        event="$ai_span", token=web.token, uuid_=thief, properties={"stolen": stored.references["$ai_input"]}
    )
    async with Workers(runtime):
        await runtime.log.produce(topics.EVENTS.name, [stolen])
        await drained(runtime)
    async with web.with_key() as api:
        assert (await api.get(address(web, "$ai_input"))).status_code == 200
        assert (await api.get(address(web, "stolen", thief))).status_code == 404, "an event reads its own blob only"
        assert (await api.get(address(web, "$ai_input", project=foreign))).status_code in (403, 404)
    async with web.with_key(await web.add_key(scopes=["project:read"])) as other:
        assert (await other.get(address(web, "$ai_input"))).status_code == 403
    async with web.client() as nobody:
        assert (await nobody.get(address(web, "$ai_input"))).status_code == 401
