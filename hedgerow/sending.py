"""Events to a running Hedgerow, through the same endpoint as any SDK's: batches, gzip, bounded, patient.

A story stays on one lane, and a lane sends one batch at a time, so each person's events arrive in their order.
"""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

Event = dict[str, Any]
Lane = asyncio.Queue[list[Event] | None]


@dataclass(frozen=True, slots=True)
class Sending:
    """How to send. `patience_seconds` is how long one batch is tried again before giving up."""

    lanes: int = 4
    batch_events: int = 250
    timeout_seconds: float = 30.0
    patience_seconds: float = 300.0
    longest_pause_seconds: float = 10.0


class NotTaken(Exception):
    """Hedgerow could not be reached for too long. The message is for people."""


class BatchRefused(NotTaken):
    """Hedgerow refused a batch: sending it again is of no use."""

    def __init__(self, status: int, text: str):
        super().__init__(f"Hedgerow answered {status}: {text[:200]}")
        self.status = status


async def send_events(
    client: httpx.AsyncClient,
    token: str,
    stories: Iterable[list[Event]],
    *,
    events: int,
    sending: Sending,
    progress: Callable[[int], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Send exactly `events` events of `stories`; `progress` hears how many each acknowledged batch held.

    Holds a few stories and one batch per lane in memory. Raises NotTaken.
    """
    lanes: list[Lane] = [asyncio.Queue(maxsize=4) for _ in range(sending.lanes)]
    try:
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(_drive(lane, client, token, sending, progress, sleep))
            await _deal(lanes, stories, events)
    except BaseExceptionGroup as failures:
        raise first_refusal(failures) from None


def first_refusal(failures: BaseExceptionGroup) -> BaseException:
    """The first NotTaken of a task group, by itself: not all of Python 3.11 unwraps what `except*` raises. Anything
    else is the group as it is."""
    refusals = failures.subgroup(NotTaken)
    if refusals is None:
        return failures
    first: BaseException = refusals
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


async def _deal(lanes: list[Lane], stories: Iterable[list[Event]], events: int) -> None:
    left = events
    for number, story in enumerate(stories):
        if left <= 0:
            break
        await lanes[number % len(lanes)].put(story[:left])
        left -= len(story)
    for lane in lanes:
        await lane.put(None)


async def _drive(
    lane: Lane,
    client: httpx.AsyncClient,
    token: str,
    sending: Sending,
    progress: Callable[[int], None],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    waiting: list[Event] = []
    story: list[Event] | None = []
    while story is not None:
        story = await lane.get()
        waiting += story or ()
        while len(waiting) >= sending.batch_events or (story is None and waiting):
            batch, waiting = waiting[: sending.batch_events], waiting[sending.batch_events :]
            await deliver(client, encode(token, batch), sending, sleep)
            progress(len(batch))


def encode(token: str, batch: Sequence[Event], *, historical: bool = False) -> bytes:
    """The body of `/batch/`. Without `sent_at`: the times are meant as they are, no clock is to be corrected.

    historical: these events wait behind live ones.
    """
    said = {"api_key": token, "batch": batch, **({"historical_migration": True} if historical else {})}
    return gzip.compress(orjson.dumps(said), compresslevel=1, mtime=0)


async def deliver(
    client: httpx.AsyncClient,
    body: bytes,
    sending: Sending,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Until it is acknowledged. The events carry their uuids, so a batch sent twice is stored once. Raises NotTaken."""
    waited, pause = 0.0, 0.5
    while True:
        problem, wanted = await _try(client, body)
        if problem is None:
            return
        pause = min(max(pause * 1.5, wanted), max(sending.longest_pause_seconds, wanted))
        if waited + pause > sending.patience_seconds:
            raise NotTaken(f"gave up after {waited:.0f} s: {problem}")
        await sleep(pause)
        waited += pause


async def _try(client: httpx.AsyncClient, body: bytes) -> tuple[str | None, float]:
    """None when taken; otherwise the problem, and how many seconds the server asks to wait."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    try:
        answer = await client.post("/batch/", content=body, headers=headers)
    except httpx.TransportError as exc:
        return f"{client.base_url} cannot be reached ({type(exc).__name__})", 0.0
    if answer.is_success:
        return None, 0.0
    if answer.status_code < 500 and answer.status_code not in (408, 429):
        raise BatchRefused(answer.status_code, answer.text)
    asked = answer.headers.get("retry-after", "")
    return f"Hedgerow answered {answer.status_code}: {answer.text[:200]}", float(asked) if asked.isdigit() else 0.0
