"""Servers' lists that some worker has read, in Redis for the others; where there is none, each reads for itself."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings

from gateway_site.lib import jsontext
from gateway_site.lib.caching import Key, key_of
from gateway_site.lib.secrets import Unsealable
from proxy.shared_memory import SharedMemory
from servers.catalogue import MAX_TOOLS

if TYPE_CHECKING:
    from proxy.call import Call
    from servers.catalogue import Table

_MAX_BYTES = 2 * 2**20


class Listings:
    """Only of 2026-07-28: in the era before a server may list in each session what is for that session.

    What is stored is sealed, and is of one state of the catalogue: any change makes another key.
    """

    def __init__(self) -> None:
        self._memory = SharedMemory(without="lists are not shared")
        self._forgetting: set[asyncio.Task[None]] = set()

    async def load(self, call: Call, table: Table) -> bool:
        """Fills a table that this worker has never filled with what another has read. Raises Refusal."""
        if not self._memory.is_there or not call.modern or table.complete or table.changes:
            return False
        key = _key(call)
        found = _open(key, await self._memory.ask(lambda r: r.get(_name(key))))
        if found is None:
            return False
        tools, good_until = found
        await call.state.sightings.note(call, "tools", tools)
        call.state.catalogue.replace(table, tools, good_for=max(0.0, good_until - time.time()))
        return True

    async def store(self, call: Call, tools: list[Any], good_for: float | None) -> None:
        """For as long as the server says, and as we keep lists."""
        ours = float(settings.CACHE_TOOLS_SECONDS)
        seconds = min(ours, good_for if good_for is not None else ours)
        if not self._memory.is_there or not call.modern or seconds < 1 or len(tools) > MAX_TOOLS:
            return
        text = jsontext.encode([tools, time.time() + seconds])
        if len(text) <= _MAX_BYTES:
            key = _key(call)
            sealed = settings.KEYRING.seal(text, _place(key))
            await self._memory.ask(lambda r: r.set(_name(key), sealed, px=int(seconds * 1000)))

    def forget(self, call: Call) -> None:
        """The server says that its list is another one now."""
        if self._memory.is_there:
            key = _key(call)
            task = asyncio.create_task(self._memory.ask(lambda r: r.delete(_name(key))), name="forget-list")
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)

    async def close(self) -> None:
        await self._memory.close()


def _key(call: Call) -> Key:
    upstream, snapshot = call.upstream, call.snapshot
    offer = snapshot.rights.offers.get(upstream.slug)
    cleared = max(snapshot.cleared.get("tools", 0), snapshot.cleared.get(f"tools:{upstream.server_id}", 0))
    return key_of(
        project=upstream.project_id, server=upstream.server_id, method="tools/list",
        version=f"{upstream.config_hash}.{offer.version if offer is not None else 0}.{cleared}",
    )  # fmt: skip


def _name(key: Key) -> str:
    return f"mcpgw:list:{key.digest()}"


def _place(key: Key) -> str:
    return f"list:{key.digest()}"


def _open(key: Key, sealed: bytes | None) -> tuple[list[Any], float] | None:
    if sealed is None:
        return None
    try:
        tools, good_until = jsontext.decode(settings.KEYRING.unseal(sealed.decode(), _place(key)))
    except (Unsealable, UnicodeDecodeError, ValueError, TypeError):
        return None
    return tools, good_until
