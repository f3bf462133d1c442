"""One question at a time: who wants what somebody else is already asking for waits for the same answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Flights:
    """Of one event loop."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    async def join(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer that whoever came first with this key gets, or what it raises.

        It is waited for even when all who asked have left: the next one is glad of it.
        """
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(ask(), name="flight")
            task.add_done_callback(lambda done: self._land(key, done))
        answer: T = await asyncio.shield(task)
        return answer

    def _land(self, key: Hashable, done: asyncio.Task[Any]) -> None:
        del self._under_way[key]
        if not done.cancelled():
            # Nobody may be left to be told.
            done.exception()

    async def close(self) -> None:
        for task in list(self._under_way.values()):
            task.cancel()
