"""Starting a child that cannot outlive us.

A child gets a session of its own (Ctrl-C reaches only the supervisor, which stops things in order), the account it is
to run under, and a signal for the moment its parent dies. That signal is a property of Linux; elsewhere a supervisor
that is killed with SIGKILL leaves its children running, and the lock they inherit keeps a second `up` away from them.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group a child runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `argv` is visible to every user of the machine: secrets go through `env` or `stdin`.

    stdin: given to the child whole, then closed; at most 64 KiB, what a pipe holds without a reader.
    death_signal: what the child gets when its parent dies, however it dies.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    account: Account | None = None
    stdin: bytes | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL


def start(command: Command, output: IO[bytes] | int, *, keep: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start the child with both its outputs on `output` and the file descriptors `keep` open.

    Call it from the main thread: the death signal is sent when the *thread* that forked ends.
    """
    account = command.account
    child = subprocess.Popen(  # noqa: S603
        command.argv,
        stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT if output != subprocess.DEVNULL else subprocess.DEVNULL,
        cwd=command.cwd,
        env={**os.environ, **command.env},
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        start_new_session=True,
        pass_fds=tuple(keep),
        preexec_fn=die_with(os.getpid(), command.death_signal),
    )
    if child.stdin:
        child.stdin.write(command.stdin or b"")
        child.stdin.close()
    return child


def die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None] | None:
    """What a child does before exec, so that it gets `death_signal` when `parent` dies. None: this system cannot."""
    if _libc is None:
        return None
    prctl = _libc.prctl

    def arm() -> None:
        # Runs after the change of user, which would clear the setting, and before exec, which keeps it.
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and here: no signal will come
            os._exit(1)

    return arm


def stop(child: subprocess.Popen[bytes], stop_signal: signal.Signals, *, seconds: float) -> int:
    """Ask the child to end, insist after `seconds`, and return its exit code."""
    if child.poll() is None:
        child.send_signal(stop_signal)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


def wait_until(ready: Callable[[], bool], child: subprocess.Popen[bytes], *, seconds: float) -> None:
    """Return once `ready()`. Raises RuntimeError when the child ends first and TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if child.poll() is not None:
            raise RuntimeError(f"ended with exit code {child.returncode} before it was ready")
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready after {seconds:g} s")
        time.sleep(0.02)
