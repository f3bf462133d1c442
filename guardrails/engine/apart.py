"""Runs work on large messages in a pool of threads, so that no other call waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Protocol, TypeVar

from guardrails.engine.turns import taking_turns

# A message that is still not scanned then is refused.
MOST_SECONDS = 30.0
_MOST_WAITED = 0.003
T = TypeVar("T")
Apart = Callable[..., Awaitable[Any]]


class Slot(Protocol):
    """A place in the pool, as asyncio.Semaphore has it."""

    async def acquire(self) -> Any: ...

    def release(self) -> None: ...


class _Collector:
    """Python's collector of garbage, which rests while large messages are gone through.

    Their parts are many, all alive, and gone by themselves when the scan ends; looking through all of them for cycles,
    again and again, would stop every thread for tens of milliseconds.
    """

    # When there has been a scan under way for so long, garbage is collected all the same.
    _LONGEST = 30.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting_for = 0
        self._since = 0.0
        self._was_on = False

    def rest(self) -> None:
        with self._lock:
            if not self._resting_for:
                self._was_on, self._since = gc.isenabled(), time.monotonic()
                gc.disable()
            elif self._was_on and time.monotonic() - self._since > self._LONGEST:
                gc.enable()
            self._resting_for += 1

    def go_on(self) -> None:
        with self._lock:
            self._resting_for -= 1
            if not self._resting_for and self._was_on:
                gc.enable()


_collector = _Collector()


async def at_once(function: Callable[..., T], *arguments: Any) -> T:
    """Without a pool, or for what is short."""
    return function(*arguments)


def apart_in(pool: Executor | None, slot: Slot | None = None) -> Apart:
    """How to run a function in the pool; it raises TimeoutError when that takes too long."""
    if pool is None:
        return at_once

    async def run(function: Callable[..., T], *arguments: Any) -> T:
        async with asyncio.timeout(MOST_SECONDS):
            if slot is not None:
                await slot.acquire()
            try:
                loop = asyncio.get_running_loop()
                work = loop.run_in_executor(pool, _work, partial(wait_for_turn, loop), function, *arguments)
            except BaseException:
                if slot is not None:
                    slot.release()
                raise
            if slot is not None:
                # A thread goes on when nobody waits for it any more, and holds its place until it ends.
                work.add_done_callback(lambda _: slot.release())
            return await asyncio.shield(work)

    return run


def _work(pause: Callable[[], None], function: Callable[..., T], *arguments: Any) -> T:
    _collector.rest()
    try:
        return taking_turns(pause, function, *arguments)
    finally:
        _collector.go_on()


def wait_for_turn(loop: asyncio.AbstractEventLoop) -> None:
    """Returns when the loop has been through what it had to do, or after a while all the same.

    To sleep instead would not do on a busy machine, where the loop may not be awake before the sleep is over.
    """
    done = threading.Event()
    # Without the loop nobody waits.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(done.set)
        done.wait(_MOST_WAITED)
