"""`hedgerow dead-letters`: what nobody could use, why, and another try for it."""

import asyncio
from collections import Counter

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from libs.kit.runtime import open_runtime
from libs.kit.settings import KitSettings
from services.cdp.dead_letters import DeadLetter, Wanted, newest, replay

_SHOWN = 120


def show(settings: KitSettings, wanted: Wanted, last: int, *, as_json: bool, console: Console | None = None) -> int:
    """Print the newest; how many there are."""
    console = console or Console()
    letters = asyncio.run(_found(settings, wanted, last))
    if as_json:
        for letter in letters:
            console.print(orjson.dumps(_fields(letter)).decode(), markup=False, highlight=False, soft_wrap=True)
        return len(letters)
    table = Table("when", "reason", "step", "topic", "record", box=None, header_style="bold")
    for letter in letters:
        when = letter.at.isoformat(sep=" ", timespec="seconds") if letter.at else "?"
        table.add_row(when, letter.reason, letter.step, letter.topic, escape(_text(letter)[:_SHOWN]))
    console.print(table)
    counts = Counter(letter.reason for letter in letters)
    console.print("; ".join(f"{reason}: {count:,}" for reason, count in counts.most_common()) or "No dead letters.")
    return len(letters)


def send_again(settings: KitSettings, wanted: Wanted, last: int, console: Console | None = None) -> int:
    """Replay them, and say how many."""
    console = console or Console()
    sent = asyncio.run(_replayed(settings, wanted, last))
    console.print(f"{sent:,} records were sent again. Those that still cannot be used come back as dead letters.")
    return sent


async def _found(settings: KitSettings, wanted: Wanted, last: int) -> list[DeadLetter]:
    async with open_runtime(settings) as runtime:
        found = [letter async for letter in newest(runtime.log, last, wanted)]
    return sorted(found, key=lambda letter: letter.at.timestamp() if letter.at else 0.0)[-last:]


async def _replayed(settings: KitSettings, wanted: Wanted, last: int) -> int:
    letters = await _found(settings, wanted, last)
    async with open_runtime(settings) as runtime:
        return await replay(runtime.log, letters)


def _fields(letter: DeadLetter) -> dict[str, object]:
    return {
        "partition": letter.record.partition,
        "offset": letter.record.offset,
        "at": letter.at,
        "reason": letter.reason,
        "step": letter.step,
        "topic": letter.topic,
        "key": (letter.record.key or b"").decode(errors="replace"),
        "value": _text(letter),
    }


def _text(letter: DeadLetter) -> str:
    return letter.record.value.decode(errors="replace")
