"""A time limit for what the running task does in a block: asyncio.timeout without what hardly any block needs.

Every call is under several, and hardly any runs out.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """`with Deadline(2.0): await …` raises TimeoutError when the block takes longer. Used once, not moved."""

    __slots__ = ("_cancelling", "_expired", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only inside of a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self._timer = loop.call_later(self._seconds, self._expire)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if not self._expired:
            return
        # Only where nobody else has cancelled the task too is it the time that ran out.
        if self._task.uncancel() <= self._cancelling and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()
