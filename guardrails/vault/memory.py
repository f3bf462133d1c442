"""The vault of one process, when there is no Redis."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway_site.lib.secrets import Keyring
from guardrails.engine.lent import VaultUnavailable
from guardrails.vault.sealed import DEFAULT_SECONDS, Bounds, Entry, Owner, OwnerKeys, SealedVault

_BOUNDS = Bounds()


@dataclass(slots=True)
class _Kept:
    payload: bytes
    slots: int
    used: float
    recipients: tuple[str, ...]


@dataclass(slots=True)
class _Shelf:
    """One owner's values, the longest unused first."""

    kept: OrderedDict[str, _Kept]
    slots: int = 0
    used: float = 0.0


class MemoryVault(SealedVault):
    """Per process. Full, it drops the longest unused owner of the same project, never another project's."""

    def __init__(
        self,
        keyring: Keyring,
        *,
        seconds: float = DEFAULT_SECONDS,
        bounds: Bounds = _BOUNDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(keyring, seconds, bounds)
        self._clock = clock
        # By project, then by owner's name; each project's longest unused owner first.
        self._projects: dict[int, OrderedDict[str, _Shelf]] = {}
        self._slots: dict[int, int] = {}
        self._swept = clock()
        # The engine's bench may ask from a thread beside the event loop.
        self._lock = threading.Lock()

    async def forget(self, owner: Owner) -> None:
        with self._lock:
            self._drop(owner.project, self._keys_of(owner).name)

    async def close(self) -> None:
        with self._lock:
            self._projects.clear()
            self._slots.clear()

    async def _store(self, keys: OwnerKeys, entries: Sequence[Entry], recipient: str) -> Sequence[bool]:
        with self._lock:
            now = self._clock()
            self._sweep(now)
            shelf = self._live_shelf(keys.project, keys.name, now)
            kept = OrderedDict() if shelf is None else shelf.kept
            fresh: dict[str, Entry] = {}
            stored = []
            for entry in entries:
                there = kept[entry.token].payload if entry.token in kept else b""
                there = fresh[entry.token].payload if entry.token in fresh else there
                stored.append(not there or there.startswith(entry.check))
                if not there:
                    fresh[entry.token] = entry
            self._make_room(keys.project, keys.name, sum(entry.slots for entry in fresh.values()))
            shelf = self._projects.setdefault(keys.project, OrderedDict()).setdefault(keys.name, _Shelf(OrderedDict()))
            for entry, is_stored in zip(entries, stored, strict=True):
                if is_stored:
                    self._put(keys.project, shelf, entry, recipient, now)
            self._touch(keys.project, keys.name, shelf, now)
            return stored

    async def _fetch(self, keys: OwnerKeys, tokens: Sequence[str], recipient: str) -> Sequence[bytes | None]:
        with self._lock:
            now = self._clock()
            shelf = self._live_shelf(keys.project, keys.name, now)
            if shelf is None:
                return [None] * len(tokens)
            payloads = [self._use(shelf, token, recipient, now) for token in tokens]
            if any(payloads):
                self._touch(keys.project, keys.name, shelf, now)
            return payloads

    def _use(self, shelf: _Shelf, token: str, recipient: str, now: float) -> bytes | None:
        kept = shelf.kept.get(token)
        if kept is None or recipient not in kept.recipients:
            return None
        kept.used = now
        shelf.kept.move_to_end(token)
        return kept.payload

    def _live_shelf(self, project: int, name: str, now: float) -> _Shelf | None:
        """The owner's shelf without what has expired."""
        shelf = self._projects.get(project, OrderedDict()).get(name)
        while shelf is not None and shelf.kept:
            token, oldest = next(iter(shelf.kept.items()))
            if oldest.used > now - self._seconds:
                return shelf
            del shelf.kept[token]
            shelf.slots -= oldest.slots
            self._slots[project] -= oldest.slots
        if shelf is not None:
            self._drop(project, name)
        return None

    def _put(self, project: int, shelf: _Shelf, entry: Entry, recipient: str, now: float) -> None:
        kept = shelf.kept.get(entry.token)
        if kept is None:
            shelf.kept[entry.token] = _Kept(entry.payload, entry.slots, now, (recipient,))
            shelf.slots += entry.slots
            self._slots[project] = self._slots.get(project, 0) + entry.slots
            return
        kept.used = now
        shelf.kept.move_to_end(entry.token)
        if recipient not in kept.recipients:
            kept.recipients += (recipient,)

    def _touch(self, project: int, name: str, shelf: _Shelf, now: float) -> None:
        shelf.used = now
        self._projects[project].move_to_end(name)

    def _make_room(self, project: int, name: str, slots: int) -> None:
        """Raises VaultUnavailable, and then has dropped nothing."""
        shelves = self._projects.get(project, OrderedDict())
        own = shelves[name].slots if name in shelves else 0
        if own + slots > self._bounds.owner:
            raise VaultUnavailable("the session has too many values")
        if not self._fits(project, own + slots - self._slots.get(project, 0)):
            raise VaultUnavailable("the vault is full")
        while not self._fits(project, slots):
            oldest = next(iter(shelves))
            if oldest == name:
                shelves.move_to_end(name)
            else:
                self._drop(project, oldest)

    def _fits(self, project: int, slots: int) -> bool:
        """Whether the project could have so many slots more."""
        wanted = self._slots.get(project, 0) + slots
        everything = sum(self._slots.values()) + slots
        in_pool = wanted <= self._bounds.project and everything <= self._bounds.process
        return in_pool or wanted <= self._bounds.reserve

    def _drop(self, project: int, name: str) -> None:
        shelves = self._projects.get(project, OrderedDict())
        shelf = shelves.pop(name, None)
        if shelf is None:
            return
        self._slots[project] -= shelf.slots
        if not shelves:
            del self._projects[project]
            del self._slots[project]

    def _sweep(self, now: float) -> None:
        """Drops what has expired of all owners, so that the values of quiet projects do not stay."""
        if now - self._swept < self._seconds / 60:
            return
        self._swept = now
        for project, shelves in list(self._projects.items()):
            for name, shelf in list(shelves.items()):
                if shelf.used > now - self._seconds:
                    break
                self._drop(project, name)
