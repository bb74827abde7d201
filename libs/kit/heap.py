"""How a process that works on batches keeps its memory."""

import ctypes
import gc

# of malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_KEPT_BYTES = 32 * 1024 * 1024
_YOUNG_OBJECTS = 20_000


def settle() -> None:
    """Call when a process has imported and opened what it lives with.

    The collector no longer looks at what is there now, and looks at what is new less often: a batch's thousands of
    tuples are no cycles, and go with their last reference. And up to 32 MiB that are free stay with the process: glibc
    gives the end of its heap back as soon as 128 KiB of it are free, and each batch would meet a page fault for every
    4 KiB it writes, which costs more than writing them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # not glibc
        return
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_TOP_PAD, _KEPT_BYTES // 32)
    mallopt(_MMAP_THRESHOLD, _KEPT_BYTES // 8)
