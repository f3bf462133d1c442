"""Pieces of work that are done at one time, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def at_one_time(*works: Callable[[], T]) -> list[T]:
    """What each gave, in their order; all begin together, with a database connection each. Raises what one raised."""
    ready = threading.Barrier(len(works), timeout=30)

    def run(work: Callable[[], T]) -> T:
        try:
            ready.wait()
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return [under_way.result(60) for under_way in [pool.submit(run, work) for work in works]]
