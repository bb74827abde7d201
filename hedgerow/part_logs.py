"""The parts' log files: `DIR/logs/NAME.log`, each with one older copy, and what in them a person should see at once.

Parts write the files themselves: one that is killed, or whose supervisor is, loses no line and waits for nobody. They
append, so emptying a file in place rotates it (lines written during the copy may be lost; nothing else is).
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

SURFACED = {"warning": "warning", "error": "error", "critical": "error"}
TAIL_BYTES = 16 * 1024
READ_BYTES = 256 * 1024


class PartLogs:
    """All log files of one instance."""

    def __init__(self, directory: Path, *, max_bytes: int):
        self._directory = directory
        self._max_bytes = max_bytes
        self._read_to: dict[str, int] = {}

    def path(self, part: str) -> Path:
        """Where a part writes."""
        return self._directory / f"{part}.log"

    def rotate(self) -> None:
        """Move what has grown too long into NAME.log.1."""
        for path in self._directory.glob("*.log"):
            if path.stat().st_size > self._max_bytes:
                shutil.copyfile(path, path.with_suffix(".log.1"))
                with path.open("r+b") as file:
                    file.truncate(0)

    def tail(self, part: str, lines: int = 12) -> list[str]:
        """The last lines, as a person reads them."""
        try:
            with self.path(part).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
                written = file.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [readable(line)[1] for line in written[-lines:]]

    def skip_to_end(self, part: str) -> None:
        """Leave out of `problems` what earlier runs wrote."""
        path = self.path(part)
        self._read_to[part] = path.stat().st_size if path.exists() else 0

    def problems(self, part: str) -> Iterator[tuple[str, str]]:
        """(level, text) of each warning and error written since the last call, of parts that log JSON."""
        path = self.path(part)
        size = path.stat().st_size if path.exists() else 0
        start = self._read_to.get(part, 0)
        if size < start:
            start = 0
        if size == start:
            return
        with path.open("rb") as file:
            file.seek(start)
            block = file.read(READ_BYTES)
        complete = block.rfind(b"\n") + 1 or (len(block) if len(block) == READ_BYTES else 0)
        self._read_to[part] = start + complete
        for line in block[:complete].decode(errors="replace").splitlines():
            level, text = readable(line)
            if level in SURFACED:
                yield SURFACED[level], text


def readable(line: str) -> tuple[str, str]:
    """(level, text) of one line; JSON of libs.kit.logging becomes `event key=value ...`."""
    try:
        entry = json.loads(line)
    except ValueError:
        return "", line
    if not isinstance(entry, dict):
        return "", line
    left_out = {"event", "level", "timestamp", "logger", "service", "version", "exception"}
    extras = " ".join(f"{key}={value}" for key, value in entry.items() if key not in left_out)
    last_line = str(entry.get("exception", "")).strip().rpartition("\n")[2]
    return str(entry.get("level", "")), " ".join(filter(None, [str(entry.get("event", "")), extras, last_line]))
