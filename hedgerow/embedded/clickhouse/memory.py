"""Memory given back while nothing runs.

Most of an idle server is code of the engine that was touched once, at the start or by the last statement, and free
memory that the allocators keep. Neither is needed: code comes back from the page cache when it is run again.
"""

import asyncio
import ctypes
import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def tame_malloc() -> None:
    """Python's largest objects, such as a chunk of a result, go back to the system when they are freed. A few megabytes
    are kept between statements (`give_back` takes them too): the rows of an insert come in pieces of 256 KiB, and with
    the system asked for each of them anew, page faults were a third of what receiving an insert cost."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_TRIM_THRESHOLD, 8 * 1024 * 1024)
        _libc.mallopt(_M_TOP_PAD, 1024 * 1024)
        _libc.mallopt(_M_MMAP_THRESHOLD, 2 * 1024 * 1024)
        _libc.mallopt(_M_ARENA_MAX, 2)


def code_mappings(maps: str) -> Iterator[tuple[int, int]]:
    """Start and length of executable, never written mappings of files, from the text of /proc/self/maps.

    Only those: dropping a page that relocation wrote to would lose what was written.
    """
    for line in maps.splitlines():
        addresses, permissions, _, _, inode, *_ = line.split(maxsplit=5)
        if permissions == "r-xp" and inode != "0":
            start, end = (int(address, 16) for address in addresses.split("-"))
            yield start, end - start


def give_back() -> None:
    """Drop code pages and glibc's free memory. Nothing is lost; the next statement is a few milliseconds slower."""
    for start, length in code_mappings(Path("/proc/self/maps").read_text()):
        _libc.madvise(start, length, mmap.MADV_DONTNEED)
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)


async def give_back_when_idle(activity: Callable[[], int], purge: Callable[[], None], idle_seconds: float) -> None:
    """Once after each time that `activity`, a number that changes with every statement, has stood still so long."""
    done_at = activity()
    while True:
        before = activity()
        await asyncio.sleep(idle_seconds)
        if before == activity() != done_at:
            done_at = before
            await asyncio.to_thread(purge)
            await asyncio.to_thread(give_back)
