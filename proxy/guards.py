"""What the guardrails of one event loop share: threads, connections to services, caches and the vault."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from guardrails import vault
from guardrails.engine import scan
from guardrails.engine.apart import apart_in
from guardrails.engine.detector import Outbound
from guardrails.engine.rules import Policy
from guardrails.outbound import Connections
from guardrails.verdicts import VerdictCache
from proxy.definitions import Definitions
from proxy.errors import Refusal

_THREADS = 2
# How long a scanning thread keeps the interpreter from the event loop; the default of 5 ms is felt by every call.
_SWITCH_SECONDS = 0.001
# Messages of fewer bytes are gone through where they are.
_LARGE_BYTES = 32 * 1024
_MOST_READY = 4_096
T = TypeVar("T")


class Guards:
    """Made with the loop's state, closed with it."""

    def __init__(self) -> None:
        sys.setswitchinterval(_SWITCH_SECONDS)
        self.pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="guard")
        self.cache = VerdictCache()
        self.vault = vault.from_settings()
        self.definitions = Definitions()
        # By identity; a snapshot keeps the objects of policies that did not change.
        self._ready: dict[int, Policy] = {}
        # By project too: nobody waits in the line of another for what both have.
        self._preparing: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._connections = Connections()
        self._slots: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    def slot_of(self, project_id: int) -> asyncio.Semaphore:
        """A project has one long text or policy in the pool at a time, so that it leaves the others theirs."""
        slot = self._slots.get(project_id)
        if slot is None:
            slot = self._slots[project_id] = asyncio.Semaphore(1)
        return slot

    def expect(self, project_id: int, policies: Iterable[Policy]) -> None:
        """Begins to make ready what a project will be looked at with."""
        for policy in policies:
            if not self._is_ready(policy):
                self._prepare(project_id, policy)

    async def make_ready(self, project_id: int, policy: Policy) -> None:
        """Returns when a message can be looked at without loading anything first.

        A worker whose projects look at nothing never holds the weights and expressions of detectors.
        """
        if not self._is_ready(policy):
            await asyncio.shield(self._prepare(project_id, policy))

    def _is_ready(self, policy: Policy) -> bool:
        return self._ready.get(id(policy)) is policy or not (policy.rules or policy.floor)

    def _prepare(self, project_id: int, policy: Policy) -> asyncio.Task[None]:
        """One task for a project's policy, however many wait for it."""
        place = project_id, id(policy)
        task = self._preparing.get(place)
        if task is None:
            task = self._preparing[place] = asyncio.create_task(self._load(project_id, policy), name="prepare")
        return task

    async def _load(self, project_id: int, policy: Policy) -> None:
        try:
            with contextlib.suppress(TimeoutError):
                await apart_in(self.pool, self.slot_of(project_id))(scan.prepare, policy)
        finally:
            del self._preparing[project_id, id(policy)]
        if not self._ready:
            _keep_loaded()
        if len(self._ready) >= _MOST_READY:
            self._ready.clear()
        self._ready[id(policy)] = policy

    async def apart(self, project_id: int, size: int, function: Callable[..., T], *arguments: Any) -> T:
        """What goes through a message of `size` bytes, in the pool when that is much. Raises Refusal overloaded."""
        if size < _LARGE_BYTES:
            return function(*arguments)
        try:
            found: T = await apart_in(self.pool, self.slot_of(project_id))(function, *arguments)
        except TimeoutError:
            raise Refusal("overloaded", reason="pool") from None
        return found

    def outbound_for(self, project_id: int) -> Outbound:
        """Connections and the count of failures are each project's own."""
        return self._connections.of(project_id)

    async def close(self) -> None:
        for task in self._preparing.values():
            task.cancel()
        self.pool.shutdown(wait=False, cancel_futures=True)
        await self._connections.close()
        await self.vault.close()


def _keep_loaded() -> None:
    """What was loaded lives as long as the process: to look through it for garbage would stop the loop again and again.

    Only the youngest is looked through before; all of it would stop the loop for as long now.
    """
    gc.collect(0)
    gc.freeze()
