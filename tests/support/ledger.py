"""A client that keeps a ledger: it resends every event until it is acknowledged, and knows which ones were.

Used to prove that nothing acknowledged is lost and nothing is stored twice, whatever is killed meanwhile.
"""

import asyncio
import gzip
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import orjson

EVENT = "ledger"
MONTHS_DAYS = 240  # eight months, so that one insert touches several partitions


@dataclass
class Ledger:
    """What was planned, what was acknowledged and how often something had to be sent again."""

    seed: int
    events: int
    batch_size: int = 50
    people: int = 200
    acknowledged: int = 0
    resent: int = 0
    refused: dict[int, int] = field(default_factory=dict)

    def batches(self, now: datetime) -> list[bytes]:
        """Bodies for /batch, gzipped. The same seed and `now` give the same bytes."""
        source = random.Random(self.seed)
        bodies = []
        for start in range(0, self.events, self.batch_size):
            batch = [self._event(source, now) for _ in range(min(self.batch_size, self.events - start))]
            bodies.append(orjson.dumps({"batch": batch}))
        return bodies

    def _event(self, source: random.Random, now: datetime) -> dict[str, object]:
        when = now - timedelta(seconds=source.uniform(0, MONTHS_DAYS * 86_400))
        return {
            "event": EVENT,
            "uuid": str(uuid.UUID(int=source.getrandbits(128), version=4)),
            "distinct_id": f"person-{source.randrange(self.people)}",
            "timestamp": when.isoformat(),
            "properties": {"$browser": source.choice(["Firefox", "Chrome"]), "n": source.randrange(10**9)},
        }


async def deliver(
    ledger: Ledger,
    url: str,
    token: str,
    *,
    concurrency: int = 4,
    pause: float = 0.0,
    deadline: float = 600.0,
    permits: asyncio.Semaphore | None = None,
) -> None:
    """Send every batch until it is acknowledged with 200. Anything but 200, 503 or no answer is an error.

    `permits`, one a batch, let a test decide what is under way at the moment something is killed.
    """
    bodies = ledger.batches(datetime.now(UTC))
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    for body in bodies:
        queue.put_nowait(body)

    async def sender(client: httpx.AsyncClient) -> None:
        while not queue.empty():
            if permits:
                await permits.acquire()
                if queue.empty():
                    return
            body = queue.get_nowait()
            payload = gzip.compress(orjson.dumps({**orjson.loads(body), "api_key": token}), 1)
            while not await _acknowledged(ledger, client, payload):
                ledger.resent += 1
                await asyncio.sleep(0.1)
            ledger.acknowledged += len(orjson.loads(body)["batch"])
            await asyncio.sleep(pause)

    async with (
        asyncio.timeout(deadline),
        httpx.AsyncClient(base_url=url, timeout=15) as client,
        asyncio.TaskGroup() as g,
    ):
        for _ in range(concurrency):
            g.create_task(sender(client))


async def _acknowledged(ledger: Ledger, client: httpx.AsyncClient, payload: bytes) -> bool:
    try:
        answer = await client.post("/batch/", content=payload, headers={"Content-Encoding": "gzip"})
    except httpx.TransportError:
        return False
    if answer.status_code not in (200, 502, 503):
        raise AssertionError(f"{answer.status_code}: {answer.text[:200]}")
    if answer.status_code != 200:
        ledger.refused[answer.status_code] = ledger.refused.get(answer.status_code, 0) + 1
    return answer.status_code == 200
