"""What the guardrails of one event loop share: threads, connections to services, caches and the vault."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from guardrails import vault
from guardrails.engine import scan
from guardrails.engine.apart import apart_in
from guardrails.engine.detector import Outbound
from guardrails.outbound import Connections
from guardrails.presets import DEFAULT, PRESETS
from guardrails.verdicts import VerdictCache
from proxy.definitions import Definitions
from proxy.errors import Refusal

_THREADS = 2
# How long a scanning thread keeps the interpreter from the event loop; the default of 5 ms is felt by every call.
_SWITCH_SECONDS = 0.001
# Messages of fewer bytes are gone through where they are.
_LARGE_BYTES = 32 * 1024
T = TypeVar("T")


class Guards:
    """Made with the loop's state, closed with it."""

    def __init__(self) -> None:
        sys.setswitchinterval(_SWITCH_SECONDS)
        self.pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="guard")
        self.cache = VerdictCache()
        self.vault = vault.from_settings()
        self.definitions = Definitions()
        self.is_warm = False
        self._warming: asyncio.Task[None] | None = None
        self._connections = Connections()
        self._slots: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    def slot_of(self, project_id: int) -> asyncio.Semaphore:
        """A project has one long text in the pool at a time, so that it leaves the others theirs."""
        slot = self._slots.get(project_id)
        if slot is None:
            slot = self._slots[project_id] = asyncio.Semaphore(1)
        return slot

    async def warm(self) -> None:
        """Makes ready what most projects use, once, for the first call that is looked at.

        A worker whose projects look at nothing never holds it.
        """
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm(), name="warm")
        await asyncio.shield(self._warming)

    async def _warm(self) -> None:
        with contextlib.suppress(TimeoutError):
            await apart_in(self.pool)(scan.prepare, PRESETS[DEFAULT])
        self.is_warm = True
        # It lives as long as the process: to look through it for garbage would stop the loop, again and again.
        gc.collect()
        gc.freeze()

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
        self.pool.shutdown(wait=False, cancel_futures=True)
        await self._connections.close()
        await self.vault.close()
