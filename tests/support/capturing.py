"""Capture in this process, on a log that keeps what it is given: for tests of what one request becomes."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
from redis.asyncio import Redis
from starlette.types import ASGIApp

from libs.kit.clock import ManualClock
from libs.kit.eventlog import NewRecord
from services.capture.ai_blobs import AiBlobs
from services.capture.app import HotPathsFirst, create_app
from services.capture.asgi import CaptureEndpoint
from services.capture.intake import Intake
from services.capture.policies.policies import Policies
from services.capture.settings import CaptureSettings

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
CLIENT = ("203.0.113.9", 40000)


@dataclass
class KeptLog:
    """Takes records and keeps them, or raises `failure`. Only what capture calls of an EventLog."""

    records: list[NewRecord] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)  # of each record
    failure: Exception | None = None

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        """Durable here means: in the list."""
        if self.failure:
            raise self.failure
        self.topics += [topic] * len(records)
        self.records.extend(records)

    def events(self) -> list[dict[str, Any]]:
        """The values, parsed."""
        return [json.loads(record.value) for record in self.records]

    async def check(self) -> None:
        """It is always there."""


def whole_app(intake: Intake, log: KeptLog) -> ASGIApp:
    """Capture's app, as open_app puts it together, around an intake."""
    return HotPathsFirst(intake, create_app(log))  # type: ignore[arg-type]  # all of it that is used


@dataclass
class Capturing:
    """The app, its endpoint and what that calls, a client of it, and its log and clock."""

    app: ASGIApp
    endpoint: CaptureEndpoint
    intake: Intake
    policies: Policies
    http: httpx.AsyncClient
    log: KeptLog
    clock: ManualClock

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST bytes as they are, anything else as JSON. Header names take `_` for `-`."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(path, content=content, headers=named)


@asynccontextmanager
async def capturing(
    state: Redis | None = None, ai_blobs: AiBlobs | None = None, **settings: Any
) -> AsyncIterator[Capturing]:
    """Capture with these settings, at NOW, called from CLIENT. Without a `state` server its policies hold none."""
    log, clock, chosen = KeptLog(), ManualClock(NOW), CaptureSettings(**settings)
    policies = Policies(state or Redis(port=1), clock, chosen)
    intake = Intake(log, clock, chosen, policies, ai_blobs)  # type: ignore[arg-type]  # not a whole log
    app = whole_app(intake, log)
    transport = httpx.ASGITransport(app, client=CLIENT)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://capture") as http:
            yield Capturing(app, CaptureEndpoint(intake), intake, policies, http, log, clock)
    finally:
        await intake.close()


def record(
    event: str = "a", distinct_id: str = "u", at: int = 1_790_000_000_000, historical: bool = False
) -> NewRecord:
    """A record with the headers that capture gives it, in its order."""
    imported = (("historical_migration", b"true"),) if historical else ()
    headers = (("v", b"1"), ("token", b"phc_t"), ("now", b"-"), *imported, ("distinct_id", distinct_id.encode()))
    more = (("timestamp", b"%d" % at), ("event", event.encode()), ("uuid", b"id"))
    return NewRecord(f"phc_t:{distinct_id}".encode(), b"{}", (*headers, *more))
