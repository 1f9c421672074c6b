"""The memory of a process that serves for long: freed blocks go back, garbage is found in short steps."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

_M_MMAP_THRESHOLD = -3
_M_TRIM_THRESHOLD = -1
_M_ARENA_MAX = -8
_LARGE = 256 * 1024
_ARENAS = 2


def settle() -> None:
    """Adjust this process, once all is loaded that it begins with.

    What is there by now stays, so the collector need not look at it again: each full collection would stop everything
    for a fifth of a second. glibc gives large blocks back when they are freed, where it would else keep room for as
    many as there ever were, in an arena for each thread.
    """
    gc.collect()
    gc.freeze()
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _LARGE)
        mallopt(_M_ARENA_MAX, _ARENAS)
