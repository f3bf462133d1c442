"""Owns the end of what nobody uses: a timer that closes a bridge after a time without calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from servers.runner.bridge import Bridge


def watch(bridge: Bridge, seconds: float, reap: Callable[[], None]) -> None:
    """Call `reap` once `bridge` has had no call and no stream for `seconds`; stops when the bridge ends."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if bridge.ended:
            return
        left = seconds if bridge.busy else bridge.last_used + seconds - time.monotonic()
        if left <= 0:
            reap()
        else:
            # One timer per child, moved on when it fires: resetting it at every call would cost more.
            loop.call_later(left, look)

    loop.call_later(seconds, look)
