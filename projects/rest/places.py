"""Work that takes long is done for one project once at a time, and for a few projects at most, in each process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from projects.rest.problems import Problem

_AT_ONE_TIME = 4
_RETRY_SECONDS = "5"
_lock = threading.Lock()
_busy: set[int] = set()


@contextmanager
def place_of(project_id: int) -> Iterator[None]:
    """Raises Problem when there is none to be had. 0 is for what belongs to no project."""
    with _lock:
        if project_id in _busy or len(_busy) >= _AT_ONE_TIME:
            raise Problem("unavailable", headers={"Retry-After": _RETRY_SECONDS})
        _busy.add(project_id)
    try:
        yield
    finally:
        with _lock:
            _busy.discard(project_id)
