"""`hedgerow demo`: the last 90 days of a small SaaS company, sent through the capture endpoint like any SDK's events.

    company.py    what the company is: pages, plans, countries, and the weights of everything
    people.py     who visits                         journeys.py    what they do: stories of events
    sending.py    batches to `/batch/`

Generation is a pure function of (seed, now). Within one day a second run sends the same uuids, which Hedgerow stores
once; another seed is another company.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hedgerow.demo.journeys import Event, stories
from hedgerow.sending import NotTaken, Sending, send_events

__all__ = ["DEFAULT_SEED", "NotTaken", "Summary", "run"]
DEFAULT_SEED = 7


@dataclass
class Summary:
    """What was sent."""

    events: int = 0
    visitors: int = 0
    signups: int = 0
    organisations: set[str] = field(default_factory=set)
    seconds: float = 0.0


def run(
    url: str,
    token: str,
    events: int = 100_000,
    seed: int = DEFAULT_SEED,
    now: datetime | None = None,
    *,
    sending: Sending | None = None,
    console: Console | None = None,
) -> Summary:
    """Send `events` events to the project of `token` at `url` and show how it goes. Raises NotTaken.

    `now` ends the 90 days (default: this moment); aware.
    """
    console = console or Console()
    now = (now or datetime.now(UTC)).astimezone(UTC)
    summary = Summary()
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started = time.perf_counter()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("90 days of Fernboard", total=events)

        def advance(count: int) -> None:
            summary.events += count
            progress.update(task, completed=summary.events)

        told = _counted(stories(seed, now), summary, events)
        asyncio.run(_send(url, token, told, events, sending or Sending(), advance))
    summary.seconds = time.perf_counter() - started
    _say(console, url, summary)
    return summary


async def _send(
    url: str,
    token: str,
    told: Iterator[list[Event]],
    events: int,
    sending: Sending,
    advance: Callable[[int], None],
) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=sending.timeout_seconds) as client:
        await send_events(client, token, told, events=events, sending=sending, progress=advance)


def _counted(told: Iterator[list[Event]], summary: Summary, events: int) -> Iterator[list[Event]]:
    """The same stories, counted up to the last event that is sent."""
    left = events
    for story in told:
        if left <= 0:
            return
        sent = story[:left]
        left -= len(sent)
        summary.visitors += len({event["properties"]["$device_id"] for event in sent})
        summary.signups += sum(event["event"] == "signed up" for event in sent)
        summary.organisations.update(
            event["properties"]["$group_key"] for event in sent if event["event"] == "$groupidentify"
        )
        yield sent


def _say(console: Console, url: str, summary: Summary) -> None:
    rate = summary.events / summary.seconds if summary.seconds else 0.0
    console.print(
        f"Sent {summary.events:,} events of {summary.visitors:,} visitors, {summary.signups:,} sign-ups and "
        f"{len(summary.organisations):,} organisations in {summary.seconds:.0f} s ({rate:,.0f} events/s).\n"
        f"Look at them at {url.rstrip('/')}/: live events, and the SQL page."
    )
