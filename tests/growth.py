"""What work costs beside other work that is measured in the same go: never an absolute time, which a machine sets."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Work = Callable[[], object]
_ROUNDS = 3
# CPU seconds: what is over sooner is repeated, as the clock and the machine's caches count for too much in it.
_LONG_ENOUGH = 0.005


def assert_in_proportion(work_of: Callable[[int], Work], size: int) -> None:
    """Eight times as much takes at most twenty times the CPU: on a busy machine too, where a quadratic step takes
    sixty. `work_of` prepares the work of a size, which is not measured.
    """
    assert_at_most(20, work_of(8 * size), work_of(size))


def assert_at_most(times: float, work: Work, other: Work) -> None:
    """Work takes at most so many times the CPU of the other, in this thread, each at its best of three rounds."""
    other()  # What is made once and kept is no part of it.
    best, best_other = float("inf"), float("inf")
    for _ in range(_ROUNDS):
        best_other, best = min(best_other, _seconds(other)), min(best, _seconds(work))
        if best <= times * best_other:
            return
    raise AssertionError(f"{best / best_other:.2f} times the CPU: {best:.6f} s beside {best_other:.6f} s")


def _seconds(work: Work) -> float:
    """CPU time of one run: the mean of as many as are long enough."""
    runs = 0
    with _no_collection():
        started = time.thread_time()
        while not runs or time.thread_time() - started < _LONG_ENOUGH:
            work()
            runs += 1
        return (time.thread_time() - started) / runs


@contextmanager
def _no_collection() -> Iterator[None]:
    """A collection costs by all that the suite holds, and comes to whoever is at work."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
