"""`hedgerow wal`: what capture's write-ahead log could not deliver, and another try for it."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from libs.kit.eventlog.wal_refused import RefusedRecord, Replayed, refused_in, replay_refused
from libs.kit.runtime import open_runtime
from libs.kit.settings import KitSettings

_SHOWN = 80


def directories(first: Path) -> Sequence[Path]:
    """That of the first capture process, and those beside it of the others (`up --processes`)."""
    others = (path for path in first.parent.glob(f"{first.name}-*") if path.name[len(first.name) + 1 :].isdigit())
    return [path for path in (first, *sorted(others)) if path.is_dir()]


def show(found: Sequence[Path], *, as_json: bool, console: Console | None = None) -> int:
    """Print what is kept in these directories; how many records."""
    console = console or Console()
    kept = [(directory, one) for directory in found for one in refused_in(directory)]
    if as_json:
        for directory, one in kept:
            said = orjson.dumps(_fields(directory, one)).decode()
            console.print(said, markup=False, highlight=False, soft_wrap=True)
        return len(kept)
    table = Table("when", "directory", "topic", "bytes", "record", box=None, header_style="bold")
    for directory, one in kept:
        text = one.record.value[: 4 * _SHOWN].decode(errors="replace")[:_SHOWN]
        size = f"{len(one.record.value):,}"
        table.add_row(_when(one), escape(str(directory)), one.topic, size, escape(text))
    if kept:
        console.print(table)
    damaged = sum(len(list(directory.glob("*.damaged"))) for directory in found)
    said = f"{len(kept):,} records that the event log refused"
    console.print(said + (f"; {damaged} damaged files (*.damaged), which nothing reads." if damaged else "."))
    return len(kept)


def send_again(settings: KitSettings, found: Sequence[Path], console: Console | None = None) -> Replayed:
    """Replay them, and say how many were taken."""
    console = console or Console()
    done = asyncio.run(_replayed(settings, found))
    console.print(f"{done.sent:,} records were sent again.")
    if done.refused:
        console.print(f"{done.refused:,} are still larger than their topic allows, and are kept.")
    return done


async def _replayed(settings: KitSettings, found: Sequence[Path]) -> Replayed:
    sent = refused = 0
    async with open_runtime(settings) as runtime:
        for directory in found:
            done = await replay_refused(runtime.log, directory, lambda: int(time.time() * 1000))
            sent, refused = sent + done.sent, refused + done.refused
    return Replayed(sent, refused)


def _when(one: RefusedRecord) -> str:
    return datetime.fromtimestamp(one.at_ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")


def _fields(directory: Path, one: RefusedRecord) -> dict[str, object]:
    return {
        "directory": str(directory),
        "at": _when(one),
        "topic": one.topic,
        "key": (one.record.key or b"").decode(errors="replace"),
        "headers": {name: value.decode(errors="replace") for name, value in one.record.headers},
        "value": one.record.value.decode(errors="replace"),
    }
