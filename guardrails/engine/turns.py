"""Lets the event loop have its turn while a thread of the pool works.

Python hands its interpreter to another thread when that has waited for a while. Two things keep it from doing so. One
long call into C is never interrupted, so work on long texts and arrays is cut in pieces. And many short calls that let
go of the interpreter, each for a microsecond, as every search of RE2 does, wake who waits for it and take it again
before it is awake; its wait begins anew each time. So what is long by its number of small parts gives way in between.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

# So long may a thread go on before it gives way; a loop that waits is late by as much.
_SECONDS = 0.001
# Values that are sorted in one call; one or two milliseconds of work.
_SORTED_AT_ONCE = 2_048
T = TypeVar("T")


class _Own(threading.local):
    """How this thread gives way, and when it did last; None where nobody waits, as in the thread of the loop itself."""

    pause: Callable[[], None] | None = None
    since: float = 0.0
    waited: float = 0.0


_own = _Own()


def give_way() -> None:
    """Called after each part of long work, however small the parts are; costs nothing outside the pool."""
    pause = _own.pause
    if pause is not None and (now := time.perf_counter()) - _own.since > _SECONDS:
        pause()
        _own.since = time.perf_counter()
        _own.waited += _own.since - now


def each(compiled: Any, text: Any, *between: int) -> Iterator[Any]:
    """Every match of an expression, from left to right, giving way in between; `between` as for `finditer`."""
    for match in compiled.finditer(text, *between):
        yield match
        give_way()


def giving_way(values: Iterable[T]) -> Iterator[T]:
    """The values one by one, giving way after each."""
    for value in values:
        yield value
        give_way()


def in_order(values: Iterable[T], key: Callable[[T], Any]) -> list[T]:
    """As `sorted`, which keeps the interpreter until it is through."""
    runs: list[list[T]] = []
    waiting = iter(values)
    while some := list(islice(waiting, _SORTED_AT_ONCE)):
        runs.append(sorted(some, key=key))
        give_way()
    if len(runs) <= 1:
        return runs[0] if runs else []
    found: list[T] = []
    for value in heapq.merge(*runs, key=key):
        found.append(value)
        give_way()
    return found


def working_time() -> float:
    """Seconds by a clock of this thread's own, which stands still while the thread gives way."""
    return time.perf_counter() - _own.waited


def taking_turns(pause: Callable[[], None], function: Callable[..., T], *arguments: object) -> T:
    """Calls the function in a thread of the pool; `pause` returns when the loop has had its turn."""
    _own.pause, _own.since = pause, time.perf_counter()
    try:
        return function(*arguments)
    finally:
        _own.pause = None
