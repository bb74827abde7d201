"""The supervisor with small real processes."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from hedgerow.embedded.process import Command
from hedgerow.part_logs import PartLogs
from hedgerow.restarts import RestartPolicy
from hedgerow.supervisor import OK, Part, StartFailed, Supervisor
from libs.kit.clock import SystemClock

PATIENCE = 60.0  # seconds; all of this takes a fraction of one where nothing else runs
QUICK = RestartPolicy(base_seconds=0.05, cap_seconds=0.1, start_attempts=3)

# Says where it is by files: NAME.up once it runs (its pid), a line in `order` at start and at the end.
BODY = """
import os, pathlib, signal, sys, time
here, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def note(word):
    with open(here / "order", "a") as file:
        file.write(f"{word} {name}\\n")
def end(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("started")
whole = here / f"{name}.writing"
whole.write_text(str(os.getpid()))
whole.rename(here / f"{name}.up")
"""
LIVES = BODY + "while True: time.sleep(0.02)\n"
# Deaf before it says that it runs: whoever stops it must not come in between.
STUBBORN = LIVES.replace("signal.signal(signal.SIGTERM, end)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
FAILS = BODY + "print('no disk', flush=True); sys.exit(3)\n"
SUCCEEDS = BODY + "sys.exit(0)\n"
WITH_CHILD = BODY + "import subprocess; subprocess.Popen(['sleep', '300'])\nwhile True: time.sleep(0.02)\n"


@dataclass
class Heard:
    """A reporter that remembers."""

    ended: list[tuple[str, str, list[str]]] = field(default_factory=list)
    problems: list[tuple[str, str, str]] = field(default_factory=list)

    def part_ended(self, part: str, why: str, last_lines: Sequence[str]) -> None:
        self.ended.append((part, why, list(last_lines)))

    def problem(self, part: str, level: str, text: str) -> None:
        self.problems.append((part, level, text))


@dataclass
class Run:
    """A supervisor at work."""

    here: Path
    supervisor: Supervisor
    task: "asyncio.Task[None]"
    stop: asyncio.Event
    hurry: asyncio.Event
    heard: Heard
    published: list[tuple[Mapping[str, str], Mapping[str, int]]]

    def pid(self, name: str) -> int:
        return int((self.here / f"{name}.up").read_text())

    def order(self) -> list[str]:
        return (self.here / "order").read_text().splitlines()


def part(here: Path, name: str, stage: int, body: str = LIVES, **options: object) -> Part:
    async def ready() -> str:
        return OK if (here / f"{name}.up").exists() else "not yet"

    command = Command((sys.executable, "-S", "-c", body, str(here), name))
    return Part(name, stage, lambda: command, ready, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def supervising(here: Path, *parts: Part) -> AsyncIterator[Run]:
    stop, hurry, heard = asyncio.Event(), asyncio.Event(), Heard()
    published: list[tuple[Mapping[str, str], Mapping[str, int]]] = []
    (here / "logs").mkdir()
    supervisor = Supervisor(
        parts,
        logs=PartLogs(here / "logs", max_bytes=10_000),
        clock=SystemClock(),
        reporter=heard,
        publish=lambda statuses, restarts: published.append((statuses, restarts)),
        policy=QUICK,
    )

    async def on_ready() -> None:
        (here / "all.ready").touch()

    before = set(psutil.Process().children())
    task = asyncio.create_task(supervisor.run(stop, hurry, on_ready))
    try:
        yield Run(here, supervisor, task, stop, hurry, heard, published)
    finally:
        stop.set()
        hurry.set()
        await asyncio.wait([task])
    assert set(psutil.Process().children()) <= before


async def until(condition: Callable[[], object], run: Run, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if run.task.done():
            run.task.result()
        assert time.monotonic() < deadline, f"not in time; published {run.published[-1:]}"
        await asyncio.sleep(0.02)


def all_ready(run: Run) -> Callable[[], bool]:
    return lambda: (run.here / "all.ready").exists()


async def test_starts_in_order_and_stops_in_reverse(tmp_path: Path) -> None:
    parts = [part(tmp_path, "http", 2), part(tmp_path, "step", 1, SUCCEEDS, once=True), part(tmp_path, "engine", 0)]
    async with supervising(tmp_path, *parts) as run:
        await until(all_ready(run), run)
        assert run.order() == ["started engine", "started step", "started http"]
        assert run.supervisor.statuses() == {"engine": "ok", "http": "ok"}
        run.stop.set()
        await run.task
        assert run.order()[3:] == ["stopped http", "stopped engine"]
        assert run.heard.ended == []


async def test_a_killed_part_comes_back_and_is_counted(tmp_path: Path) -> None:
    async with supervising(tmp_path, part(tmp_path, "engine", 0), part(tmp_path, "http", 1)) as run:
        await until(all_ready(run), run)
        first, other = run.pid("engine"), run.pid("http")
        before = len(run.published)
        os.kill(first, signal.SIGKILL)
        await until(lambda: run.pid("engine") != first, run)
        await until(run.supervisor.all_ready, run)
        assert run.pid("http") == other, "what uses a part is left alone when the part dies"
        assert run.published[-1][1]["engine"] == 1
        assert [(name, why) for name, why, _ in run.heard.ended] == [("engine", "SIGKILL")]
        assert any(statuses["engine"] != "ok" for statuses, _ in run.published[before:])


async def test_gives_up_on_what_never_starts_and_shows_why(tmp_path: Path) -> None:
    async with supervising(tmp_path, part(tmp_path, "engine", 0), part(tmp_path, "step", 1, FAILS, once=True)) as run:
        with pytest.raises(StartFailed, match=r"step.*step\.log"):
            await asyncio.wait_for(run.task, PATIENCE)
        assert len(run.heard.ended) == QUICK.start_attempts
        assert run.heard.ended[-1][1:] == ("exit code 3", ["no disk"] * QUICK.start_attempts)
        assert run.order()[-1] == "stopped engine"


async def test_a_missing_program_is_a_failed_start_not_a_crash(tmp_path: Path) -> None:
    broken = Part("engine", 0, lambda: Command(("/nonexistent/program",)), part(tmp_path, "engine", 0).ready)
    async with supervising(tmp_path, part(tmp_path, "other", 0), broken) as run:
        with pytest.raises(StartFailed):
            await asyncio.wait_for(run.task, PATIENCE)


async def test_a_part_that_ignores_sigterm_is_killed_after_its_deadline(tmp_path: Path) -> None:
    async with supervising(tmp_path, part(tmp_path, "engine", 0, STUBBORN, stop_seconds=0.3)) as run:
        await until(all_ready(run), run)
        began = time.monotonic()
        run.stop.set()
        await run.task
        assert 0.3 <= time.monotonic() - began < PATIENCE


async def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    async with supervising(tmp_path, part(tmp_path, "engine", 0, STUBBORN, stop_seconds=600.0)) as run:
        await until(all_ready(run), run)
        run.stop.set()
        await asyncio.sleep(0.2)
        assert not run.task.done()
        run.hurry.set()
        await asyncio.wait_for(run.task, PATIENCE)


async def test_a_part_that_never_gets_ready_is_killed_and_tried_again(tmp_path: Path) -> None:
    async def never() -> str:
        return "thinking"

    slow = part(tmp_path, "engine", 0)
    hung = Part(slow.name, 0, slow.command, never, start_seconds=0.3)
    async with supervising(tmp_path, hung) as run:
        with pytest.raises(StartFailed):
            await asyncio.wait_for(run.task, PATIENCE)
        assert run.heard.ended[0][1] == "SIGKILL"


async def test_a_check_that_raises_means_not_ready(tmp_path: Path) -> None:
    async def broken() -> str:
        raise ConnectionRefusedError("nobody there")

    lives = part(tmp_path, "engine", 0)
    async with supervising(tmp_path, Part("engine", 0, lives.command, broken)) as run:
        await until((tmp_path / "engine.up").exists, run)
        await asyncio.sleep(0.3)
        assert run.supervisor.statuses() == {"engine": "starting"}


async def test_killing_a_part_takes_its_own_children_along(tmp_path: Path) -> None:
    async with supervising(tmp_path, part(tmp_path, "engine", 0, WITH_CHILD)) as run:
        await until(all_ready(run), run)
        family = psutil.Process(run.pid("engine"))
        await until(family.children, run)
        grandchildren = family.children()
        run.hurry.set()
        run.stop.set()
        await run.task
        assert psutil.wait_procs(grandchildren, timeout=PATIENCE)[1] == []


async def test_warnings_of_a_part_reach_the_terminal_and_its_info_does_not(tmp_path: Path) -> None:
    lines = ['{"event": "full", "level": "warning", "share": 0.7, "timestamp": "t"}', '{"event": "x", "level": "info"}']
    body = f"print({lines[0]!r}); print({lines[1]!r}, flush=True)\n"
    async with supervising(tmp_path, part(tmp_path, "engine", 0, body + LIVES)) as run:
        await until(lambda: run.heard.problems, run)
        assert run.heard.problems == [("engine", "warning", "full share=0.7")]


async def test_a_full_disk_does_not_stop_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with supervising(tmp_path, part(tmp_path, "engine", 0)) as run:
        await until(all_ready(run), run)

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(run.supervisor, "_publish", full)
        first = run.pid("engine")
        os.kill(first, signal.SIGKILL)
        await until(lambda: run.pid("engine") != first, run)
        await until(run.supervisor.all_ready, run)
