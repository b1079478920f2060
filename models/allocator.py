"""The C library's memory: freed blocks stay with the process instead of going back to the kernel and coming again.

The encoder of a 30 s window asks for tens of MB in every layer. glibc maps blocks above 32 MB from the kernel and gives
them back at once, so every layer pays for fresh, zeroed pages: a third of the encoder's time was that.
"""

from __future__ import annotations

import ctypes
import sys

# malloc.h of glibc
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let malloc keep what is freed, in one arena; does nothing where the C library is not glibc.

    Threads that run already keep their own arena, so this belongs before the models are loaded.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _NEVER)
