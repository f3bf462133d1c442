"""How a worker looks through its memory for what only refers to itself."""

from __future__ import annotations

import ctypes
import gc

# Objects made and not yet gone before the youngest are looked through; the interpreter's own figure, 700, is reached
# every ten calls, and calls leave nothing behind that refers to itself.
_YOUNG = 10_000


def settle() -> None:
    """What is there now lives as long as the process: to look through it again would stop the loop for 0.1 s."""
    gc.collect()
    _give_back()
    gc.freeze()
    gc.set_threshold(_YOUNG)


def _give_back() -> None:
    """What starting took and does not need any more goes back to the system, where its C library can do so."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
