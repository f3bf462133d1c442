"""How many requests a token, or an address without one, may send in a minute, in each process."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

WINDOW = 60
_MAX_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Reading:
    """`remaining` requests until `resets_in` seconds from now. `limit` 0 is none."""

    limit: int
    remaining: int
    resets_in: int
    is_over: bool

    @property
    def headers(self) -> dict[str, str]:
        """draft-ietf-httpapi-ratelimit-headers-10."""
        if not self.limit:
            return {}
        return {
            "RateLimit-Policy": f'"requests";q={self.limit};w={WINDOW}',
            "RateLimit": f'"requests";r={self.remaining};t={self.resets_in}',
        }


class Meter:
    """Fixed windows by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = 0
        self._taken: dict[str, int] = {}

    def take(self, name: str, limit: int) -> Reading:
        now = time.time()
        resets_in = WINDOW - int(now) % WINDOW
        if not limit:
            return Reading(0, 0, resets_in, False)
        with self._lock:
            window = int(now) // WINDOW
            if window != self._window or len(self._taken) >= _MAX_KNOWN:
                self._window = window
                self._taken.clear()
            taken = self._taken[name] = self._taken.get(name, 0) + 1
        return Reading(limit, max(0, limit - taken), resets_in, taken > limit)


meter = Meter()
