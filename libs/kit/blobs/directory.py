"""Blobs as files below one directory.

A blob is written to `.new~`, synced, and renamed into place, so a reader and a crash see the old bytes or the new. A
segment that has blobs below it is a directory with a `~` after its name: `a` and `a/b` may both be blobs, as on S3.
"""

import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from libs.kit.blobs.base import BlobStat, checked, checked_range
from libs.kit.blobs.threads import Threads
from libs.kit.errors import NotFound, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_NEW = ".new~"
_MARK = "~"
_WORKERS = 4
_ABANDONED_SECONDS = 3600
_RACES = 10


class DirectoryBlobs:
    """See libs.kit.blobs.base.Blobs. Several processes may share the directory."""

    def __init__(self, root: Path, timeout_seconds: float):
        self._root = root.absolute()
        self._threads = Threads("blobs", _WORKERS, timeout_seconds)

    async def put(self, key: str, body: bytes) -> None:
        """Store durably, replacing what is there."""
        await self._run(key, self._put, self._path(key), body)

    async def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The bytes, or a range of them, cut off at the end of the blob. Raises NotFound."""
        checked_range(start, length)
        return await self._run(key, _read, self._path(key), start, length)

    async def stat(self, key: str) -> BlobStat | None:
        """Size and time, or None."""
        try:
            found = await self._run(key, os.stat, self._path(key))
        except NotFound:
            return None
        return _stat(key, found)

    async def delete(self, key: str) -> None:
        """Remove; nothing happens when it is not there."""
        with contextlib.suppress(NotFound):
            await self._run(key, self._delete, self._path(key))

    async def list(self, prefix: str) -> AsyncIterator[BlobStat]:
        """Blobs whose key starts with `prefix`, in key order. Holds the names of one path of directories in memory."""
        open_folders = [iter(await self._run(prefix, self._entries, "", prefix))]
        while open_folders:
            entry = next(open_folders[-1], None)
            if entry is None:
                open_folders.pop()
            elif entry.found is not None:
                yield _stat(entry.key, entry.found)
            else:
                open_folders.append(iter(await self._run(prefix, self._entries, entry.key, prefix)))

    async def check(self) -> None:
        """Raise Unavailable unless the directory can be written."""
        await self._run("", self._probe)

    async def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()

    async def _run(self, key: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._threads.run(call, *args, **kwargs)
        except FileNotFoundError as exc:
            raise NotFound(f"No blob {key!r}.") from exc
        except OSError as exc:
            raise Unavailable(f"The blob directory: {exc.strerror or type(exc).__name__}") from exc

    def _path(self, key: str) -> Path:
        *folders, name = checked(key).split("/")
        return self._root.joinpath(*(folder + _MARK for folder in folders), name)

    def _put(self, path: Path, body: bytes) -> None:
        new = self._folder_of_new() / secrets.token_hex(16)
        try:
            with new.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            self._rename(new, path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def _rename(self, new: Path, path: Path) -> None:
        for left in reversed(range(_RACES)):
            made = [folder for folder in (path.parent, *path.parents) if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                new.rename(path)
            except FileNotFoundError:  # a delete has just removed the directory as empty
                if not left:
                    raise
                continue
            for folder in {path.parent, *(folder.parent for folder in made)}:
                _sync(folder)
            return

    def _delete(self, path: Path) -> None:
        path.unlink()
        _sync(path.parent)
        for folder in path.parents:
            if folder == self._root:
                return
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone
                return

    def _entries(self, folder: str, prefix: str) -> "Sequence[_Entry]":
        path = self._root.joinpath(*(part + _MARK for part in folder.split("/") if part))
        entries = []
        with contextlib.suppress(FileNotFoundError), os.scandir(path) as found:
            for item in found:
                key = folder + item.name.removesuffix(_MARK)
                if item.name == _NEW:
                    continue
                if item.name.endswith(_MARK):
                    key += "/"
                    if key.startswith(prefix) or prefix.startswith(key):
                        entries.append(_Entry(key, None))
                elif key.startswith(prefix):
                    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                        entries.append(_Entry(key, item.stat()))
        return sorted(entries, key=lambda entry: entry.key)

    def _folder_of_new(self) -> Path:
        folder = self._root / _NEW
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _probe(self) -> None:
        """Also clears away what a killed process left half-written."""
        folder = self._folder_of_new()
        if not os.access(folder, os.W_OK):
            raise PermissionError(0, "it cannot be written")
        for path in _abandoned(folder):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A blob, or, without `found`, a directory; its key then ends in a slash, which also puts it in S3's order."""

    key: str
    found: os.stat_result | None


def _read(path: Path, start: int, length: int | None) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(-1 if length is None else length)


def _stat(key: str, found: os.stat_result) -> BlobStat:
    return BlobStat(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _sync(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # removed meanwhile, and with it what was to last
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _abandoned(folder: Path) -> Iterator[Path]:
    oldest = time.time() - _ABANDONED_SECONDS
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                yield path
