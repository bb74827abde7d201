"""Named places where a test may kill the process, to prove that nothing is lost or doubled there.

With `HEDGEROW_CRASH_DIR` set, a process that passes a point of which there is a file in that directory is killed with
SIGKILL, once: the file is removed first, so the process that follows goes on. A test in the process itself calls `arm`.
Unset, a crash point costs two truth tests. Compiled when there is a compiler (crashpoints.pxd).
"""

import os
import signal
from collections import Counter

# when, and the signal
_targets: dict[str, tuple[int, int]] = {}
_passed: Counter[str] = Counter()
_directory: str | None = os.environ.get("HEDGEROW_CRASH_DIR")


def arm(spec: str) -> None:
    """Read a specification such as `writer.before_insert:2`; an empty one disarms. With a third part, as in
    `writer.before_insert:2:STOP`, the process gets that signal in place of SIGKILL."""
    _targets.clear()
    _passed.clear()
    for item in filter(None, spec.split(",")):
        name, times, how = f"{item}::".split(":")[:3]
        _targets[name] = int(times or 1), int(signal.Signals[f"SIG{how or 'KILL'}"])


def crash_point(name: str) -> None:
    """Die here if a test asked for it."""
    if _targets:
        _passed[name] += 1
        times, how = _targets.get(name, (0, 0))
        if times == _passed[name]:
            os.kill(os.getpid(), how)
    if _directory:
        try:
            os.unlink(os.path.join(_directory, name))
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
