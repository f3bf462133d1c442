"""What servers list is compared with the catalogue, and what is new is written down before any of it is passed on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import structlog
from django.db import Error as DatabaseError

from gateway_site.lib.actor import Actor, acting_as
from proxy.errors import Refusal
from proxy.pace import Pace
from proxy.snapshot import Snapshot, run_query
from servers.definitions import digest as digest_of
from servers.observing import MAX_TOOLS, Listed, observe_by_id
from servers.offers import Offer, era_of

if TYPE_CHECKING:
    from proxy.call import Call
    from proxy.snapshot import Snapshots

logger = structlog.get_logger("proxy.sightings")
# Where a result lists definitions: their kind, and the member that names them.
MEMBERS = {
    "tools": ("tool", "name"),
    "prompts": ("prompt", "name"),
    "resources": ("resource", "uri"),
    "resourceTemplates": ("template", "uriTemplate"),
}
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
# More than the catalogue takes of one server need not be looked at.
MAX_ENTRIES = MAX_TOOLS
# A server that says something else each time costs its own callers this long, and nobody else.
_SECONDS_BETWEEN = 0.25
_WAIT_SECONDS = 5.0
_WRITES_AT_ONCE = 2
_MAX_SERVERS = 5_000
_ACTOR = Actor("system", "proxy", "data plane")
# An entry with the digest of its definition, and what is to be written: the server, its project and the era.
_Listed = tuple[Listed, str]
_Order = tuple[int, int, str, list[Listed]]


class Sightings:
    """Of one event loop: each server's catalogue is written by one call at a time, with pauses between.

    Of a project's servers one is written at a time, in threads where nothing else is done, so that what they all list
    keeps neither other projects nor the configuration waiting.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._executor = ThreadPoolExecutor(max_workers=_WRITES_AT_ONCE, thread_name_prefix="sighting")
        self._servers: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._projects: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._written: dict[int, float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def note(self, call: Call, member: str, entries: Sequence[Any]) -> Offer:
        """What the catalogue says of the server once it knows these entries, of which it takes the first MAX_ENTRIES.

        What is missing among them says nothing: a server may show some to some clients only. Raises Refusal when it
        cannot be written down.
        """
        return await self._note(call, MEMBERS[member][0], await _digested(member, entries))

    async def unapproved(self, call: Call, member: str, entries: Sequence[Any]) -> set[tuple[str, str]]:
        """Notes them too; kind and name of those whose definition is not approved, as the server said it."""
        listed = await _digested(member, entries)
        offer = await self._note(call, MEMBERS[member][0], listed)
        return {(entry.kind, entry.name) for entry, digest in listed
                if not offer.shows(entry.kind, entry.name, digest)}  # fmt: skip

    async def _note(self, call: Call, kind: str, listed: list[_Listed]) -> Offer:
        era = era_of(call.modern)
        if _is_news(offer_of(call), kind, era, listed):
            try:
                async with asyncio.timeout(_WAIT_SECONDS):
                    await self._write_in_turn(call, kind, era, listed)
            except (DatabaseError, TimeoutError, OSError) as error:
                logger.warning("a list cannot be written down", error=type(error).__name__)
                raise Refusal("configuration_stale") from None
        return offer_of(call)

    async def _write_in_turn(self, call: Call, kind: str, era: str, listed: list[_Listed]) -> None:
        server, project = call.upstream.server_id, call.principal.project_id
        async with AsyncExitStack() as turns:
            await turns.enter_async_context(_lock(self._servers, server))
            # Whoever was here before may have written the same.
            if not _is_news(offer_of(call), kind, era, listed):
                return
            wait = self._written.get(server, float("-inf")) + _SECONDS_BETWEEN - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            await turns.enter_async_context(_lock(self._projects, project))
            # A thread is not stopped by a caller that leaves: the turn ends with it, so that no second one begins.
            order = server, project, era, [entry for entry, _ in listed]
            task = asyncio.create_task(self._write(order, turns.pop_all()), name="sighting")
            self._writing.add(task)
            task.add_done_callback(self._forget)
        await asyncio.shield(task)

    async def _write(self, order: _Order, turns: AsyncExitStack) -> None:
        server, project, *_ = order
        async with turns:
            await run_query(self._executor, _observe, order)
            if len(self._written) >= _MAX_SERVERS:
                self._written.clear()
            self._written[server] = time.monotonic()
            await self._snapshots.reload(project)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            # Nobody may be left to be told.
            task.exception()


def offer_of(call: Call) -> Offer:
    """As the newest configuration has it; nothing is offered by a server that is gone."""
    newest: Snapshot | None = call.state.snapshots.current(call.principal.project_id)
    found = newest.rights.offers.get(call.upstream.slug) if newest is not None else None
    if found is None or found.server_id != call.upstream.server_id:
        return Offer(call.upstream.server_id)
    return found


def _lock(locks: WeakValueDictionary[int, asyncio.Lock], key: int) -> asyncio.Lock:
    """Kept for as long as anybody holds it or waits for it."""
    lock = locks.get(key)
    if lock is None:
        lock = locks[key] = asyncio.Lock()
    return lock


async def _digested(member: str, entries: Sequence[Any]) -> list[_Listed]:
    kind, name_of = MEMBERS[member]
    listed, pace = list[_Listed](), Pace()
    for entry in entries[:MAX_ENTRIES]:
        if isinstance(entry, dict) and isinstance(entry.get(name_of), str):
            listed.append((Listed(kind, entry[name_of], entry), digest_of(entry)))
            await pace.keep()
    return listed


def _is_news(offer: Offer, kind: str, era: str, listed: Sequence[_Listed]) -> bool:
    return any(offer.is_news(kind, entry.name, digest, era) for entry, digest in listed)


def _observe(order: _Order) -> None:
    server_id, project_id, era, listed = order
    with acting_as(_ACTOR):
        observe_by_id(server_id, project_id, era=era, listed=listed)
