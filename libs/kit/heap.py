"""How a process that works on batches keeps its memory."""

import ctypes
import gc

# of malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_KEPT_BYTES = 128 * 1024 * 1024
_MAPPED_ALONE_BYTES = 32 * 1024 * 1024  # the most that glibc takes
_GROWTH_BYTES = 1024 * 1024
_YOUNG_OBJECTS = 20_000


def settle() -> None:
    """Call when a process has imported and opened what it lives with.

    The collector no longer looks at what is there now, and looks at what is new less often: a batch's thousands of
    tuples are no cycles, and go with their last reference. And up to 128 MiB that are free stay with the process, of
    those that a batch has needed before: glibc gives the end of its heap back as soon as 128 KiB of it are free, and a
    large block as soon as it is freed, so each batch would meet a page fault for every 4 KiB it writes. With blocks of
    4 MiB and more given back, that was half of the time the writer took to make columns of rows (3 faults and 12 us a
    row).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # not glibc
        return
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_TOP_PAD, _GROWTH_BYTES)
    mallopt(_MMAP_THRESHOLD, _MAPPED_ALONE_BYTES)
