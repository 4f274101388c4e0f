"""How a training on a CPU keeps its memory."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of glibc's `mallopt`."""

_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next one.

    By itself glibc gives large buffers back to the system and takes them anew in every step, page by page
    (`benchmarks/freed_memory.py` says what that costs). Other C libraries are left alone.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _NEVER)
