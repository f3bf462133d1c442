"""How a worker looks through its memory for what only refers to itself."""

from __future__ import annotations

import ctypes
import gc

# Objects made and not yet gone before the youngest are looked through; the interpreter's own figure, 700, is reached
# every ten calls, and calls leave nothing behind that refers to itself.
_YOUNG = 10_000
# As malloc.h of the GNU C library names it by number. Threads that take turns with the interpreter need no heap each,
# and what one of them gave back the others do not take from a heap that is not theirs.
_M_ARENA_MAX = -8
_HEAPS = 2


def settle() -> None:
    """What is there now lives as long as the process: to look through it again would stop the loop for 0.1 s."""
    gc.collect()
    _share_heaps()
    _give_back()
    gc.freeze()
    gc.set_threshold(_YOUNG)


def _share_heaps() -> None:
    """For the threads that come; where the C library knows nothing of it, nothing happens."""
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None:
        choose(_M_ARENA_MAX, _HEAPS)


def _give_back() -> None:
    """What starting took and does not need any more goes back to the system, where its C library can do so."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
