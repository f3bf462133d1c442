"""How many questions to the log are looked into at one time: each keeps a database connection while it takes long."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from projects.access import Reach

# Where the database has no pool of connections.
_CONNECTIONS = 16
_lock = threading.Lock()
_taken: Counter[Reach] = Counter()


class TooMany(Exception):
    """Others with the same reach, or all together, ask as much as this process can look into."""


@contextmanager
def turn_of(reach: Reach) -> Iterator[None]:
    """Raises TooMany at once: who waits here would keep a connection from others too.

    All of them together leave half of the connections to everything else, and those with one reach, such as the
    readers of one project, leave half of that to others.
    """
    most = max(2, _size() // 2)
    with _lock:
        if _taken[reach] >= most // 2 or _taken.total() >= most:
            raise TooMany
        _taken[reach] += 1
    try:
        yield
    finally:
        with _lock:
            _taken[reach] -= 1
            if not _taken[reach]:
                del _taken[reach]


def _size() -> int:
    pool = connection.settings_dict["OPTIONS"].get("pool")
    return int(pool["max_size"]) if isinstance(pool, dict) else _CONNECTIONS
