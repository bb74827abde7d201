"""Named places where a test may kill the process, to prove that nothing is lost or doubled there.

With `HEDGEROW_CRASH_DIR` set, a process that passes a point of which there is a file in that directory is killed with
SIGKILL, once: the file is removed first, so the process that follows goes on. A test in the process itself calls `arm`.
Unset, a crash point costs two truth tests. Compiled when there is a compiler (crashpoints.pxd).
"""

import os
import signal
from collections import Counter

_targets: dict[str, int] = {}
_passed: Counter[str] = Counter()
_directory: str | None = os.environ.get("HEDGEROW_CRASH_DIR")


def arm(spec: str) -> None:
    """Read a specification such as `writer.before_insert:2`; an empty one disarms."""
    _targets.clear()
    _passed.clear()
    for item in filter(None, spec.split(",")):
        name, _, times = item.partition(":")
        _targets[name] = int(times or 1)


def crash_point(name: str) -> None:
    """Die here if a test asked for it."""
    if _targets:
        _passed[name] += 1
        if _targets.get(name) == _passed[name]:
            os.kill(os.getpid(), signal.SIGKILL)
    if _directory:
        try:
            os.unlink(os.path.join(_directory, name))
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
