"""Waiting for something to come about, in bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 30.0, every: float = 0.02) -> T:
    """The first truth that `condition` gives; it is asked every so many seconds. Raises AssertionError."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it did not come about in {seconds:g} s"
        time.sleep(every)
    return found
