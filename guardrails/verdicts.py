"""The verdict cache: what detectors found in a text, by a keyed digest of it. It holds scores and places, never text.

Each project has a key and a table of its own: none can find out by timing what another has scanned, and none can push
out what another has stored. The cache is in process memory only: a look-up there costs a few microseconds, a round
trip to a shared store more than most scans.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache

from gateway_site.lib.caching import Cache, Counts, Reason
from guardrails.engine.findings import Finding
from guardrails.engine.segments import Segment

_counts = Counts(Cache.VERDICTS)
_KEY_BYTES = 16
# A text with more findings than these is scanned again.
_MAX_FINDINGS = 256
# As much memory as an entry without any.
_FINDINGS_PER_SLOT = 2

# Detector, category, score, start, end and how.
_Seen = tuple[tuple[str, str, float, int, int, str], ...]


class _Table:
    """One project's entries, the longest unused first: when each expires, and what was seen if anything was.

    They are apart so that the many entries without findings hold nothing that a collector of garbage has to look at.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.entries: OrderedDict[bytes, float] = OrderedDict()
        self._seen: dict[bytes, _Seen] = {}
        self.slots = 0
        self.expires = 0.0

    def put(self, name: bytes, expires: float, seen: _Seen) -> None:
        self.entries[name] = expires
        if seen:
            self._seen[name] = seen
        self.slots += _slots(seen)
        self.expires = expires

    def seen(self, name: bytes) -> _Seen:
        return self._seen.get(name, ())

    def drop(self, name: bytes) -> None:
        if self.entries.pop(name, None) is not None:
            self.slots -= _slots(self._seen.pop(name, ()))


class VerdictCache:
    """Called from any thread.

    Bounds are in slots of about 300 bytes: an entry takes one, and one more for every two findings. A project has
    `per_project`, the process `process`; however much others hold, each project has `reserve`. An entry lives for
    `seconds`, or until its project needs the room for another.
    """

    def __init__(
        self,
        *,
        per_project: int = 20_000,
        process: int = 60_000,
        reserve: int = 1_000,
        seconds: float = 3600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_project = per_project
        self._process = process
        self._reserve = reserve
        self._seconds = seconds
        self._clock = clock
        # Nobody else reads the entries, so that nobody else needs to know their key.
        self._secret = os.urandom(32)
        self._tables: dict[int, _Table] = {}
        self._swept = clock()
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def name_of(self, project: int, segment: Segment) -> bytes:
        """What a text is known by to the cache, whatever detector asks."""
        table = self._tables.get(project)
        # A project without entries does the same work, so that no answer is told by its time.
        return _name(table.key if table is not None else self._key_of(project), segment)

    def get(
        self, project: int, detector_id: str, segment: Segment, name: bytes = b""
    ) -> tuple[Finding, ...] | None:
        """What the detector found in this text, at this segment's place; None when that is not known.

        `detector_id` stands for the detector's name, version and configuration. `name` is as `name_of` says, for who
        asks about one text more than once.
        """
        seen = self._look(project, (name or self.name_of(project, segment)) + _digest(detector_id))
        if seen is None:
            _counts.miss()
            return None
        _counts.hit()
        pointer, is_key = segment.pointer, segment.is_key
        return tuple(
            Finding(detector, category, score, pointer, start, end, is_key, how)
            for detector, category, score, start, end, how in seen
        )

    def put(
        self, project: int, detector_id: str, segment: Segment, findings: Sequence[Finding], name: bytes = b""
    ) -> None:
        """What `TextDetector.scan` found in this text. What it says of another place is not kept, nor is very much."""
        place = segment.pointer, segment.is_key
        if len(findings) > _MAX_FINDINGS or any((each.pointer, each.is_key) != place for each in findings):
            return
        seen = tuple((each.detector, each.category, each.score, each.start, each.end, each.how) for each in findings)
        name = (name or self.name_of(project, segment)) + _digest(detector_id)
        with self._lock:
            now = self._clock()
            self._sweep(now)
            table = self._tables.get(project) or _Table(self._key_of(project))
            table.drop(name)
            while table.entries and not self._fits(table, _slots(seen)):
                table.drop(next(iter(table.entries)))
                _counts.evict(Reason.FULL)
            if self._fits(table, _slots(seen)):
                table.put(name, now + self._seconds, seen)
                self._tables[project] = table

    def forget(self, project: int) -> None:
        with self._lock:
            table = self._tables.pop(project, None)
        _counts.evict(Reason.CLEARED, number=len(table.entries) if table is not None else 0)

    def clear(self) -> None:
        with self._lock:
            self._tables.clear()

    def __len__(self) -> int:
        with self._lock:
            return sum(len(table.entries) for table in self._tables.values())

    def _look(self, project: int, name: bytes) -> _Seen | None:
        table = self._tables.get(project)
        with self._lock:
            entry = table.entries.get(name) if table is not None else None
            if table is None or entry is None or entry <= self._clock():
                if table is not None and entry is not None:
                    table.drop(name)
                    _counts.evict(Reason.EXPIRED)
                self.misses += 1
                return None
            table.entries.move_to_end(name)
            self.hits += 1
            return table.seen(name)

    def _key_of(self, project: int) -> bytes:
        return hmac.digest(self._secret, f"project:{project}".encode(), "sha256")

    def _fits(self, table: _Table, slots: int) -> bool:
        """Whether the table could have so many slots more."""
        wanted = table.slots + slots
        everything = sum(each.slots for each in self._tables.values()) + slots
        return (wanted <= self._per_project and everything <= self._process) or wanted <= self._reserve

    def _sweep(self, now: float) -> None:
        """Frees what projects that have become quiet no longer use."""
        if now - self._swept < self._seconds / 60:
            return
        self._swept = now
        for project, table in list(self._tables.items()):
            if table.expires <= now:
                _counts.evict(Reason.EXPIRED, number=len(table.entries))
                del self._tables[project]


@lru_cache(maxsize=4_096)
def _digest(detector_id: str) -> bytes:
    return hashlib.sha256(detector_id.encode("utf-8", "surrogatepass")).digest()[:_KEY_BYTES]


def _slots(seen: _Seen) -> int:
    return 1 + len(seen) // _FINDINGS_PER_SLOT


def _name(key: bytes, segment: Segment) -> bytes:
    """HMAC-SHA256 over all of a text that a finding may depend on; no part but the last can be of any form."""
    digest = hashlib.sha256(segment.text.encode("utf-8", "surrogatepass")).digest()
    about = f"{segment.kind}|{segment.surface}|{segment.is_key}|{segment.key}"
    return hmac.digest(key, digest + about.encode("utf-8", "surrogatepass"), "sha256")[:_KEY_BYTES]
