"""How far a long command is: a bar that is drawn over and over on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 30
_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 5.0


class Progress:
    """Call it with how many of how many are done. It writes to standard error, so that output stays clean.

    What is done at once says nothing.
    """

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._last = time.monotonic()
        self._has_said = False

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        every = _REDRAW_SECONDS if self._is_terminal else _LINE_SECONDS
        is_time = now - self._last >= every
        if not is_time and not (done >= of and self._has_said):
            return
        self._last, self._has_said = now, True
        if self._is_terminal:
            filled = _WIDTH * done // of if of else _WIDTH
            self._stream.write(f"\r[{'#' * filled}{'.' * (_WIDTH - filled)}] {done} of {of} {self._what}")
            self._stream.write("\n" if done >= of else "")
        else:
            self._stream.write(f"{done} of {of} {self._what}\n")
        self._stream.flush()
