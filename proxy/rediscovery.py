"""A server that says that its lists are others now is read again for the catalogue, at most once in a few seconds."""

from __future__ import annotations

import asyncio
import contextlib

from proxy.errors import Refusal
from proxy.snapshot import Snapshots
from servers.reading import note_list_changed
from servers.upstream import Upstream

_SECONDS_BETWEEN = 5.0


class Rediscovery:
    """Of one event loop. A server that is heard again meanwhile is asked for once more afterwards."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._resting: dict[int, asyncio.TimerHandle] = {}
        self._again: set[int] = set()
        self._asking: set[asyncio.Task[None]] = set()

    def note(self, upstream: Upstream) -> None:
        server_id = upstream.server_id
        if server_id in self._resting:
            self._again.add(server_id)
            return
        loop = asyncio.get_running_loop()
        self._resting[server_id] = loop.call_later(_SECONDS_BETWEEN, self._rested, upstream)
        task = loop.create_task(self._ask(server_id), name="rediscovery")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def close(self) -> None:
        for handle in self._resting.values():
            handle.cancel()
        self._resting.clear()

    def _rested(self, upstream: Upstream) -> None:
        del self._resting[upstream.server_id]
        if upstream.server_id in self._again:
            self._again.discard(upstream.server_id)
            self.note(upstream)

    async def _ask(self, server_id: int) -> None:
        # What cannot be written now is found with the next discovery, or the next time the server says it.
        with contextlib.suppress(Refusal):
            await self._snapshots.ask(note_list_changed, server_id)
