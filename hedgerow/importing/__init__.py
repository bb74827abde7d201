"""`hedgerow ingest`: a history from files, sent through the capture endpoint as a historical migration.

    formats.py  a line -> an event        files.py  lines of a file, and how far it has been taken

A run that ends half-way goes on where it stopped: what was acknowledged is remembered beside the file after every
window of events. What was sent since then is sent again under the same uuids, and stored once.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from zlib import crc32

import httpx
import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from hedgerow.importing import files
from hedgerow.importing.files import Line
from hedgerow.importing.formats import Event, Format, Unusable, event_of
from hedgerow.sending import BatchRefused, NotTaken, Sending, deliver, encode, first_refusal

__all__ = ["Imported", "NotTaken", "run"]
# So many events are under way before it is remembered that they were taken.
WINDOW_BATCHES = 8
# Answers that are about what was sent; any other refusal, such as of the API key, would meet every batch.
_ABOUT_EVENTS = frozenset((400, 413))


@dataclass
class Imported:
    """What became of the lines. rejected: where those are that gave no event, with the reason."""

    events: int = 0
    refused: int = 0
    skipped_lines: int = 0
    rejected: list[Path] = field(default_factory=list)


def run(
    url: str,
    token: str,
    paths: Sequence[Path],
    form: Format | None = None,
    *,
    sending: Sending | None = None,
    console: Console | None = None,
) -> Imported:
    """Send all events of `paths`, one file after the other, and show how it goes. Raises NotTaken and OSError.

    Events of one distinct id are sent in the order of the files.
    """
    console, done = console or Console(), Imported()
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bars = {path: progress.add_task(path.name, total=path.stat().st_size) for path in paths}
        asyncio.run(_send(url, token, paths, form, sending or Sending(), done, progress, bars))
    console.print(_summary(url, done))
    return done


async def _send(
    url: str,
    token: str,
    paths: Sequence[Path],
    form: Format | None,
    sending: Sending,
    done: Imported,
    progress: Progress,
    bars: dict[Path, TaskID],
) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=sending.timeout_seconds) as client:
        for path in paths:

            def at(position: int, bar: TaskID = bars[path]) -> None:
                progress.update(bar, completed=position)

            await _File(path, client, token, form, sending, done).take(at)


@dataclass
class _File:
    path: Path
    client: httpx.AsyncClient
    token: str
    form: Format | None
    sending: Sending
    done: Imported

    async def take(self, at: Callable[[int], None]) -> None:
        """Send what an earlier run has not."""
        state = self.path.with_name(f".{self.path.name}.ingested")
        start = files.start_of(self.path, state)
        self.done.skipped_lines += start.lines
        with files.opened(self.path) as (raw, content):
            for window in _windows(files.lines(content, start), self.sending.batch_events * WINDOW_BATCHES):
                await self._deliver([event for line in window if (event := self._event(line))])
                files.keep(replace(start, lines=window[-1].number, offset=window[-1].end), state)
                at(raw.tell())
        at(self.path.stat().st_size)

    def _event(self, line: Line) -> Event | None:
        try:
            return event_of(line.text, line.number, self.form)
        except Unusable as exc:
            self._reject(line.text.decode(errors="replace"), str(exc), line.number)
            return None

    async def _deliver(self, events: list[Event]) -> None:
        """Each distinct id's events on one lane, in order; lanes side by side."""
        lanes: list[list[Event]] = [[] for _ in range(self.sending.lanes)]
        for event in events:
            lanes[crc32(event["distinct_id"].encode()) % len(lanes)].append(event)
        try:
            async with asyncio.TaskGroup() as group:
                for lane in lanes:
                    group.create_task(self._lane(lane))
        except BaseExceptionGroup as failures:
            raise first_refusal(failures) from None

    async def _lane(self, events: list[Event]) -> None:
        for start in range(0, len(events), self.sending.batch_events):
            await self._batch(events[start : start + self.sending.batch_events])

    async def _batch(self, batch: Sequence[Event]) -> None:
        """A batch that is refused is cut in half until the event at fault is alone."""
        try:
            await deliver(self.client, encode(self.token, batch, historical=True), self.sending)
            self.done.events += len(batch)
        except BatchRefused as exc:
            if exc.status not in _ABOUT_EVENTS:
                raise
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._batch(batch[:middle])
                await self._batch(batch[middle:])
                return
            self._reject(orjson.dumps(batch[0]).decode(), str(exc), None)

    def _reject(self, text: str, reason: str, number: int | None) -> None:
        rejected = self.path.with_name(f"{self.path.name}.rejected.jsonl")
        if rejected not in self.done.rejected:
            self.done.rejected.append(rejected)
        with rejected.open("ab") as file:
            file.write(orjson.dumps({"line": number, "reason": reason, "text": text}) + b"\n")
        self.done.refused += 1


def _windows(lines: Iterator[Line], size: int) -> Iterator[list[Line]]:
    while window := list(itertools.islice(lines, size)):
        yield window


def _summary(url: str, done: Imported) -> str:
    text = f"Sent {done.events:,} events to {url}."
    if done.skipped_lines:
        text += f" {done.skipped_lines:,} lines had been taken before."
    if done.refused:
        text += f" {done.refused:,} could not be used: see {', '.join(str(path) for path in done.rejected)}."
    return text
