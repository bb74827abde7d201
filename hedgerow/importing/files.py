"""Files of JSON lines, plain or gzipped: read from where an earlier run stopped, with what was read remembered."""

import gzip
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json", ".json.gz")
# Whole batch exports come in these too; they need a reader of their own.
UNREADABLE = (".parquet", ".jsonl.br", ".jsonl.zst", ".jsonl.lz4", ".jsonl.sz")
MAX_LINE_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file. end: the file's uncompressed bytes up to its end."""

    number: int
    end: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file has been taken. size and modified say whether it is still the same file."""

    size: int
    modified: int
    lines: int = 0
    offset: int = 0


def files_of(directory: Path) -> list[Path]:
    """The files of an export, in the order of their names, which is the order of time. Raises ValueError."""
    found = sorted(path for path in directory.rglob("*") if path.is_file() and not path.name.startswith("."))
    if unreadable := [path for path in found if path.name.endswith(UNREADABLE)]:
        raise ValueError(
            f"{unreadable[0]}: only JSON lines, plain or gzipped, are read. Export as JSONLines with gzip."
        )
    events = [path for path in found if path.name.endswith(SUFFIXES) and not path.name.endswith("_manifest.json")]
    if not events:
        raise ValueError(f"There is no file of JSON lines in {directory}.")
    return events


def start_of(path: Path, state: Path) -> Progress:
    """Where to go on: at the beginning unless `state` is of this very file."""
    about = path.stat()
    fresh = Progress(about.st_size, about.st_mtime_ns)
    try:
        kept = Progress(**json.loads(state.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return fresh
    return kept if (kept.size, kept.modified) == (fresh.size, fresh.modified) else fresh


def keep(progress: Progress, state: Path) -> None:
    """Remember it durably, whole or not at all."""
    unfinished = state.with_name(f"{state.name}.new")
    with unfinished.open("w") as file:
        json.dump(asdict(progress), file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(state)


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file as it lies, whose position shows how much has been read, and its uncompressed content."""
    with path.open("rb") as raw:
        head = raw.read(2)
        raw.seek(0)
        if head == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield raw, io.BufferedReader(unpacked, 1 << 20)
        else:
            yield raw, raw


def lines(content: IO[bytes], start: Progress) -> Iterator[Line]:
    """The lines behind `start` that hold something. Raises ValueError for one that is too long to be an event."""
    number, offset = start.lines, start.offset
    content.seek(offset)
    while text := content.readline(MAX_LINE_BYTES):
        number, offset = number + 1, offset + len(text)
        if len(text) == MAX_LINE_BYTES and not text.endswith(b"\n"):
            raise ValueError(f"line {number} is longer than {MAX_LINE_BYTES} bytes: is this a file of JSON lines?")
        if text := text.strip():
            yield Line(number, offset, text)
