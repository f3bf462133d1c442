"""What the caches have in common: what a key is made of, and what is counted of each."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import NamedTuple

from prometheus_client import Counter

LOOKUPS = Counter("mcpgw_cache_lookups_total", "Look-ups in caches, by outcome.", ["cache", "outcome"])
EVICTIONS = Counter("mcpgw_cache_evictions_total", "What caches let go, and why.", ["cache", "reason"])


class Cache(StrEnum):
    """Everything that is kept to be found again: servers' lists, projects, catalogues, verdicts."""

    TOOLS = "tools"
    CONFIG = "config"
    OFFERS = "offers"
    DEFINITIONS = "definitions"
    VERDICTS = "verdicts"


class Reason(StrEnum):
    FULL = "full"
    EXPIRED = "expired"
    CHANGED = "changed"
    CLEARED = "cleared"


class Key(NamedTuple):
    """Two contexts that differ in anything never share an entry. Made by `key_of`."""

    project: int
    principal: str
    server: int
    version: str
    method: str
    params: str

    def digest(self) -> str:
        """SHA-256 in hex, for stores outside of the process; each part with its length, so that none runs over."""
        parts = (str(part).encode("utf-8", "surrogatepass") for part in self)
        return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()


def key_of(
    *, project: int, server: int, version: str, method: str, params: str = "", principal: str = ""
) -> Key:
    """The key of whatever more than one call may be answered from.

    `principal` is the class of callers that share it; "" is everyone in the project. `version` is of the
    configuration that the entry was made under.
    """
    return Key(project, principal, server, version, method, params)


class Counts:
    """One cache's counters, looked up once."""

    def __init__(self, cache: Cache) -> None:
        self.hit = LOOKUPS.labels(cache, "hit").inc
        self.miss = LOOKUPS.labels(cache, "miss").inc
        self._evictions = {reason: EVICTIONS.labels(cache, reason) for reason in Reason}

    def evict(self, reason: Reason, number: int = 1) -> None:
        if number:
            self._evictions[reason].inc(number)
