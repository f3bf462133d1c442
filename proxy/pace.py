"""Lets other calls have their turn in the middle of work that is long by its number of small parts."""

from __future__ import annotations

import asyncio
import time

_SECONDS = 0.002


class Pace:
    """Begun with the work; `keep` is called after each part."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.perf_counter()

    async def keep(self) -> None:
        if time.perf_counter() - self._since > _SECONDS:
            await asyncio.sleep(0)
            self._since = time.perf_counter()
