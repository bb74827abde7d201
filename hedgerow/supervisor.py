"""Keeps the parts of one Hedgerow running: engines, then migrations, then HTTP, then workers.

A part starts when every part of the stages before it has been ready once; later outages of an engine do not stop the
parts that use it (they answer 503 and recover). A part that ends is started again, later each time. Stopping goes the
other way round, asks first and kills after a deadline. Children get the instance's lock and a death signal, so nothing
outlives a supervisor that is killed, and the next one waits until the last child is gone.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from hedgerow.embedded import process
from hedgerow.embedded.process import Command
from hedgerow.part_logs import PartLogs
from hedgerow.restarts import Life, RestartPolicy, after_exit, became_ready, started
from libs.kit.clock import Clock

OK = "ok"
TICK_SECONDS = 0.1
WATCH_SECONDS = 2.0
ROTATE_SECONDS = 10.0

Phase = Literal["waiting", "starting", "ready", "done"]


@dataclass(frozen=True)
class Part:
    """One process to keep.

    ready: `OK`, or why the part does not serve yet; must return within a second or so.
    once: a step that must end with exit code 0 before the next stage, and is not started again.
    watched: asked for `ready` for as long as it runs (the HTTP process asks the engines itself).
    eager: started with the first stage; it waits for the stages before it by itself.
    keep: file descriptors it inherits besides the lock.
    """

    name: str
    stage: int
    command: Callable[[], Command]
    ready: Callable[[], Awaitable[str]]
    once: bool = False
    watched: bool = False
    eager: bool = False
    keep: tuple[int, ...] = ()
    start_seconds: float = 60.0
    stop_seconds: float = 20.0


@dataclass
class Slot:
    """A part and what has become of it."""

    part: Part
    phase: Phase = "waiting"
    life: Life = field(default_factory=Life)
    child: subprocess.Popen[bytes] | None = None
    status: str = "waiting"
    asked_at: float = 0.0


class Reporter(Protocol):
    """Who tells the person at the terminal."""

    def part_ended(self, part: str, why: str, last_lines: Sequence[str]) -> None:
        """A part ended without being asked to."""

    def problem(self, part: str, level: str, text: str) -> None:
        """A part logged a warning or an error."""


class StartFailed(RuntimeError):
    """A part could not be brought up; everything that ran has been stopped."""


class Supervisor:
    """See the module. `publish` is told every part's status and count of restarts whenever one changes."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        logs: PartLogs,
        clock: Clock,
        reporter: Reporter,
        publish: Callable[[Mapping[str, str], Mapping[str, int]], None],
        lock: int | None = None,
        policy: RestartPolicy | None = None,
    ):
        self._slots = [Slot(part) for part in sorted(parts, key=lambda part: part.stage)]
        self._logs = logs
        self._clock = clock
        self._reporter = reporter
        self._publish = publish
        self._lock = () if lock is None else (lock,)
        self._policy = policy or RestartPolicy()
        self._published: object = None
        self._rotated_at = clock.monotonic()

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event, on_ready: Callable[[], Awaitable[None]]) -> None:
        """Until `stop`; then end everything (`hurry`: at once). `on_ready` is called once, when all are ready.

        Raises StartFailed when a part gives up before it was ever ready.
        """
        announced = False
        try:
            while not stop.is_set():
                await self._tick()
                if not announced and self.all_ready():
                    announced = True
                    await on_ready()
                await self._pause(stop)
        finally:
            await self._stop_all(hurry)

    def all_ready(self) -> bool:
        """Whether every part serves (or has done its one job)."""
        return all(slot.phase in ("ready", "done") and slot.status == OK for slot in self._slots)

    def statuses(self) -> dict[str, str]:
        """Part -> OK or why not; steps that are done are left out."""
        return {slot.part.name: slot.status for slot in self._slots if slot.phase != "done"}

    async def _pause(self, stop: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await stop.wait()
        except TimeoutError:
            pass

    async def _tick(self) -> None:
        now = self._clock.monotonic()
        for slot in self._slots:
            if slot.phase == "waiting" and now >= slot.life.not_before and self._may_start(slot):
                self._start(slot, now)
        await asyncio.gather(*(self._look(slot, now) for slot in self._slots if slot.child))
        for slot in self._slots:
            with contextlib.suppress(OSError):
                for level, text in self._logs.problems(slot.part.name):
                    self._reporter.problem(slot.part.name, level, text)
        if now - self._rotated_at > ROTATE_SECONDS:
            self._rotated_at = now
            with contextlib.suppress(OSError):  # a full disk, above all: the parts matter more than their logs
                self._logs.rotate()
        with contextlib.suppress(OSError):
            self._publish_changes()

    def _may_start(self, slot: Slot) -> bool:
        if slot.part.eager:
            return True
        return all(other.life.ever_ready for other in self._slots if other.part.stage < slot.part.stage)

    def _start(self, slot: Slot, now: float) -> None:
        if not slot.life.restarts:
            self._logs.skip_to_end(slot.part.name)
        slot.life = started(slot.life, now)
        slot.phase, slot.status = "starting", "starting"
        try:
            with open(self._logs.path(slot.part.name), "ab", opener=_private) as output:
                slot.child = process.start(slot.part.command(), output, keep=(*self._lock, *slot.part.keep))
        except (OSError, subprocess.SubprocessError) as exc:  # no memory, no process numbers, no disk: may pass
            self._ended(slot, str(exc), now)

    async def _look(self, slot: Slot, now: float) -> None:
        assert slot.child  # noqa: S101
        if (code := slot.child.poll()) is not None:
            self._exited(slot, code, now)
        elif slot.phase == "starting":
            await self._await_ready(slot, now)
        elif slot.part.watched and now - slot.asked_at > WATCH_SECONDS:
            slot.asked_at = now
            slot.status = await _ask(slot.part)

    async def _await_ready(self, slot: Slot, now: float) -> None:
        if now - slot.life.started_at > slot.part.start_seconds and slot.child:
            _kill(slot.child)  # the next look sees it ended
        elif not slot.part.once and await _ask(slot.part) == OK:
            slot.phase, slot.status = "ready", OK
            slot.life = became_ready(slot.life)

    def _exited(self, slot: Slot, code: int, now: float) -> None:
        slot.child = None
        if slot.part.once and code == 0:
            slot.phase, slot.status = "done", OK
            slot.life = became_ready(slot.life)
        else:
            self._ended(slot, exit_reason(code), now)

    def _ended(self, slot: Slot, why: str, now: float) -> None:
        slot.life = after_exit(slot.life, self._policy, now)
        slot.phase, slot.status = "waiting", f"ended ({why}), starting again"
        self._reporter.part_ended(slot.part.name, why, self._logs.tail(slot.part.name))
        if slot.life.given_up:
            raise StartFailed(f"{slot.part.name} does not start; see {self._logs.path(slot.part.name)}")

    def _publish_changes(self) -> None:
        restarts = {slot.part.name: slot.life.restarts for slot in self._slots}
        current = (self.statuses(), restarts)
        if current != self._published:
            self._publish(*current)
            self._published = current

    async def _stop_all(self, hurry: asyncio.Event) -> None:
        """Reverse order, stage by stage. Nothing is started any more."""
        for stage in sorted({slot.part.stage for slot in self._slots}, reverse=True):
            running = [slot for slot in self._slots if slot.part.stage == stage and slot.child]
            await asyncio.gather(*(self._stop(slot, hurry) for slot in running))

    async def _stop(self, slot: Slot, hurry: asyncio.Event) -> None:
        child = slot.child
        assert child  # noqa: S101
        deadline = self._clock.monotonic() + slot.part.stop_seconds
        if not hurry.is_set() and child.poll() is None:
            child.send_signal(slot.part.command().stop_signal)
        while child.poll() is None:
            if hurry.is_set() or self._clock.monotonic() > deadline:
                _kill(child)
                child.wait()
            await asyncio.sleep(0.02)
        slot.child = None


async def _ask(part: Part) -> str:
    try:
        return await part.ready()
    except Exception as exc:  # whatever a check raises means the same thing: this part is not ready
        return str(exc) or type(exc).__name__


def _kill(child: subprocess.Popen[bytes]) -> None:
    """The child and what it started: each child leads a session of its own."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        child.kill()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def exit_reason(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
